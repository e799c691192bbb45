import ULDorKernels

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

    var stride: Int { first.stride * second.stride }
    var outChannels: Int { third?.outChannels ?? second.outChannels }

    var memoryBytes: Int {
        first.memoryBytes + second.memoryBytes + (third?.memoryBytes ?? 0) + (projection?.memoryBytes ?? 0)
    }

    func forward(_ input: FeatureMap, into output: FeatureMap, _ execution: Execution) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            try forward(input, through: nil, into: output, execution)
        }
    }

    /// What the last convolution reads is written to `kept`, where it is wanted.
    private func forward(
        _ input: FeatureMap, through kept: FeatureMap?, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        // The projection is written where the sum will stand, and read from there as the residual.
        var identity = input
        if let projection {
            try projection.forward(input, into: output, relu: false, execution)
            identity = output
        }
        let inner: FeatureMap
        if let kept { inner = kept } else { inner = try innerMap(output, execution) }
        if let third {
            try second.forward(try first.forward(input, relu: true, execution), into: inner, relu: true, execution)
            try third.forward(inner, into: output, residual: identity, relu: true, execution)
        } else {
            try first.forward(input, into: inner, relu: true, execution)
            try second.forward(inner, into: output, residual: identity, relu: true, execution)
        }
    }

    private func innerMap(_ output: FeatureMap, _ execution: Execution) throws(ULDorError) -> FeatureMap {
        let last = third ?? second
        return try execution.hiddenMap(output.batch, output.height, output.width, last.channels)
    }

    /// What the backward pass reads: the input, the output, and of a block of two convolutions what lies between them. A bottleneck's
    /// inner maps are computed again, for memory (docs/performance.md).
    struct Trace: BitwiseCopyable {
        var input, output: FeatureMap
        var inner: FeatureMap?
    }

    func trace(_ input: FeatureMap, into output: FeatureMap, _ execution: Execution) throws(ULDorError) -> Trace {
        let inner = third == nil ? try innerMap(output, execution) : nil
        try execution.scratch { () throws(ULDorError) in
            try forward(input, through: inner, into: output, execution)
        }
        return Trace(input: input, output: output, inner: inner)
    }

    var isTrained: Bool { first.isTrained }

    /// `gradient` is that of the output and is overwritten. The input's is added to `inputGradient`; nil: it is not wanted. Where a
    /// block has no projection the two may be the same map, which then holds the input's gradient.
    func backward(
        _ trace: Trace, _ gradient: FeatureMap, into inputGradient: FeatureMap?, _ execution: Execution
    ) throws(ULDorError) {
        try execution.maskGradient(gradient, by: trace.output)
        try execution.scratch { () throws(ULDorError) in
            let first: FeatureMap
            if let inner = trace.inner {
                first = inner
            } else {
                first = try self.first.forward(trace.input, relu: true, execution)
            }
            let a = try execution.map(like: first)
            if let third {
                let inner = try second.forward(first, relu: true, execution)
                let b = try execution.map(like: inner)
                try third.backward(inner, gradient, into: b, execution)
                try execution.maskGradient(b, by: inner)
                try second.backward(first, b, into: a, execution)
            } else {
                try second.backward(first, gradient, into: a, execution)
            }
            try execution.maskGradient(a, by: first)
            if let projection {
                try projection.backward(trace.input, gradient, into: inputGradient, adds: true, execution)
            } else if let inputGradient, inputGradient.data != gradient.data {
                try execution.add(gradient, to: inputGradient)
            }
            try self.first.backward(trace.input, a, into: inputGradient, adds: true, execution)
        }
    }
}
