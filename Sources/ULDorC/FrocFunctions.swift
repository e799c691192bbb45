import CULDor
import ULDorImpl

private var optionDefaults: uldor_froc_options {
    var options = uldor_froc_options()
    options.struct_size = MemoryLayout<uldor_froc_options>.size
    options.iou_threshold = 0.5
    options.confidence = 0.95
    return options
}

private var imageDefaults: uldor_froc_image {
    var image = uldor_froc_image()
    image.struct_size = MemoryLayout<uldor_froc_image>.size
    return image
}

@_cdecl("uldor_froc_options_init")
public func frocOptionsInit(_ options: UnsafeMutablePointer<uldor_froc_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, optionDefaults, minimum: MemoryLayout<Int>.size, "options")
}

@_cdecl("uldor_froc_image_init")
public func frocImageInit(_ image: UnsafeMutablePointer<uldor_froc_image>?, _ structSize: Int) -> uldor_status {
    initialise(image, structSize, imageDefaults, minimum: MemoryLayout<Int>.size, "image")
}

private func readSizes(_ raw: uldor_froc_options) throws(ULDorError) -> SizeClasses {
    guard let bounds = raw.size_bounds_mm else {
        guard raw.size_bound_count == 0 else { throw .invalidArgument("options.size_bounds_mm is NULL") }
        return SizeClasses()
    }
    guard (0...SizeClasses.most).contains(raw.size_bound_count) else {
        throw .invalidArgument(
            "options.size_bound_count is \(UInt(bitPattern: raw.size_bound_count)), more than \(SizeClasses.most)")
    }
    var values: [Double] = []
    for index in 0..<raw.size_bound_count {
        guard bounds[index].isFinite, bounds[index] > values.last ?? 0 else {
            throw .invalidArgument("options.size_bounds_mm[\(index)] is \(bounds[index]): bounds are positive and ascend")
        }
        values.append(bounds[index])
    }
    return SizeClasses(bounds: values)
}

private func readOptions(_ pointer: UnsafePointer<uldor_froc_options>?) throws(ULDorError) -> FrocOptions {
    var raw = optionDefaults
    if let pointer { raw = try readStruct(pointer, defaults: raw, minimum: MemoryLayout<Int>.size, "options") }
    var options = FrocOptions()
    options.allocator = try readAllocator(raw.allocator) ?? .system
    guard let convention = FrocConvention(rawValue: raw.convention) else {
        throw .invalidArgument("options.convention is \(raw.convention), not one of ULDOR_FROC_PAPER, ULDOR_FROC_DEEPLESION")
    }
    options.convention = convention
    guard let rule = FalsePositiveRule(rawValue: raw.false_positives) else {
        throw .invalidArgument("options.false_positives is \(raw.false_positives), not within 0...2")
    }
    options.falsePositives = rule
    guard raw.iou_threshold >= 0, raw.iou_threshold < 1 else {
        throw .invalidArgument("options.iou_threshold is \(raw.iou_threshold), not within 0..<1")
    }
    // At 0 every detection would hit every lesion.
    guard raw.iou_threshold > 0 || convention == .paper else {
        throw .invalidArgument("options.iou_threshold is 0, which every box reaches in ULDOR_FROC_DEEPLESION")
    }
    options.threshold = raw.iou_threshold
    guard (0...100_000).contains(raw.bootstrap_samples) else {
        throw .invalidArgument("options.bootstrap_samples is \(raw.bootstrap_samples), not within 0...100000")
    }
    options.samples = Int(raw.bootstrap_samples)
    guard (0...1024).contains(raw.threads) else {
        throw .invalidArgument("options.threads is \(raw.threads), not within 0...1024")
    }
    options.threads = options.samples > 0 ? usableThreads(raw.threads).count : 1
    options.seed = raw.seed
    guard raw.confidence > 0, raw.confidence < 1 else {
        throw .invalidArgument("options.confidence is \(raw.confidence), not between 0 and 1")
    }
    options.confidence = raw.confidence
    options.sizes = try readSizes(raw)
    return options
}

@_cdecl("uldor_froc_create")
public func frocCreate(
    _ options: UnsafePointer<uldor_froc_options>?, _ froc: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc = try require(froc, "froc")
        froc.pointee = try makeHandle(.froc, Froc(try readOptions(options)))
    }
}

@_cdecl("uldor_froc_free")
public func frocFree(_ froc: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in if froc != nil { try dropHandle(froc, .froc, "froc") } }
}

@_cdecl("uldor_froc_add_image")
public func frocAddImage(
    _ froc: OpaquePointer?, _ image: UnsafePointer<uldor_froc_image>?, _ matches: UnsafeMutablePointer<Int32>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc")
        let raw = try readStruct(
            try require(image, "image"), defaults: imageDefaults, minimum: MemoryLayout<Int>.size, "image")
        try froc.add(
            FrocImage(
                patient: raw.patient, lesionBoxes: raw.lesion_boxes, lesionTypes: raw.lesion_types,
                lesionSizes: raw.lesion_sizes_mm, lesionGroups: raw.lesion_groups, lesions: raw.lesion_count, boxes: raw.boxes,
                scores: raw.scores, lesionScores: raw.lesion_scores, classes: raw.classes, detections: raw.detection_count),
            matches: matches)
    }
}

@_cdecl("uldor_froc_compute")
public func frocCompute(_ froc: OpaquePointer?, _ levels: UnsafePointer<Double>?, _ count: Int) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc")
        guard (0...1024).contains(count) else {
            throw .invalidArgument("level_count is \(UInt(bitPattern: count)), more than 1024")
        }
        guard count == 0 || levels != nil else { throw .invalidArgument("levels is NULL") }
        let given = UnsafeBufferPointer(start: levels, count: count)
        for (index, level) in given.enumerated() where !(level >= 0 && level.isFinite) {
            throw .invalidArgument("levels[\(index)] is \(level), not finite or negative")
        }
        try froc.compute(levels: given)
    }
}

@_cdecl("uldor_froc_get_info")
public func frocGetInfo(_ froc: OpaquePointer?, _ info: UnsafeMutablePointer<uldor_froc_info>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc"), info = try require(info, "info")
        var value = uldor_froc_info()
        value.images = Int64(froc.images)
        value.patients = Int64(froc.patientCount)
        value.lesions = Int64(froc.lesionCount)
        value.detections = Int64(froc.detectionsGiven)
        value.hits = Int64(froc.hits)
        value.false_positives = Int64(froc.falsePositives)
        value.repeats = Int64(froc.repeats)
        value.ignored = Int64(froc.ignored)
        value.memory_bytes = Int64(froc.bytes)
        value.subsets = Int32(clamping: froc.results?.subsetCount ?? 0)
        value.levels = Int32(clamping: froc.results?.levels.count ?? 0)
        let none = FrocResults.Precision.none
        let (sampled, all, coco) = froc.results?.averagePrecision ?? (none, none, none)
        (value.average_precision, value.average_precision_low, value.average_precision_high) = (
            sampled.value, sampled.low, sampled.high
        )
        value.average_precision_all_points = all.value
        (value.average_precision_all_points_low, value.average_precision_all_points_high) = (all.low, all.high)
        value.average_precision_50_95 = coco.value
        (value.average_precision_50_95_low, value.average_precision_50_95_high) = (coco.low, coco.high)
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_froc_get_subset")
public func frocGetSubset(
    _ froc: OpaquePointer?, _ index: Int32, _ subset: UnsafeMutablePointer<uldor_froc_subset>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc"), subset = try require(subset, "subset")
        let results = try froc.computed()
        let number = try requireIndex(index, results.subsetCount, "index")
        let found = results.subset(number), total = results.total(number), maximum = results.maximum(number)
        var value = uldor_froc_subset()
        value.kind = found.kind.rawValue
        value.value = found.value
        if found.kind == .size { (value.low_mm, value.high_mm) = froc.sizeRange(Int(found.value)) }
        value.lesions = Int64(total.lesions)
        value.hits = Int64(total.hits)
        (value.sensitivity, value.low, value.high) = (maximum.sensitivity, maximum.low, maximum.high)
        value.samples = Int32(clamping: maximum.samples)
        try writeStruct(value, to: subset, minimum: MemoryLayout<Int>.size, "subset")
    }
}

@_cdecl("uldor_froc_get_sensitivity")
public func frocGetSensitivity(
    _ froc: OpaquePointer?, _ subset: Int32, _ level: Int32, _ sensitivity: UnsafeMutablePointer<uldor_froc_sensitivity>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc"), sensitivity = try require(sensitivity, "sensitivity")
        let results = try froc.computed()
        let subset = try requireIndex(subset, results.subsetCount, "subset")
        let level = try requireIndex(level, results.levels.count, "level")
        let found = results.value(subset, level: level)
        var value = uldor_froc_sensitivity()
        value.level = results.level(level)
        (value.sensitivity, value.low, value.high) = (found.sensitivity, found.low, found.high)
        value.reached = found.isReached ? 1 : 0
        value.samples = Int32(clamping: found.samples)
        try writeStruct(value, to: sensitivity, minimum: MemoryLayout<Int>.size, "sensitivity")
    }
}

@_cdecl("uldor_froc_get_curve")
public func frocGetCurve(
    _ froc: OpaquePointer?, _ points: UnsafeMutablePointer<Double>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let froc: Froc = try object(froc, .froc, "froc"), count = try require(count, "count")
        let results = try froc.computed()
        if try hasRoom(points, capacity: capacity, needed: results.pointCount, "points"), let points {
            results.copyPoints(to: points)
        }
        count.pointee = results.pointCount
    }
}

private func write(_ overlap: MaskOverlap, to info: UnsafeMutablePointer<uldor_mask_overlap_info>) throws(ULDorError) {
    var value = uldor_mask_overlap_info()
    value.area_a = Int64(overlap.areaA)
    value.area_b = Int64(overlap.areaB)
    value.intersection = Int64(overlap.intersection)
    (value.iou, value.dice) = (overlap.iou, overlap.dice)
    try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
}

@_cdecl("uldor_mask_overlap")
public func maskOverlap(
    _ a: UnsafePointer<UInt8>?, _ strideA: Int, _ b: UnsafePointer<UInt8>?, _ strideB: Int, _ width: Int32, _ height: Int32,
    _ info: UnsafeMutablePointer<uldor_mask_overlap_info>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let a = try require(a, "a"), b = try require(b, "b"), info = try require(info, "info")
        for (name, side) in [("width", width), ("height", height)] where !(1...Int32(ImageDescription.maximalSide)).contains(side)
        {
            throw .invalidArgument("\(name) is \(side), not within 1...\(ImageDescription.maximalSide)")
        }
        for (name, stride) in [("a_stride_bytes", strideA), ("b_stride_bytes", strideB)]
        where stride != 0 && !(Int(width)...1 << 40).contains(stride) {
            throw .invalidArgument("\(name) is \(UInt(bitPattern: stride)), less than the width of \(width) or too large")
        }
        let overlap = MaskOverlap(
            a, stride: strideA == 0 ? Int(width) : strideA, b, stride: strideB == 0 ? Int(width) : strideB, width: Int(width),
            height: Int(height))
        try write(overlap, to: info)
    }
}

@_cdecl("uldor_mask_overlap_rle")
public func maskOverlapRLE(
    _ a: UnsafePointer<UInt32>?, _ countA: Int, _ b: UnsafePointer<UInt32>?, _ countB: Int,
    _ info: UnsafeMutablePointer<uldor_mask_overlap_info>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let a = try require(a, "a"), b = try require(b, "b"), info = try require(info, "info")
        for (name, count) in [("a_count", countA), ("b_count", countB)] where !(0...1 << 31).contains(count) {
            throw .invalidArgument("\(name) is \(UInt(bitPattern: count)), more than \(1 << 31)")
        }
        try write(
            try MaskOverlap(runs: UnsafeBufferPointer(start: a, count: countA), UnsafeBufferPointer(start: b, count: countB)),
            to: info)
    }
}
