import CULDor
import ULDorImpl

private var gradientsDefaults: uldor_gradients_options {
    let defaults = GradientRunner.Options()
    var options = uldor_gradients_options()
    options.struct_size = MemoryLayout<uldor_gradients_options>.size
    options.trainable_layers = Int32(defaults.trainableLayers)
    options.rate = defaults.rate
    options.momentum = defaults.momentum
    options.decay = defaults.decay
    return options
}

@_cdecl("uldor_gradients_options_init")
public func gradientsOptionsInit(_ options: UnsafeMutablePointer<uldor_gradients_options>?, _ structSize: Int) -> uldor_status {
    initialise(options, structSize, gradientsDefaults, minimum: MemoryLayout<Int>.size, "options")
}

private func readOptions(_ raw: uldor_gradients_options) throws(ULDorError) -> GradientRunner.Options {
    for (name, value, range) in [
        ("trainable_layers", raw.trainable_layers, 0...5), ("threads", raw.threads, 0...1024),
        ("instructions", raw.instructions, 0...3), ("steps", raw.steps, 0...1000),
    ] where !range.contains(Int(value)) {
        throw .invalidArgument("options.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
    }
    for (name, value) in [("rate", raw.rate), ("momentum", raw.momentum), ("decay", raw.decay)]
    where !(value >= 0 && value <= 1e3) {
        throw .invalidArgument("options.\(name) is \(value), not within 0...1000")
    }
    var options = GradientRunner.Options()
    options.trainableLayers = Int(raw.trainable_layers)
    options.threads = raw.threads
    options.instructions = raw.instructions
    options.exact = raw.exact != 0
    options.steps = Int(raw.steps)
    (options.rate, options.momentum, options.decay) = (raw.rate, raw.momentum, raw.decay)
    return options
}

@_cdecl("uldor_run_gradients")
public func runGradients(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<uldor_gradients_options>?, _ inputs: OpaquePointer?,
    _ outputs: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let path = try require(path, "path"), outputs = try require(outputs, "outputs")
        let inputs: TensorSet = try object(inputs, .tensors, "inputs")
        var raw = gradientsDefaults
        if let options { raw = try readStruct(options, defaults: raw, minimum: MemoryLayout<Int>.size, "options") }
        let allocator = try readAllocator(raw.allocator) ?? .system
        let runner = try GradientRunner(
            path: path, config: configText(raw.config), options: try readOptions(raw), allocator: allocator)
        let result = TensorSet(allocator: allocator)
        try runner.run(inputs, into: result)
        outputs.pointee = try makeHandle(.tensors, result)
    }
}
