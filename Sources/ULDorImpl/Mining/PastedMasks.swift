import ULDorKernels

/// A network output's masks at the resolution of its input, one at a time; memory is used again by the next.
struct PastedMasks: ~Copyable {
    private let output: NetworkOutput
    private let model: Model
    private let size: InputSize
    private var pixels: GrowableBuffer<Float>
    /// Where the pixels of the last one lie.
    private var region = uk_region(x0: 0, y0: 0, x1: 0, y1: 0)
    private(set) var area = 0

    /// What is above it belongs to the mask (method, section 5).
    private static let threshold: Float = 0.5

    init(_ output: NetworkOutput, _ model: Model, _ size: InputSize, allocator: Allocator) {
        self.output = output
        self.model = model
        self.size = size
        pixels = GrowableBuffer(allocator: allocator)
    }

    mutating func paste(_ number: Int) throws(ULDorError) {
        let cells = model.mask.size * model.mask.size
        let paste = MaskPaste(
            mask: output.masks + number * cells, box: output.detections[number].box, model: model, width: size.width,
            height: size.height)
        region = paste.region
        area = 0
        try pixels.renew(paste.area)
        guard let base = pixels.elements.baseAddress, paste.area > 0 else { return }
        paste.fill(base)
        area = Int(uk_count_above(base, Int64(paste.area), Self.threshold))
    }

    private var width: Int { Swift.max(0, Int(region.x1 - region.x0)) }
    private var height: Int { Swift.max(0, Int(region.y1 - region.y0)) }

    /// IoU with a lesion's mask, 0 where either is empty.
    func overlap(_ lesion: Example.Lesion, _ mask: UnsafePointer<UInt8>) -> Double {
        let other = lesion.region
        var otherArea = 0
        for index in 0..<other.width * other.height { otherArea += Int(mask[index]) }
        guard area > 0, otherArea > 0 else { return 0 }
        let left = Swift.max(Int(region.x0), other.x), right = Swift.min(Int(region.x1), other.x + other.width)
        let top = Swift.max(Int(region.y0), other.y), bottom = Swift.min(Int(region.y1), other.y + other.height)
        guard left < right, top < bottom else { return 0 }
        var shared = 0
        for y in top..<bottom {
            let mine = (y - Int(region.y0)) * width - Int(region.x0), theirs = (y - other.y) * other.width - other.x
            for x in left..<right where mask[theirs + x] != 0 && pixels.elements[mine + x] > Self.threshold { shared += 1 }
        }
        return Double(shared) / Double(area + otherArea - shared)
    }

    /// The last mask over the image, its run lengths in `runs`; an empty one has none.
    func grid(_ transform: InputTransform, runs: inout GrowableBuffer<UInt32>) throws(ULDorError) -> MaskGrid {
        runs.removeAll()
        var grid = MaskGrid()
        guard area > 0 else { return grid }
        (grid.x, grid.y) = (transform.imageX(Double(region.x0)), transform.imageY(Double(region.y0)))
        (grid.dx, grid.dy) = (1 / transform.scaleX, 1 / transform.scaleY)
        (grid.width, grid.height) = (width, height)
        let placement = RunLength.Placement(
            width: width, height: height, originX: 0, originY: 0, imageWidth: width, imageHeight: height)
        let pixels = pixels.elements, width = width
        try RunLength.encode(placement, isSet: { pixels[$1 * width + $0] > Self.threshold }) { (run) throws(ULDorError) in
            try runs.append(run)
        }
        return grid
    }
}
