import CULDor
import ULDorImpl
import ULDorKernels

func readAllocator(_ pointer: UnsafePointer<uldor_allocator>?) throws(ULDorError) -> Allocator? {
    guard let pointer else { return nil }
    let size = MemoryLayout<uldor_allocator>.size
    let value = try readStruct(pointer, defaults: uldor_allocator(), minimum: size, "allocator")
    guard let allocate = value.allocate, let deallocate = value.deallocate else {
        throw .invalidArgument("allocator.allocate or .deallocate is NULL")
    }
    return Allocator(user: value.user, allocate: allocate, deallocate: deallocate)
}

/// A configuration's bytes; nil for NULL.
func configText(_ text: UnsafePointer<CChar>?) -> UnsafeBufferPointer<UInt8>? {
    guard let text else { return nil }
    var length = 0
    while text[length] != 0 { length += 1 }
    return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: length)
}

private var modelDefaults: uldor_model_options {
    var options = uldor_model_options()
    options.struct_size = MemoryLayout<uldor_model_options>.size
    return options
}

@_cdecl("uldor_model_options_init")
public func modelOptionsInit(_ options: UnsafeMutablePointer<uldor_model_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, modelDefaults, minimum: MemoryLayout<Int>.size, "options")
}

private struct LoadOptions {
    var allocator = Allocator.system
    var memoryMap = false
    var threads: Int32
    var config: UnsafeBufferPointer<UInt8>?

    init(_ pointer: UnsafePointer<uldor_model_options>?) throws(ULDorError) {
        var raw = modelDefaults
        if let pointer { raw = try readStruct(pointer, defaults: raw, minimum: MemoryLayout<Int>.size, "options") }
        guard (0...1024).contains(raw.threads) else {
            throw .invalidArgument("options.threads is \(raw.threads), not within 0...1024")
        }
        let (count, conflict) = usableThreads(raw.threads)
        if let conflict, let log = raw.log {
            let text = "\(conflict): packing on one thread"
            text.withCString { log(raw.log_user, Int32(ULDOR_LOG_WARNING), $0) }
        }
        threads = count
        if let given = try readAllocator(raw.allocator) { allocator = given }
        memoryMap = raw.memory_map != 0
        config = configText(raw.config)
    }
}

@_cdecl("uldor_model_load_file")
public func modelLoadFile(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<uldor_model_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let path = try require(path, "path"), model = try require(model, "model")
        let options = try LoadOptions(options)
        let loaded = try Model(
            path: path, memoryMap: options.memoryMap, config: options.config, threads: options.threads,
            allocator: options.allocator)
        model.pointee = try makeHandle(.model, loaded)
    }
}

@_cdecl("uldor_model_load_memory")
public func modelLoadMemory(
    _ data: UnsafeRawPointer?, _ bytes: Int, _ options: UnsafePointer<uldor_model_options>?,
    _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let data = try require(data, "data"), model = try require(model, "model")
        guard bytes >= 0 else { throw .invalidArgument("bytes is \(UInt(bitPattern: bytes))") }
        let options = try LoadOptions(options)
        let loaded = try Model(
            bytes: UnsafeRawBufferPointer(start: data, count: bytes), config: options.config, threads: options.threads,
            allocator: options.allocator)
        model.pointee = try makeHandle(.model, loaded)
    }
}

@_cdecl("uldor_model_save_packed")
public func modelSavePacked(_ model: OpaquePointer?, _ path: UnsafePointer<CChar>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), path = try require(path, "path")
        try model.savePacked(String(cString: path))
    }
}

@_cdecl("uldor_model_free")
public func modelFree(_ model: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in if model != nil { try dropHandle(model, .model, "model") } }
}

@_cdecl("uldor_model_get_info")
public func modelGetInfo(_ model: OpaquePointer?, _ info: UnsafeMutablePointer<uldor_model_info>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), info = try require(info, "info")
        let known = model.info
        var value = uldor_model_info()
        value.depth = Int32(known.depth)
        value.classes = Int32(known.classes)
        value.class_rule = known.classRule.rawValue
        value.input_channels = Int32(known.inputChannels)
        value.stem_channels = Int32(known.stemChannels)
        value.fpn_channels = Int32(known.pyramidChannels)
        value.box_channels = Int32(known.boxChannels)
        value.mask_channels = Int32(known.maskChannels)
        value.mask_size = Int32(known.maskSize)
        value.anchors_per_location = Int32(known.anchorsPerLocation)
        value.parameters = Int64(known.parameters)
        value.memory_bytes = Int64(known.memoryBytes)
        value.slice_distance_mm = known.sliceDistance
        value.spacing_mm = known.spacing
        value.max_size = Int32(known.maxSize)
        value.score_threshold = known.scoreThreshold
        value.detections = Int32(known.detections)
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_model_get_text")
public func modelGetText(
    _ model: OpaquePointer?, _ which: Int32, _ text: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), text = try require(text, "text")
        guard let found = model.text(Int(which)) else { throw .invalidArgument("which is \(which), not one of ULDOR_TEXT_*") }
        text.pointee = found
    }
}

@_cdecl("uldor_model_get_class_name")
public func modelGetClassName(
    _ model: OpaquePointer?, _ index: Int32, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), name = try require(name, "name")
        let found = model.className(try requireIndex(index, model.classCount, "index"))
        name.pointee = found
    }
}

@_cdecl("uldor_model_get_slice_reach")
public func modelGetSliceReach(
    _ model: OpaquePointer?, _ interval: Double, _ slices: UnsafeMutablePointer<Int32>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), slices = try require(slices, "slices")
        guard (1e-3...1e3).contains(interval) else {
            throw .invalidArgument("slice_interval_mm is \(interval), not within 0.001...1000")
        }
        slices.pointee = Int32(clamping: model.sliceReach(interval: interval))
    }
}
