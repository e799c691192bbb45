/// A mask as cells of the network's input, laid over the image: what was predicted, at the resolution it was predicted at.
struct MaskGrid: BitwiseCopyable {
    /// Corner of the first cell, and a cell's sides, in pixels of the image.
    var x = 0.0, y = 0.0, dx = 1.0, dy = 1.0
    var width = 0, height = 0
    /// Range of ``MinedSet/runs``: column by column, beginning with zeros.
    var firstRun = 0, runCount = 0
    var isEmpty: Bool { runCount == 0 }
}

/// A detection of class lesion in a mined image.
struct MinedDetection: BitwiseCopyable {
    /// In pixels of the image.
    var x1, y1, x2, y2: Double
    var scores: MiningRule.Scores
    var verdict: MiningRule.Verdict
    /// Of candidates.
    var mask = MaskGrid()
}

struct MinedImage: BitwiseCopyable {
    /// In the data set.
    var index: Int
    /// Those that detections were compared with.
    var lesions: Int
    /// Case (a).
    var isFound: Bool
    /// Range of ``MinedSet/detections``.
    var first = 0, count = 0
}

/// What mining found in the images of a split, in their order. Filled by one thread, then only read, by any number of them.
final class MinedSet: @unchecked Sendable {
    // Unchecked: its maker is done with it before anybody else sees it.
    private(set) var images: GrowableBuffer<MinedImage>
    private(set) var detections: GrowableBuffer<MinedDetection>
    private(set) var runs: GrowableBuffer<UInt32>
    let allocator: Allocator
    /// Mined examples have no masks.
    var boxesOnly = false

    init(allocator: Allocator) {
        self.allocator = allocator
        images = GrowableBuffer(allocator: allocator)
        detections = GrowableBuffer(allocator: allocator)
        runs = GrowableBuffer(allocator: allocator)
    }

    // MARK: Filling

    /// Begins an image, to which what is appended then belongs.
    func begin(_ image: MinedImage) throws(ULDorError) {
        var image = image
        (image.first, image.count) = (detections.count, 0)
        try images.append(image)
    }

    /// `runs`: those of the detection's mask.
    func append(_ detection: MinedDetection, runs mask: UnsafeBufferPointer<UInt32>) throws(ULDorError) {
        var detection = detection
        (detection.mask.firstRun, detection.mask.runCount) = (runs.count, mask.count)
        for run in mask { try runs.append(run) }
        try detections.append(detection)
        images.elements[images.count - 1].count += 1
    }

    func removeAll() {
        images.removeAll()
        detections.removeAll()
        runs.removeAll()
    }

    /// Appends an image of another set.
    func append(_ image: MinedImage, of other: MinedSet) throws(ULDorError) {
        try begin(image)
        for detection in other.detections(of: image) {
            try append(detection, runs: UnsafeBufferPointer(rebasing: other.runs(of: detection.mask)))
        }
    }

    // MARK: Reading

    func detections(of image: MinedImage) -> Slice<UnsafeMutableBufferPointer<MinedDetection>> {
        detections.elements[image.first..<image.first + image.count]
    }

    func runs(of mask: MaskGrid) -> Slice<UnsafeBufferPointer<UInt32>> {
        UnsafeBufferPointer(runs.elements)[mask.firstRun..<mask.firstRun + mask.runCount]
    }

    /// The image of an index; nil where it was not mined.
    func find(_ index: Int) -> MinedImage? {
        var low = 0, high = images.count
        while low < high {
            let middle = (low + high) / 2
            if images.elements[middle].index < index { low = middle + 1 } else { high = middle }
        }
        guard low < images.count, images.elements[low].index == index else { return nil }
        return images.elements[low]
    }

    var minedCount: Int { detections.elements.count { $0.verdict == .chosen } }

    var bytes: Int { images.bytes + detections.bytes + runs.bytes }
}
