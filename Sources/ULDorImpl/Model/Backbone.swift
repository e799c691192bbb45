import ULDorKernels

/// C2..C5.
struct BackboneFeatures: BitwiseCopyable {
    var c2, c3, c4, c5: FeatureMap

    subscript(stage: Int) -> FeatureMap {
        switch stage {
        case 0: c2
        case 1: c3
        case 2: c4
        default: c5
        }
    }
}

/// ResNet (He et al. 2016), torchvision's `body`: C2..C5 at strides 4, 8, 16, 32.
final class Backbone {
    let stem: Convolution
    let stages: [[ResidualBlock]]

    init(_ loader: TensorLoader, config: ModelConfig) throws(ULDorError) {
        let prefix = "backbone.body."
        stem = try loader.convolution("\(prefix)conv1", norm: "\(prefix)bn1", kernel: 7, stride: 2, eps: config.batchNormEps)
        var channels = stem.outChannels
        var stages: [[ResidualBlock]] = []
        for stage in 1...4 {
            var blocks: [ResidualBlock] = []
            while blocks.isEmpty || loader.containsAny(below: "\(prefix)layer\(stage).\(blocks.count).") {
                // More than any ResNet has; a bound on what a hostile file can ask for.
                guard blocks.count < 64 else { throw loader.error("layer\(stage) has more than 64 blocks") }
                let stride = stage > 1 && blocks.isEmpty ? 2 : 1
                let block = try ResidualBlock(
                    loader, "\(prefix)layer\(stage).\(blocks.count)", channels: channels, stride: stride, config: config)
                guard blocks.isEmpty || block.outChannels == channels else {
                    throw loader.error(
                        "\(prefix)layer\(stage).\(blocks.count) has \(block.outChannels) channels, the block before it \(channels)"
                    )
                }
                channels = block.outChannels
                blocks.append(block)
            }
            stages.append(blocks)
        }
        self.stages = stages
    }

    /// 18, 34, 50, 101, 152; 0 for another number of blocks.
    var depth: Int {
        let isBottleneck = stages[0][0].third != nil
        return switch (stages.map(\.count), isBottleneck) {
        case ([2, 2, 2, 2], false): 18
        case ([3, 4, 6, 3], false): 34
        case ([3, 4, 6, 3], true): 50
        case ([3, 4, 23, 3], true): 101
        case ([3, 8, 36, 3], true): 152
        default: 0
        }
    }

    var memoryBytes: Int { stem.memoryBytes + stages.joined().reduce(0) { $0 + $1.memoryBytes } }

    func channels(of stage: Int) -> Int { stages[stage][stages[stage].count - 1].outChannels }

    /// New maps for the outputs of a padded input of this size.
    func output(height: Int, width: Int, _ execution: Execution) throws(ULDorError) -> BackboneFeatures {
        func map(_ stage: Int) throws(ULDorError) -> FeatureMap {
            try execution.hiddenMap(1, height >> (stage + 2), width >> (stage + 2), channels(of: stage))
        }
        return BackboneFeatures(c2: try map(0), c3: try map(1), c4: try map(2), c5: try map(3))
    }

    func stemFeatures(_ input: FeatureMap, _ execution: Execution) throws(ULDorError) -> FeatureMap {
        let features = try execution.map(1, stem.outputSize(input.height), stem.outputSize(input.width), stem.outChannels)
        try stem.forward(input, into: features, relu: true, execution)
        return features
    }

    func pool(_ features: FeatureMap, into pooled: FeatureMap, _ execution: Execution) throws(ULDorError) {
        let table = execution.table
        try execution.run {
            uk_max_pool(
                $0, table, features.data, Int32(features.height), Int32(features.width), Int32(features.channels), pooled.data)
        }
    }

    /// Stage 0 reads the network's input (stem and max pooling included), stages 1..3 read the stage before.
    func forward(
        stage: Int, _ input: FeatureMap, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            var current = input
            if stage == 0 {
                let pooled = try execution.map(1, input.height / 4, input.width / 4, stem.outChannels)
                try execution.scratch { () throws(ULDorError) in
                    let features = try stemFeatures(input, execution)
                    try pool(features, into: pooled, execution)
                }
                current = pooled
            }
            // Blocks alternate between two buffers so that the last one writes `output`.
            let blocks = stages[stage]
            let other = try execution.hiddenMap(output.batch, output.height, output.width, output.channels)
            for (index, block) in blocks.enumerated() {
                let target = (blocks.count - 1 - index) % 2 == 0 ? output : other
                try block.forward(current, into: target, execution)
                current = target
            }
        }
    }

    // MARK: Learning

    /// The first of stages 0..3 that learns; 4 where none does.
    var firstTrained: Int { stages.firstIndex { $0[0].isTrained } ?? 4 }

    /// What the backward pass reads: nothing of what is frozen.
    struct Trace {
        var features: BackboneFeatures
        var blocks: [[ResidualBlock.Trace]] = [[], [], [], []]
        /// Where the stem learns: the input, the stem's output and the pooled one.
        var stem: (input: FeatureMap, output: FeatureMap, pooled: FeatureMap)?
    }

    func trace(_ input: FeatureMap, _ execution: Execution) throws(ULDorError) -> Trace {
        var trace = Trace(features: try output(height: input.height, width: input.width, execution))
        var current = input
        for stage in 0..<4 {
            let output = trace.features[stage]
            if stage < firstTrained {
                try forward(stage: stage, current, into: output, execution)
            } else {
                if stage == 0 {
                    let features = try stemFeatures(current, execution)
                    let pooled = try execution.map(1, input.height / 4, input.width / 4, stem.outChannels)
                    try pool(features, into: pooled, execution)
                    if stem.isTrained { trace.stem = (current, features, pooled) }
                    current = pooled
                }
                for (index, block) in stages[stage].enumerated() {
                    let isLast = index == stages[stage].count - 1
                    let target = isLast ? output : try execution.map(like: output)
                    trace.blocks[stage].append(try block.trace(current, into: target, execution))
                    current = target
                }
            }
            current = output
        }
        return trace
    }

    /// `gradients` are those of C2..C5, as far as they learn, and are overwritten: each stage adds its own to the one before.
    func backward(_ trace: Trace, _ gradients: BackboneFeatures, _ execution: Execution) throws(ULDorError) {
        for stage in (firstTrained..<4).reversed() {
            let gradient = gradients[stage]
            for index in (1..<stages[stage].count).reversed() {
                try stages[stage][index].backward(trace.blocks[stage][index], gradient, into: gradient, execution)
            }
            if stage > firstTrained {
                try stages[stage][0].backward(trace.blocks[stage][0], gradient, into: gradients[stage - 1], execution)
            } else if let stem = trace.stem {
                try execution.scratch { () throws(ULDorError) in
                    let pooled = try execution.map(like: stem.pooled)
                    execution.zero(pooled)
                    try stages[stage][0].backward(trace.blocks[stage][0], gradient, into: pooled, execution)
                    try backwardStem(stem.input, stem.output, pooled, execution)
                }
            } else {
                try stages[stage][0].backward(trace.blocks[stage][0], gradient, into: nil, execution)
            }
        }
    }

    private func backwardStem(
        _ input: FeatureMap, _ output: FeatureMap, _ pooled: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        let gradient = try execution.map(like: output)
        try execution.run {
            uk_max_pool_gradient(
                $0, output.data, Int32(output.height), Int32(output.width), Int32(output.channels), pooled.data,
                gradient.data)
        }
        try execution.maskGradient(gradient, by: output)
        try stem.backward(input, gradient, into: nil, execution)
    }
}
