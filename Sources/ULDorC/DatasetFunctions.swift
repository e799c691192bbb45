import CULDor
import ULDorImpl

private var optionsDefaults: uldor_dataset_options {
    var options = uldor_dataset_options()
    options.struct_size = MemoryLayout<uldor_dataset_options>.size
    return options
}

@_cdecl("uldor_dataset_options_init")
public func datasetOptionsInit(_ options: UnsafeMutablePointer<uldor_dataset_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, optionsDefaults, minimum: MemoryLayout<Int>.size, "options")
}

func readDatasetOptions(_ pointer: UnsafePointer<uldor_dataset_options>?) throws(ULDorError) -> DatasetOptions {
    var raw = optionsDefaults
    if let pointer { raw = try readStruct(pointer, defaults: raw, minimum: MemoryLayout<Int>.size, "options") }
    guard raw.reserved == 0 else { throw .invalidArgument("options.reserved is \(raw.reserved), not 0") }
    func within(_ value: Int32, _ range: ClosedRange<Int32>, _ name: StaticString) throws(ULDorError) -> Int32 {
        guard range.contains(value) else {
            throw .invalidArgument("options.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
        }
        return value
    }
    var options = DatasetOptions()
    if let allocator = try readAllocator(raw.allocator) { options.allocator = allocator }
    options.log = raw.log
    options.logUser = raw.log_user
    options.csvPath = raw.csv_path.map { String(cString: $0) }
    options.imageDirectory = raw.image_directory.map { String(cString: $0) }
    options.maskDirectory = raw.mask_directory.map { String(cString: $0) }
    options.boxesPath = raw.boxes_path.map { String(cString: $0) }
    options.windowsPath = raw.windows_path.map { String(cString: $0) }
    options.masks = DatasetOptions.MaskRule(rawValue: try within(raw.masks, 0...3, "masks")) ?? .pseudo
    options.keepsNoisy = raw.keep_noisy != 0
    options.skipsBadRows = try within(raw.on_bad_row, 0...1, "on_bad_row") == 1
    options.skipsBadImages = try within(raw.on_bad_image, 0...1, "on_bad_image") == 1
    options.addsUnmasked = try within(raw.negatives, 0...1, "negatives") == 1
    return options
}

@_cdecl("uldor_dataset_open_deeplesion")
public func datasetOpenDeepLesion(
    _ directory: UnsafePointer<CChar>?, _ options: UnsafePointer<uldor_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let directory = try require(directory, "directory"), dataset = try require(dataset, "dataset")
        let opened = try Dataset.openDeepLesion(String(cString: directory), try readDatasetOptions(options))
        dataset.pointee = try makeHandle(.dataset, opened)
    }
}

@_cdecl("uldor_dataset_free")
public func datasetFree(_ dataset: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in if dataset != nil { try dropHandle(dataset, .dataset, "dataset") } }
}

// MARK: What it holds

@_cdecl("uldor_dataset_get_info")
public func datasetGetInfo(_ dataset: OpaquePointer?, _ info: UnsafeMutablePointer<uldor_dataset_info>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), info = try require(info, "info")
        let counts = dataset.counts
        func bySplit(_ values: InlineArray<4, Int>) -> (Int64, Int64, Int64, Int64) {
            (Int64(values[0]), Int64(values[1]), Int64(values[2]), Int64(values[3]))
        }
        var value = uldor_dataset_info()
        value.images = Int64(counts.images)
        value.lesions = Int64(counts.lesions)
        value.images_of_split = bySplit(counts.imagesOfSplit)
        value.lesions_of_split = bySplit(counts.lesionsOfSplit)
        value.negatives = Int64(counts.negatives)
        value.rows = Int64(counts.rows)
        value.noisy_rows = Int64(counts.noisyRows)
        value.bad_rows = Int64(counts.badRows)
        value.bad_images = Int64(counts.badImages)
        value.repeated_boxes = Int64(counts.repeatedBoxes)
        value.lesions_outside_window = Int64(counts.lesionsOutsideWindow)
        value.images_outside_window = Int64(counts.imagesOutsideWindow)
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}

private func requireImage(_ index: Int64, _ dataset: Dataset) throws(ULDorError) -> Int {
    guard index >= 0, index < dataset.count else { throw .invalidArgument("index is \(index), not within 0..<\(dataset.count)") }
    return Int(index)
}

@_cdecl("uldor_dataset_get_image")
public func datasetGetImage(
    _ dataset: OpaquePointer?, _ index: Int64, _ image: UnsafeMutablePointer<uldor_dataset_image>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), image = try require(image, "image")
        let known = dataset.imageInfo(try requireImage(index, dataset))
        var value = uldor_dataset_image()
        value.name = known.name.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }
        value.patient = known.patient
        value.csv_line = Int64(known.line)
        value.split = known.split.rawValue
        value.lesions = Int32(known.lesions)
        value.width = Int32(known.width)
        value.height = Int32(known.height)
        value.window_left = Int32(known.windowLeft)
        value.window_top = Int32(known.windowTop)
        value.spacing_x_mm = known.spacingX
        value.spacing_y_mm = known.spacingY
        value.slice_interval_mm = known.interval
        try writeStruct(value, to: image, minimum: MemoryLayout<Int>.size, "image")
    }
}

private func requireLesion(_ lesion: Int32, _ index: Int, _ dataset: Dataset) throws(ULDorError) -> Int {
    try requireIndex(lesion, dataset.imageInfo(index).lesions, "lesion")
}

@_cdecl("uldor_dataset_get_lesion")
public func datasetGetLesion(
    _ dataset: OpaquePointer?, _ index: Int64, _ lesion: Int32, _ info: UnsafeMutablePointer<uldor_dataset_lesion>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), info = try require(info, "info")
        let image = try requireImage(index, dataset)
        let known = dataset.lesionInfo(image, try requireLesion(lesion, image, dataset))
        var value = uldor_dataset_lesion()
        (value.x1, value.y1, value.x2, value.y2) = known.box
        let r = known.recist
        value.recist = (r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
        value.has_recist = known.hasRecist ? 1 : 0
        value.has_mask = known.hasMask ? 1 : 0
        value.type = Int32(known.type)
        value.class_index = Int32(known.classIndex)
        value.csv_line = Int64(known.line)
        (value.long_px, value.short_px) = known.pixels
        (value.long_mm, value.short_mm) = known.millimetres
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_dataset_get_mask")
public func datasetGetMask(
    _ dataset: OpaquePointer?, _ index: Int64, _ lesion: Int32, _ out: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
    _ rowStride: Int, _ pixels: UnsafeMutablePointer<Int64>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), out = try require(out, "out")
        let image = try requireImage(index, dataset), number = try requireLesion(lesion, image, dataset)
        let known = dataset.imageInfo(image)
        let stride = try bitmapStride(width: known.width, height: known.height, capacity: capacity, rowStride: rowStride)
        let count = try dataset.mask(image, number, into: out, rowStride: stride)
        pixels?.pointee = Int64(count)
    }
}

@_cdecl("uldor_dataset_find")
public func datasetFind(
    _ dataset: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<Int64>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset")
        let name = try require(name, "name"), index = try require(index, "index")
        var length = 0
        while name[length] != 0 { length += 1 }
        let text = UnsafeBufferPointer(start: UnsafeRawPointer(name).assumingMemoryBound(to: UInt8.self), count: length)
        guard let found = dataset.find(text) else {
            throw .invalidArgument("name \(String(cString: name)): there is no such image")
        }
        index.pointee = Int64(found)
    }
}

// MARK: Pixels

@_cdecl("uldor_dataset_read_image")
public func datasetReadImage(
    _ dataset: OpaquePointer?, _ index: Int64, _ reach: Int32, _ slices: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), slices = try require(slices, "slices")
        let image = try requireImage(index, dataset)
        slices.pointee = try makeHandle(.slices, try SliceVolume.read(dataset, image, reach: try requireReach(reach)))
    }
}

private func requireReach(_ reach: Int32) throws(ULDorError) -> Int {
    guard (0...SliceVolume.largestReach).contains(Int(reach)) else {
        throw .invalidArgument("reach is \(reach), not within 0...\(SliceVolume.largestReach)")
    }
    return Int(reach)
}

@_cdecl("uldor_slices_get_image")
public func slicesGetImage(_ slices: OpaquePointer?, _ image: UnsafeMutablePointer<uldor_image>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let volume: SliceVolume = try object(slices, .slices, "slices"), image = try require(image, "image")
        guard let read = volume.description else { throw ULDorError(.internal, "no slices were read") }
        var value = uldor_image()
        value.type = read.type.rawValue
        value.width = Int32(read.width)
        value.height = Int32(read.height)
        value.depth = Int32(read.depth)
        value.key_slice = Int32(read.keySlice)
        value.data = read.data
        value.slices = read.slices
        value.data_bytes = read.dataBytes
        value.offset_bytes = read.offset
        value.stride_x_bytes = read.strideX
        value.stride_y_bytes = read.strideY
        value.stride_z_bytes = read.strideZ
        value.slope = read.slope
        value.intercept = read.intercept
        value.spacing_x_mm = read.spacingX
        value.spacing_y_mm = read.spacingY
        value.slice_interval_mm = read.sliceInterval
        try writeStruct(value, to: image, minimum: MemoryLayout<Int>.size, "image")
    }
}

@_cdecl("uldor_slices_free")
public func slicesFree(_ slices: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in if slices != nil { try dropHandle(slices, .slices, "slices") } }
}

// MARK: Checking

@_cdecl("uldor_dataset_check")
public func datasetCheck(
    _ dataset: OpaquePointer?, _ reach: Int32, _ report: uldor_report_fn?, _ user: UnsafeMutableRawPointer?,
    _ problems: UnsafeMutablePointer<Int64>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), problems = try require(problems, "problems")
        let check = DatasetCheck(dataset, reach: try requireReach(reach)) { message in
            guard let report else { return true }
            return message.withCString { report(user, $0) } == 0
        }
        problems.pointee = Int64(try check.run())
    }
}

// MARK: Examples

private var augmentationDefaults: uldor_augmentation {
    let defaults = Augmentation()
    var raw = uldor_augmentation()
    raw.struct_size = MemoryLayout<uldor_augmentation>.size
    raw.scale_low = defaults.scaleLow
    raw.scale_high = defaults.scaleHigh
    raw.position_px = Int32(defaults.position)
    raw.slice_part = defaults.slicePart
    return raw
}

@_cdecl("uldor_augmentation_init")
public func augmentationInit(_ augmentation: UnsafeMutablePointer<uldor_augmentation>?, _ structSize: Int) -> uldor_status {
    initialise(augmentation, structSize, augmentationDefaults, minimum: MemoryLayout<Int>.size, "augmentation")
}

/// nil for NULL: none.
func readAugmentation(_ pointer: UnsafePointer<uldor_augmentation>?) throws(ULDorError) -> Augmentation? {
    guard let pointer else { return nil }
    let raw = try readStruct(pointer, defaults: augmentationDefaults, minimum: MemoryLayout<Int>.size, "augmentation")
    guard raw.reserved == 0 else { throw .invalidArgument("augmentation.reserved is \(raw.reserved), not 0") }
    var augmentation = Augmentation()
    augmentation.scaleLow = raw.scale_low
    augmentation.scaleHigh = raw.scale_high
    augmentation.position = Int(raw.position_px)
    augmentation.slicePart = raw.slice_part
    augmentation.flipX = raw.flip_x
    augmentation.flipY = raw.flip_y
    return try augmentation.validated()
}

@_cdecl("uldor_dataset_get_example")
public func datasetGetExample(
    _ dataset: OpaquePointer?, _ model: OpaquePointer?, _ index: Int64, _ augmentation: UnsafePointer<uldor_augmentation>?,
    _ seed: UInt64, _ epoch: Int64, _ tensors: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let dataset: Dataset = try object(dataset, .dataset, "dataset"), model: Model = try object(model, .model, "model")
        let tensors = try require(tensors, "tensors")
        let image = try requireImage(index, dataset)
        let made = try dataset.exampleTensors(
            model, image, augmentation: try readAugmentation(augmentation), seed: seed, epoch: Int(epoch))
        tensors.pointee = try makeHandle(.tensors, made)
    }
}
