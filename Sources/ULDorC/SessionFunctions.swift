import CULDor
import ULDorImpl

private var sessionDefaults: uldor_session_options {
    var options = uldor_session_options()
    options.struct_size = MemoryLayout<uldor_session_options>.size
    options.score_threshold = -1
    options.nms_threshold = -1
    return options
}

@_cdecl("uldor_session_options_init")
public func sessionOptionsInit(_ options: UnsafeMutablePointer<uldor_session_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, sessionDefaults, minimum: MemoryLayout<Int>.size, "options")
}

private func readOptions(_ pointer: UnsafePointer<uldor_session_options>?) throws(ULDorError) -> SessionOptions {
    var raw = sessionDefaults
    if let pointer { raw = try readStruct(pointer, defaults: raw, minimum: MemoryLayout<Int>.size, "options") }
    func within(_ value: Int32, _ range: ClosedRange<Int32>, _ name: StaticString) throws(ULDorError) -> Int32 {
        guard range.contains(value) else {
            throw .invalidArgument("options.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
        }
        return value
    }
    func fraction(_ value: Float, _ name: StaticString) throws(ULDorError) -> Float? {
        guard value <= 1 else { throw .invalidArgument("options.\(name) is \(value), not within 0...1 and not negative") }
        return value < 0 ? nil : value
    }
    var options = SessionOptions()
    options.allocator = try readAllocator(raw.allocator)
    options.log = raw.log
    options.logUser = raw.log_user
    options.progress = raw.progress
    options.progressUser = raw.progress_user
    options.threads = try within(raw.threads, 0...1024, "threads")
    options.instructions = try within(raw.instructions, 0...3, "instructions")
    options.scoreThreshold = try fraction(raw.score_threshold, "score_threshold")
    options.nmsThreshold = try fraction(raw.nms_threshold, "nms_threshold")
    let detections = try within(raw.detections, 0...1000, "detections")
    options.detections = detections == 0 ? nil : Int(detections)
    let proposals = try within(raw.proposals, 0...4096, "proposals")
    options.proposals = proposals == 0 ? nil : Int(proposals)
    options.classRule = ClassRule(rawValue: try within(raw.class_rule, 0...2, "class_rule"))
    options.noResampling = raw.no_resampling != 0
    options.noBodyCrop = raw.no_body_crop != 0
    options.exact = raw.exact != 0
    options.keepsFalsePositives = raw.keep_false_positives != 0
    guard raw.reserved == 0 else { throw .invalidArgument("options.reserved is \(raw.reserved), not 0") }
    guard raw.memory_limit >= 0 else { throw .invalidArgument("options.memory_limit is \(raw.memory_limit), less than 0") }
    options.memoryLimit = raw.memory_limit == 0 ? nil : Int(clamping: raw.memory_limit)
    return options
}

@_cdecl("uldor_session_create")
public func sessionCreate(
    _ model: OpaquePointer?, _ options: UnsafePointer<uldor_session_options>?, _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let model: Model = try object(model, .model, "model"), session = try require(session, "session")
        session.pointee = try makeHandle(.session, try Session(model: model, options: try readOptions(options)))
    }
}

@_cdecl("uldor_session_free")
public func sessionFree(_ session: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in
        guard session != nil else { return }
        let held: Session = try object(session, .session, "session")
        guard held.acquire() else { throw ULDorError(.busy, "session is in use by another call; it was not freed") }
        try dropHandle(session, .session, "session")
    }
}

@_cdecl("uldor_session_cancel")
public func sessionCancel(_ session: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let session: Session = try object(session, .session, "session")
        session.cancel()
    }
}

@_cdecl("uldor_session_last_error")
public func sessionLastError(_ session: OpaquePointer?) -> UnsafePointer<CChar> {
    handleMessage(session, .session, "session")
        ?? UnsafeRawPointer(("" as StaticString).utf8Start).assumingMemoryBound(to: CChar.self)
}

@_cdecl("uldor_session_get_info")
public func sessionGetInfo(_ session: OpaquePointer?, _ info: UnsafeMutablePointer<uldor_session_info>?) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        var value = uldor_session_info()
        value.threads = session.threads
        value.instructions = session.instructions
        value.memory_bytes = Int64(session.memoryBytes)
        try writeStruct(value, to: try require(info, "info"), minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_session_estimate_memory")
public func sessionEstimateMemory(
    _ session: OpaquePointer?, _ height: Int32, _ width: Int32, _ bytes: UnsafeMutablePointer<Int64>?
) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        let bytes = try require(bytes, "bytes")
        try checkSides(height, width)
        bytes.pointee = Int64(try session.estimateMemory(height: Int(height), width: Int(width)))
    }
}

/// Sides of a network input.
private func checkSides(_ height: Int32, _ width: Int32) throws(ULDorError) {
    for (name, side) in [("height", height), ("width", width)] where !(1...4096).contains(side) {
        throw .invalidArgument("\(name) is \(side), not within 1...4096")
    }
}

@_cdecl("uldor_session_detect")
public func sessionDetect(
    _ session: OpaquePointer?, _ image: UnsafePointer<uldor_image>?, _ result: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        let result = try require(result, "result")
        result.pointee = OpaquePointer(try session.detect(try readImage(image)))
    }
}

@_cdecl("uldor_session_forward")
public func sessionForward(
    _ session: OpaquePointer?, _ tensor: UnsafePointer<Float>?, _ channels: Int32, _ height: Int32, _ width: Int32,
    _ result: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        let tensor = try require(tensor, "tensor"), result = try require(result, "result")
        let expected = session.model.inputChannels
        guard Int(channels) == expected else { throw .invalidArgument("channels is \(channels), the model has \(expected)") }
        try checkSides(height, width)
        result.pointee = OpaquePointer(try session.forward(tensor, height: Int(height), width: Int(width)))
    }
}

@_cdecl("uldor_session_get_input")
public func sessionGetInput(
    _ session: OpaquePointer?, _ image: UnsafePointer<uldor_image>?, _ step: Int32, _ out: UnsafeMutablePointer<Float>?,
    _ capacity: Int, _ info: UnsafeMutablePointer<uldor_input_info>?
) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        guard let inputStep = InputStep(rawValue: step) else {
            throw .invalidArgument("step is \(step), not one of ULDOR_INPUT_*")
        }
        guard out != nil || info != nil else { throw .invalidArgument("out and info are both NULL") }
        let (planes, height, width, geometry) = try session.input(try readImage(image), step: inputStep)
        let channels = session.model.inputChannels
        let count = height * width * channels
        let fills = try hasRoom(out, capacity: capacity, needed: count, "out")
        if let info {
            var value = uldor_input_info()
            value.channels = Int32(channels)
            value.height = Int32(height)
            value.width = Int32(width)
            value.crop_left = Int32(geometry.cropLeft)
            value.crop_top = Int32(geometry.cropTop)
            value.crop_width = Int32(geometry.cropWidth)
            value.crop_height = Int32(geometry.cropHeight)
            value.input_width = Int32(geometry.width)
            value.input_height = Int32(geometry.height)
            value.scale_x = geometry.scaleX
            value.scale_y = geometry.scaleY
            try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
        }
        if fills { out?.update(from: planes, count: count) }
    }
}

@_cdecl("uldor_session_run_stage")
public func sessionRunStage(
    _ session: OpaquePointer?, _ stage: Int32, _ inputs: OpaquePointer?, _ outputs: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    onSession(session) { (session) throws(ULDorError) in
        let inputs: TensorSet = try object(inputs, .tensors, "inputs"), outputs = try require(outputs, "outputs")
        outputs.pointee = try makeHandle(.tensors, try session.runStage(stage, inputs))
    }
}
