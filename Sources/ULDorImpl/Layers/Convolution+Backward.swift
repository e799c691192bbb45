import ULDorKernels

extension Convolution {
    var isTrained: Bool { learned?.isTrained ?? false }

    /// torch's convolution backward: adds to the gradients of weights and bias where they are trained, and writes (or `adds`) the
    /// gradient of `input`, where it is wanted, to `inputGradient`, which may be `input` itself. `gradient` is that of the output,
    /// already behind its ReLU.
    func backward(
        _ input: FeatureMap, _ gradient: FeatureMap, into inputGradient: FeatureMap?, adds: Bool = false, _ execution: Execution
    ) throws(ULDorError) {
        guard let learned, places == 1 else { throw ULDorError(.internal, "gradients of a layer that does not learn") }
        guard input.isDense, gradient.isDense, inputGradient?.isDense ?? true else {
            throw ULDorError(.internal, "gradients of maps in groups")
        }
        var work = uk_gradient()
        work.input = input.map
        work.output_gradient = gradient.map
        work.weights = UnsafePointer(learned.weights)
        work.scale = learned.scale
        work.batch = Int32(input.batch)
        work.channels = Int32(channels)
        work.out_channels = Int32(outChannels)
        work.kernel = Int32(kernel)
        work.stride = Int32(stride)
        work.pad = Int32(pad)
        if let weightGradient = learned.weightGradient {
            work.weight_gradient = weightGradient
            work.bias_gradient = learned.biasGradient
            try execution.addWeightGradient(&work)
        }
        guard let inputGradient else { return }
        work.input_gradient = inputGradient.map
        work.adds = adds
        let table = execution.table, algorithms = execution.gradientAlgorithms
        let floats = uk_input_gradient_floats(table, &work, execution.threads, algorithms)
        try execution.scratch { () throws(ULDorError) in
            let scratch: UnsafeMutablePointer<Float> = try execution.take(count: Int(floats))
            try execution.run { uk_input_gradient($0, table, &work, algorithms, scratch) }
        }
    }

    /// The same for a 2 x 2 transposed convolution of stride 2. Its weights, in x out x 2 x 2, are those of an ordinary convolution
    /// that leads from the output back to the input: that one's forward pass gives the input's gradient.
    func backwardTransposed(
        _ input: FeatureMap, _ gradient: FeatureMap, into inputGradient: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        guard let learned, places == 4 else { throw ULDorError(.internal, "gradients of a layer that does not learn") }
        if let weightGradient = learned.weightGradient {
            var work = uk_gradient()
            work.input = gradient.map
            work.output_gradient = input.map
            work.weights = UnsafePointer(learned.weights)
            work.weight_gradient = weightGradient
            work.batch = Int32(input.batch)
            work.channels = Int32(outChannels)
            work.out_channels = Int32(channels)
            work.kernel = 2
            work.stride = 2
            try execution.addWeightGradient(&work)
            if let biasGradient = learned.biasGradient {
                var map = gradient.map
                try execution.run { uk_bias_gradient($0, &map, Int32(gradient.batch), Int32(outChannels), biasGradient) }
            }
        }
        try backwardLayer(learned).forward(gradient, into: inputGradient, relu: false, execution)
    }

    private func backwardLayer(_ learned: LearnedWeights) -> Convolution {
        Convolution(channels: outChannels, outChannels: channels, kernel: 2, stride: 2, pad: 0, learned: learned.bare)
    }
}

extension Execution {
    func addWeightGradient(_ work: inout uk_gradient) throws(ULDorError) {
        let table = table, algorithms = gradientAlgorithms
        let floats = uk_weight_gradient_floats(&work, threads, algorithms)
        try scratch { () throws(ULDorError) in
            let scratch: UnsafeMutablePointer<Float> = try take(count: Int(floats))
            try run { uk_weight_gradient($0, table, &work, algorithms, scratch) }
        }
    }

    /// torch's threshold_backward: what the ReLU cut off has no gradient.
    func maskGradient(_ gradient: FeatureMap, by output: FeatureMap) throws(ULDorError) {
        try run { uk_relu_gradient($0, output.data, gradient.data, Int64(gradient.count)) }
    }

    func zero(_ map: FeatureMap) { if !isMeasuring { map.data.update(repeating: 0, count: map.count) } }

    func map(like other: FeatureMap) throws(ULDorError) -> FeatureMap {
        try map(other.batch, other.height, other.width, other.channels)
    }

    func add(_ from: FeatureMap, to: FeatureMap) throws(ULDorError) {
        try run { uk_accumulate($0, from.data, Int64(from.count), to.data) }
    }
}
