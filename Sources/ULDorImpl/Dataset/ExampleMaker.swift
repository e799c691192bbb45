import ULDorKernels

/// Makes examples of a dataset's images: reads the slices, runs the input's pipeline, moves boxes and masks with the pixels.
///
/// One thread's at a time; the pipeline runs on that thread alone.
final class ExampleMaker: ExampleWorker {
    private let dataset: Dataset
    private let settings: ExampleSettings
    private let negatives: MinedExamples?
    private let pipeline: InputPipeline
    private let execution: Execution
    private let volume: SliceVolume
    private let givenMasks: GivenMasks
    private var mask: GrowableBuffer<UInt8>
    /// For each lesion of the last example, which of the image's it is; -1: a mined negative.
    private(set) var lesionNumbers: GrowableBuffer<Int>
    /// How places of the last example's image and of its input belong together.
    private(set) var transform: InputTransform?

    /// Lesions of which less is left in the input are left out.
    static let smallestSide: Float = 1

    init(_ dataset: Dataset, _ settings: ExampleSettings) throws(ULDorError) {
        let allocator = dataset.allocator
        guard let table = uk_table_for(Int32(UK_BEST)) else { throw ULDorError(.internal, "no kernels for this CPU") }
        self.dataset = dataset
        self.settings = settings
        negatives = settings.mined.map { MinedExamples($0) }
        pipeline = InputPipeline(settings.config, resamples: settings.resamples, crops: settings.crops)
        execution = Execution(allocator: allocator, table: table, threads: 1, isExact: false, progress: nil)
        volume = SliceVolume(allocator: allocator)
        givenMasks = GivenMasks(allocator: allocator)
        mask = GrowableBuffer(allocator: allocator)
        lesionNumbers = GrowableBuffer(allocator: allocator)
    }

    func example(_ index: Int, augmentation: Augmentation?, seed: UInt64, epoch: Int) throws(ULDorError) -> Example {
        let image = dataset.image(index)
        let variation =
            augmentation.map {
                Variation($0, seed: seed, epoch: epoch, image: index, sliceRadius: sliceRadius(image))
            } ?? .none
        return try example(index, variation)
    }

    /// `variation`: as drawn; for tests also as wanted.
    func example(_ index: Int, _ variation: Variation) throws(ULDorError) -> Example {
        let image = dataset.image(index)
        try volume.read(dataset, index, SliceSampling(settings.config, interval: image.interval), shift: variation.slices)
        defer { volume.giveBack() }
        guard let description = volume.description else { throw ULDorError(.internal, "no slices were read") }
        let pipeline = pipeline, execution = execution
        let planes: UnsafeMutablePointer<Float>, geometry: InputGeometry
        do throws(ULDorError) {
            (planes, _, _, geometry) = try execution.pass { () throws(ULDorError) in
                try pipeline.run(description, upTo: .normalised, variation: variation.input, execution)
            }
        } catch {
            guard error.status != .noMemory else { throw error }
            throw ULDorError(error.status, "\(dataset.place(of: index)): \(error.message)")
        }
        let size = InputSize(
            height: geometry.height, width: geometry.width, paddedHeight: geometry.paddedHeight, paddedWidth: geometry.paddedWidth
        )
        let example = try Example(index: index, channels: settings.config.slices, size: size, allocator: dataset.allocator)
        fill(example, planes, variation)
        let transform = InputTransform(geometry, flipsX: variation.flipsX, flipsY: variation.flipsY)
        self.transform = transform
        try addLesions(image, index, transform, to: example)
        try addNegatives(index, transform, to: example)
        return example
    }

    /// Half the smallest lesion's short diameter, in slices.
    private func sliceRadius(_ image: DatasetImage) -> Double {
        guard image.lesionCount > 0, image.interval > 0, image.spacingX > 0, image.spacingY > 0 else { return 0 }
        var smallest = Double.infinity
        for number in 0..<image.lesionCount {
            let lesion = dataset.lesion(image, number)
            // Boxes are 5 pixels larger than what they are around.
            let diameter =
                lesion.hasRecist
                ? Swift.min(
                    lesion.length(0, scaleX: image.spacingX, scaleY: image.spacingY),
                    lesion.length(1, scaleX: image.spacingX, scaleY: image.spacingY))
                : Swift.min((lesion.x2 - lesion.x1 - 10) * image.spacingX, (lesion.y2 - lesion.y1 - 10) * image.spacingY)
            smallest = Swift.min(smallest, diameter)
        }
        return Swift.max(smallest, 0) / 2 / image.interval
    }

    // MARK: Pixels

    /// Planes into NHWC, mirrored where it is wanted, zero beside and below.
    private func fill(_ example: Example, _ planes: UnsafePointer<Float>, _ variation: Variation) {
        let channels = example.channels, size = example.size
        example.input.base.update(repeating: 0, count: example.input.count)
        let row = size.paddedWidth * channels
        let firstRow = variation.flipsY ? size.height - 1 : 0, firstColumn = variation.flipsX ? size.width - 1 : 0
        var map = uk_map(
            data: example.input.base + firstRow * row + firstColumn * channels, image_stride: 0,
            row_stride: Int64(variation.flipsY ? -row : row), pixel_stride: Int64(variation.flipsX ? -channels : channels),
            height: Int32(size.height), width: Int32(size.width), group_stride: 0)
        uk_from_planes(planes, Int32(channels), &map)
    }

    // MARK: Lesions

    private func addLesions(
        _ image: DatasetImage, _ index: Int, _ transform: InputTransform, to example: Example
    ) throws(ULDorError) {
        lesionNumbers.removeAll()
        let rule = dataset.options.masks
        let usesGiven = rule == .given || rule == .givenOrPseudo
        if usesGiven, image.lesionCount > 0 { try givenMasks.begin(dataset, index) }
        for number in 0..<image.lesionCount {
            let lesion = dataset.lesion(image, number)
            let box = inputBox(lesion.x1, lesion.y1, lesion.x2, lesion.y2, transform)
            guard box.isAtLeast(Self.smallestSide) else { continue }
            var region = Example.MaskRegion()
            if usesGiven, let given = try givenMasks.mask(of: lesion) { region = try draw(given, transform) }
            if region.isEmpty, rule == .pseudo || rule == .givenOrPseudo, lesion.hasRecist {
                region = try drawPseudoMask(transform.recist(lesion.recist), transform)
            }
            try append(
                Example.Lesion(box: box, classIndex: Int32(lesion.classIndex), region: region), number: number, to: example)
        }
    }

    /// Mined negatives, as examples of the class of false positives.
    private func addNegatives(_ index: Int, _ transform: InputTransform, to example: Example) throws(ULDorError) {
        guard let negatives else { return }
        for detection in negatives.chosen(in: index) {
            let box = inputBox(detection.x1, detection.y1, detection.x2, detection.y2, transform)
            guard box.isAtLeast(Self.smallestSide) else { continue }
            var region = Example.MaskRegion()
            if let grid = try negatives.mask(of: detection) {
                region = try draw(grid.region(transform)) { x, y in
                    negatives.isSet(grid, transform.imageX(x), transform.imageY(y))
                }
            }
            try append(Example.Lesion(box: box, classIndex: 2, region: region), number: -1, to: example)
        }
    }

    /// A box of the image, clipped to the input.
    private func inputBox(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ transform: InputTransform
    ) -> Box {
        let moved = transform.box(x1, y1, x2, y2)
        return Box(x1: Float(moved.x1), y1: Float(moved.y1), x2: Float(moved.x2), y2: Float(moved.y2))
            .clipped(width: Float(transform.width), height: Float(transform.height))
    }

    /// With the mask that was drawn last.
    private func append(_ lesion: Example.Lesion, number: Int, to example: Example) throws(ULDorError) {
        try lesionNumbers.append(number)
        let memory = try example.append(lesion)
        if let memory, let base = mask.elements.baseAddress {
            memory.update(from: base, count: lesion.region.width * lesion.region.height)
        }
    }

    /// A bitmap of the image looked up at the centres of the input's pixels. An empty region where nothing is set.
    private func draw(_ given: GivenMasks.Mask, _ transform: InputTransform) throws(ULDorError) -> Example.MaskRegion {
        let region = transform.region(
            transform.box(Double(given.x1), Double(given.y1), Double(given.x2), Double(given.y2)))
        return try draw(region) { x, y in
            let imageX = transform.imageX(x), imageY = transform.imageY(y)
            guard imageX >= 0, imageY >= 0, imageX < Double(given.width), imageY < Double(given.height) else { return false }
            return given.isSet(Int(imageX), Int(imageY))
        }
    }

    private func drawPseudoMask(
        _ recist: InlineArray<8, Double>, _ transform: InputTransform
    ) throws(ULDorError) -> Example.MaskRegion {
        let made: PseudoMask
        do throws(ULDorError) {
            made = try recist.span.withUnsafeBufferPointer { (buffer) throws(ULDorError) in try PseudoMask(recist: buffer) }
        } catch {
            // It was sound in the image; by how it was scaled it has shrunk to nothing.
            return Example.MaskRegion()
        }
        let bounds = made.bounds
        return try draw(transform.region((bounds.x1, bounds.y1, bounds.x2, bounds.y2))) { x, y in
            made.contains(Point(x: x, y: y))
        }
    }

    private func draw(
        _ region: Example.MaskRegion, _ isSet: (Double, Double) -> Bool
    ) throws(ULDorError) -> Example.MaskRegion {
        try mask.renew(try checkedProduct(region.width, region.height, of: "mask"))
        var isEmpty = true
        for y in 0..<region.height {
            for x in 0..<region.width {
                let value = isSet(Double(region.x + x) + 0.5, Double(region.y + y) + 0.5)
                mask.elements[y * region.width + x] = value ? 1 : 0
                if value { isEmpty = false }
            }
        }
        return isEmpty ? Example.MaskRegion() : region
    }
}
