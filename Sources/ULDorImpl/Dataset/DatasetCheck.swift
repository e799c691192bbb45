/// Looks at all of a dataset before it is used: decodes every key slice and mask, looks for neighbours (uldor_dataset_check).
public final class DatasetCheck {
    private let dataset: Dataset
    private let reach: Int
    /// false: no more.
    private let report: (String) -> Bool
    private var problems = 0, missingNeighbours = 0, missingMasks = 0

    public init(_ dataset: Dataset, reach: Int, report: @escaping (String) -> Bool) {
        self.dataset = dataset
        self.reach = reach
        self.report = report
    }

    /// Returns the number of problems; a missing neighbour or mask is none.
    public func run() throws(ULDorError) -> Int {
        let counts = dataset.counts
        problems = counts.badRows + counts.badImages
        if counts.badRows > 0 { try say("\(counts.badRows) rows were left out on opening") }
        if counts.badImages > 0 { try say("\(counts.badImages) images were left out on opening") }
        let volume = SliceVolume(allocator: dataset.allocator), masks = GivenMasks(allocator: dataset.allocator)
        for index in 0..<dataset.count {
            try note { () throws(ULDorError) in try checkImage(index, volume) }
            try note { () throws(ULDorError) in try checkMasks(index, masks) }
        }
        if counts.lesionsOutsideWindow > 0 {
            try say(
                "\(counts.lesionsOutsideWindow) lesions lie outside their windows, \(counts.imagesOutsideWindow) images have no others"
            )
        }
        try say(
            "\(counts.images) images with \(counts.lesions) lesions: \(problems) problems, "
                + "\(missingNeighbours) missing neighbours, \(missingMasks) missing masks")
        return problems
    }

    private func say(_ message: String) throws(ULDorError) {
        guard report(message) else { throw .cancelled }
    }

    /// What is wrong with the data is a problem of it; what is wrong with the machine ends the check.
    private func note(_ body: () throws(ULDorError) -> Void) throws(ULDorError) {
        do throws(ULDorError) {
            try body()
        } catch {
            guard error.status != .noMemory, error.status != .cancelled, error.status != .internal else { throw error }
            problems += 1
            try say(error.message)
        }
    }

    private func checkImage(_ index: Int, _ volume: SliceVolume) throws(ULDorError) {
        defer { volume.giveBack() }
        try volume.readAll(dataset, index, reach: reach)
        guard let image = volume.description else { return }
        guard case .files = dataset.storage else { return }
        let present = (0..<image.depth).reduce(0) { $0 + (image.origin(ofSlice: $1) == nil ? 0 : 1) }
        missingNeighbours += image.depth - present
    }

    private func checkMasks(_ index: Int, _ masks: GivenMasks) throws(ULDorError) {
        let rule = dataset.options.masks, image = dataset.image(index)
        guard rule == .given || rule == .givenOrPseudo, image.lesionCount > 0 else { return }
        try masks.begin(dataset, index)
        for number in 0..<image.lesionCount {
            let lesion = dataset.lesion(image, number)
            if lesion.hasGivenMask, try masks.mask(of: lesion) == nil { missingMasks += 1 }
        }
    }
}
