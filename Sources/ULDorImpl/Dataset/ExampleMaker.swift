import ULDorKernels

/// Makes examples of a dataset's images: reads the slices, runs the input's pipeline, moves boxes and masks with the pixels.
///
/// One thread's at a time; the pipeline runs on that thread alone.
final class ExampleMaker: ExampleWorker {
    private let dataset: Dataset
    private let settings: ExampleSettings
    private let pipeline: InputPipeline
    private let execution: Execution
    private let volume: SliceVolume
    private let givenMasks: GivenMasks
    private var mask: GrowableBuffer<UInt8>
    /// A mined negative's mask, column by column.
    private var cells: GrowableBuffer<UInt8>
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
        pipeline = InputPipeline(settings.config, resamples: settings.resamples, crops: settings.crops)
        execution = Execution(allocator: allocator, table: table, threads: 1, isExact: false, progress: nil)
        volume = SliceVolume(allocator: allocator)
        givenMasks = GivenMasks(allocator: allocator)
        mask = GrowableBuffer(allocator: allocator)
        cells = GrowableBuffer(allocator: allocator)
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
        if let mined = settings.mined, let found = mined.find(index) { try addMined(found, of: mined, transform, to: example) }
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
            height: Int32(size.height), width: Int32(size.width))
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
            let moved = transform.box(lesion.x1, lesion.y1, lesion.x2, lesion.y2)
            let box = Box(x1: Float(moved.x1), y1: Float(moved.y1), x2: Float(moved.x2), y2: Float(moved.y2))
                .clipped(width: Float(transform.width), height: Float(transform.height))
            guard box.isAtLeast(Self.smallestSide) else { continue }
            var region = Example.MaskRegion()
            if usesGiven, let given = try givenMasks.mask(of: lesion) { region = try draw(given, transform) }
            if region.isEmpty, rule == .pseudo || rule == .givenOrPseudo, lesion.hasRecist {
                region = try drawPseudoMask(transform.recist(lesion.recist), transform)
            }
            try lesionNumbers.append(number)
            let memory = try example.append(
                Example.Lesion(box: box, classIndex: Int32(lesion.classIndex), region: region))
            if let memory, let base = mask.elements.baseAddress {
                memory.update(from: base, count: region.width * region.height)
            }
        }
    }

    /// Mined negatives, as examples of the class of false positives.
    private func addMined(
        _ image: MinedImage, of mined: MinedSet, _ transform: InputTransform, to example: Example
    ) throws(ULDorError) {
        for detection in mined.detections(of: image) where detection.verdict == .chosen {
            let moved = transform.box(detection.x1, detection.y1, detection.x2, detection.y2)
            let box = Box(x1: Float(moved.x1), y1: Float(moved.y1), x2: Float(moved.x2), y2: Float(moved.y2))
                .clipped(width: Float(transform.width), height: Float(transform.height))
            guard box.isAtLeast(Self.smallestSide) else { continue }
            let hasMask = !mined.boxesOnly && !detection.mask.isEmpty
            let region = hasMask ? try draw(detection.mask, of: mined, transform) : Example.MaskRegion()
            try lesionNumbers.append(-1)
            let memory = try example.append(Example.Lesion(box: box, classIndex: 2, region: region))
            if let memory, let base = mask.elements.baseAddress {
                memory.update(from: base, count: region.width * region.height)
            }
        }
    }

    /// A predicted mask looked up at the centres of the input's pixels.
    private func draw(
        _ grid: MaskGrid, of mined: MinedSet, _ transform: InputTransform
    ) throws(ULDorError) -> Example.MaskRegion {
        try cells.renew(try checkedProduct(grid.width, grid.height, of: "mask"))
        var cell = 0, value: UInt8 = 0
        for run in mined.runs(of: grid) {
            for _ in 0..<Swift.min(Int(run), cells.count - cell) {
                cells.elements[cell] = value
                cell += 1
            }
            value = 1 - value
        }
        let region = transform.region(
            transform.box(
                grid.x, grid.y, grid.x + Double(grid.width) * grid.dx, grid.y + Double(grid.height) * grid.dy))
        let cells = cells.elements
        return try draw(region) { x, y in
            let column = ((transform.imageX(x) - grid.x) / grid.dx).rounded(.down)
            let row = ((transform.imageY(y) - grid.y) / grid.dy).rounded(.down)
            guard column >= 0, row >= 0, column < Double(grid.width), row < Double(grid.height) else { return false }
            return cells[Int(column) * grid.height + Int(row)] != 0
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
