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
            try execution.map(1, height >> (stage + 2), width >> (stage + 2), channels(of: stage))
        }
        return BackboneFeatures(c2: try map(0), c3: try map(1), c4: try map(2), c5: try map(3))
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
                    let features = try stem.forward(input, relu: true, execution)
                    let table = execution.table
                    try execution.run {
                        uk_max_pool(
                            $0, table, features.data, Int32(features.height), Int32(features.width),
                            Int32(features.channels), pooled.data)
                    }
                }
                current = pooled
            }
            // Blocks alternate between two buffers so that the last one writes `output`.
            let blocks = stages[stage]
            let other = try execution.map(output.batch, output.height, output.width, output.channels)
            for (index, block) in blocks.enumerated() {
                let target = (blocks.count - 1 - index) % 2 == 0 ? output : other
                try block.forward(current, into: target, execution)
                current = target
            }
        }
    }
}

/// torchvision's BasicBlock (two 3 x 3) or Bottleneck (1 x 1, 3 x 3, 1 x 1), with the projection where the shape changes.
final class ResidualBlock {
    let first, second: Convolution
    /// Bottlenecks only.
    let third: Convolution?
    let projection: Convolution?

    init(
        _ loader: TensorLoader, _ prefix: String, channels: Int, stride: Int, config: ModelConfig
    ) throws(ULDorError) {
        let eps = config.batchNormEps
        let isBottleneck = loader.containsAny(below: "\(prefix).conv3.") || loader.containsAny(below: "\(prefix).bn3.")
        let strideOnFirst = !isBottleneck || config.strideIn1x1
        first = try loader.convolution(
            "\(prefix).conv1", norm: "\(prefix).bn1", channels: channels, kernel: isBottleneck ? 1 : 3,
            stride: strideOnFirst ? stride : 1, eps: eps)
        second = try loader.convolution(
            "\(prefix).conv2", norm: "\(prefix).bn2", channels: first.outChannels, kernel: 3,
            stride: strideOnFirst ? 1 : stride, eps: eps)
        third =
            isBottleneck
            ? try loader.convolution("\(prefix).conv3", norm: "\(prefix).bn3", channels: second.outChannels, kernel: 1, eps: eps)
            : nil
        let outChannels = third?.outChannels ?? second.outChannels
        let hasProjection = loader.containsAny(below: "\(prefix).downsample.")
        guard hasProjection || (stride == 1 && channels == outChannels) else {
            throw loader.error("tensor \(prefix).downsample.0.weight is missing")
        }
        projection =
            hasProjection
            ? try loader.convolution(
                "\(prefix).downsample.0", norm: "\(prefix).downsample.1", channels: channels, outChannels: outChannels,
                kernel: 1, stride: stride, eps: eps)
            : nil
    }

    var outChannels: Int { third?.outChannels ?? second.outChannels }

    var memoryBytes: Int {
        first.memoryBytes + second.memoryBytes + (third?.memoryBytes ?? 0) + (projection?.memoryBytes ?? 0)
    }

    func forward(_ input: FeatureMap, into output: FeatureMap, _ execution: Execution) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            // The projection is written where the sum will stand, and read from there as the residual.
            var identity = input
            if let projection {
                try projection.forward(input, into: output, relu: false, execution)
                identity = output
            }
            let a = try first.forward(input, relu: true, execution)
            if let third {
                let b = try second.forward(a, relu: true, execution)
                try third.forward(b, into: output, residual: identity, relu: true, execution)
            } else {
                try second.forward(a, into: output, residual: identity, relu: true, execution)
            }
        }
    }
}

extension TensorLoader {
    /// Loads a convolution without bias and the frozen batch norm behind it, folded (torchvision's FrozenBatchNorm2d:
    /// y = (x - mean) * weight / sqrt(var + eps) + bias).
    func convolution(
        _ name: String, norm: String, channels: Int? = nil, outChannels: Int? = nil, kernel: Int, stride: Int = 1, eps: Float
    ) throws(ULDorError) -> Convolution {
        let record = try require(["\(name).weight"]).record
        let out = outChannels ?? record.dim(0), inner = channels ?? record.dim(1)
        try check(name, out, inner)
        let weights = try find(["\(name).weight"], shape: [out, inner, kernel, kernel])
        let scale = try load(["\(norm).weight"], shape: [out])
        let shift = try load(["\(norm).bias"], shape: [out])
        let mean = try load(["\(norm).running_mean"], shape: [out])
        let variance = try load(["\(norm).running_var"], shape: [out])
        for index in 0..<out {
            let spread = variance.base[index] + eps
            guard spread > 0 else {
                throw error("tensor \(norm).running_var holds \(variance.base[index]) at element \(index): not a variance")
            }
            scale.base[index] /= spread.squareRoot()
            shift.base[index] -= mean.base[index] * scale.base[index]
        }
        let layer = try Convolution(channels: inner, outChannels: out, kernel: kernel, stride: stride, allocator: allocator)
        try pack(weights, into: layer, scale: scale.base, bias: shift.base)
        return layer
    }

    /// Loads a convolution with bias; `names` are prefixes, the first that the file has is taken.
    func convolution(_ names: [String], channels: Int, outChannels: Int? = nil, kernel: Int) throws(ULDorError) -> Convolution {
        let (name, record) = try require(names.map { "\($0).weight" })
        let out = outChannels ?? record.dim(0)
        try check(name, out, channels)
        let weights = try find([name], shape: [out, channels, kernel, kernel])
        let bias = try load(names.map { "\($0).bias" }, shape: [out])
        let layer = try Convolution(channels: channels, outChannels: out, kernel: kernel, allocator: allocator)
        try pack(weights, into: layer, bias: bias.base)
        return layer
    }

    func check(_ name: String, _ out: Int, _ inner: Int) throws(ULDorError) {
        guard out <= UK_MAX_CHANNELS, inner <= UK_MAX_CHANNELS else {
            throw error("tensor \(name) has more than \(UK_MAX_CHANNELS) channels")
        }
    }
}
