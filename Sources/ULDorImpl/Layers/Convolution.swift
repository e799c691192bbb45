import ULDorKernels

/// A 2-d convolution with everything that follows it folded in: frozen batch norm, bias, residual add, ReLU.
///
/// Also a 1 x 1 predictor of several outputs (RPN, box head): their rows lie behind each other in one convolution.
final class Convolution {
    let channels, outChannels, kernel, stride, pad: Int
    private let packed: Buffer<Float>
    private let bias: Buffer<Float>

    /// Takes `parts` of weights `outChannels_i x channels x kernel x kernel`, each with its scale (batch norm) and bias.
    init(
        channels: Int, outChannels: Int, kernel: Int, stride: Int = 1, pad: Int? = nil, allocator: Allocator
    ) throws(ULDorError) {
        self.channels = channels
        self.outChannels = outChannels
        self.kernel = kernel
        self.stride = stride
        self.pad = pad ?? kernel / 2
        let count = Int(uk_packed_floats(Int32(outChannels), Int32(channels), Int32(kernel), Int32(kernel)))
        packed = try Buffer(count: count, allocator: allocator)
        packed.elements.update(repeating: 0)
        bias = try Buffer(count: count / (channels * kernel * kernel), allocator: allocator)
        bias.elements.update(repeating: 0)
    }

    var memoryBytes: Int { packed.bytes + bias.bytes }

    /// Fills output channels [first, first + count).
    func pack(
        _ weights: UnsafePointer<Float>, scale: UnsafePointer<Float>?, bias newBias: UnsafePointer<Float>?, first: Int,
        count: Int, execution: uk_exec
    ) {
        var execution = execution
        _ = uk_pack_conv(
            &execution, weights, scale, Int32(count), Int32(channels), Int32(kernel), Int32(kernel), Int32(first), packed.base)
        for index in 0..<count { bias.base[first + index] = newBias?[index] ?? 0 }
    }

    func outputSize(_ input: Int) -> Int { (input + 2 * pad - kernel) / stride + 1 }

    /// Into a map of this layer's output size. `residual` may be `output` itself, or a smaller map, read as nearest
    /// neighbour.
    func forward(
        _ input: FeatureMap, into output: FeatureMap, residual: FeatureMap? = nil, relu: Bool, _ execution: Execution
    ) throws(ULDorError) {
        try forward(input, into: output.map, residual: residual, relu: relu, execution)
    }

    func forward(
        _ input: FeatureMap, into output: uk_map, residual: FeatureMap? = nil, relu: Bool, _ execution: Execution
    ) throws(ULDorError) {
        guard input.channels == channels, output.pixel_stride >= outChannels else {
            throw ULDorError(.internal, "a convolution of \(channels) to \(outChannels) channels on a map of \(input.channels)")
        }
        var work = uk_conv()
        work.input = input.map
        work.output = output
        work.packed = UnsafePointer(packed.base)
        work.bias = UnsafePointer(bias.base)
        work.batch = Int32(input.batch)
        work.channels = Int32(channels)
        work.out_channels = Int32(outChannels)
        work.kernel_h = Int32(kernel)
        work.kernel_w = Int32(kernel)
        work.stride = Int32(stride)
        work.pad = Int32(pad)
        if let residual { work.residual = residual.map }
        work.relu = relu
        try run(&work, execution)
    }

    private func run(_ work: inout uk_conv, _ execution: Execution) throws(ULDorError) {
        let table = execution.table
        var plan = uk_plan_convolution(table, &work, execution.threads, execution.isExact)
        try execution.scratch { () throws(ULDorError) in
            let scratch: UnsafeMutablePointer<Float> = try execution.take(count: Int(plan.scratch_floats))
            try execution.run { uk_convolve($0, table, &work, &plan, scratch) }
        }
    }

    /// Into a new map.
    func forward(
        _ input: FeatureMap, residual: FeatureMap? = nil, relu: Bool, _ execution: Execution
    ) throws(ULDorError) -> FeatureMap {
        let output = try execution.map(input.batch, outputSize(input.height), outputSize(input.width), outChannels)
        try forward(input, into: output, residual: residual, relu: relu, execution)
        return output
    }
}
