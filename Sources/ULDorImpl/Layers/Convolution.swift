import ULDorKernels

/// A 2-d convolution with everything that follows it folded in: frozen batch norm, bias, residual add, ReLU.
///
/// Also a 1 x 1 predictor of several outputs (RPN, box head): their rows lie behind each other in one convolution. And a
/// transposed convolution whose kernel is its stride: for each of its `places` a 1 x 1 convolution, all at once.
final class Convolution {
    let channels, outChannels, kernel, stride, pad, places: Int
    private let source: Source

    /// Packed once, or anew in every pass because they change.
    private enum Source {
        case packed(Slab, weights: UnsafeMutableBufferPointer<Float>, bias: UnsafeMutableBufferPointer<Float>)
        case learned(LearnedWeights)
    }

    private init(channels: Int, outChannels: Int, kernel: Int, stride: Int, pad: Int?, places: Int, source: Source) {
        self.channels = channels
        self.outChannels = outChannels
        self.kernel = kernel
        self.stride = stride
        self.pad = pad ?? kernel / 2
        self.places = places
        self.source = source
    }

    /// With weights that ``pack(_:scale:bias:first:count:execution:)`` fills in.
    convenience init(
        channels: Int, outChannels: Int, kernel: Int, stride: Int = 1, pad: Int? = nil, places: Int = 1, slab: Slab
    ) throws(ULDorError) {
        let count = places * Int(uk_packed_floats(Int32(outChannels), Int32(channels), Int32(kernel), Int32(kernel)))
        let packed: UnsafeMutableBufferPointer<Float> = try slab.take(count)
        let products = channels * kernel * kernel
        let bias: UnsafeMutableBufferPointer<Float> = try slab.take(count / products)
        self.init(
            channels: channels, outChannels: outChannels, kernel: kernel, stride: stride, pad: pad, places: places,
            source: .packed(slab, weights: packed, bias: bias))
        guard !slab.isFilled else { return }
        bias.update(repeating: 0)
        // The channels that a last panel lacks.
        guard outChannels % UK_PANEL > 0 else { return }
        for place in 1...places {
            let end = count / places * place
            packed[end - UK_PANEL * products..<end].update(repeating: 0)
        }
    }

    /// With weights that learn.
    convenience init(
        channels: Int, outChannels: Int, kernel: Int, stride: Int = 1, pad: Int? = nil, places: Int = 1, learned: LearnedWeights
    ) {
        self.init(
            channels: channels, outChannels: outChannels, kernel: kernel, stride: stride, pad: pad, places: places,
            source: .learned(learned))
    }

    var memoryBytes: Int {
        guard case .packed(_, let weights, let bias) = source else { return 0 }
        return (weights.count + bias.count) * MemoryLayout<Float>.stride
    }

    /// nil where the weights are packed once.
    var learned: LearnedWeights? {
        guard case .learned(let weights) = source else { return nil }
        return weights
    }

    /// Where output channel 0 of a place stands among the rows: each begins a panel.
    func firstRow(ofPlace place: Int) -> Int { place * Int(uk_panels(Int32(outChannels))) * UK_PANEL }

    /// Fills output channels [first, first + count), unless the slab came with its values.
    func pack(
        _ weights: UnsafePointer<Float>, scale: UnsafePointer<Float>?, bias newBias: UnsafePointer<Float>?, first: Int,
        count: Int, execution: uk_exec
    ) {
        guard case .packed(let slab, let packed, let bias) = source, !slab.isFilled else { return }
        var execution = execution
        _ = uk_pack_conv(
            &execution, weights, scale, Int32(count), Int32(channels), Int32(kernel), Int32(kernel), Int32(first),
            packed.baseAddress)
        for index in 0..<count { bias[first + index] = newBias?[index] ?? 0 }
    }

    func outputSize(_ input: Int) -> Int { (input + 2 * pad - kernel) / stride + 1 }

    /// Into a map of this layer's output size. `residual` may be `output` itself, or a smaller map, read as nearest
    /// neighbour.
    func forward(
        _ input: FeatureMap, into output: FeatureMap, residual: FeatureMap? = nil, relu: Bool, _ execution: Execution
    ) throws(ULDorError) {
        var work = try work(input, into: output, relu: relu)
        if let residual { work.residual = residual.map }
        guard channels * kernel < 32, kernel > 1 else { return try run(&work, execution) }
        // Few channels (the stem): with a border of zeros a row of the kernel is one piece of memory, kernel times as long.
        try execution.scratch { () throws(ULDorError) in
            let padded = try execution.map(input.batch, input.height + 2 * pad, input.width + 2 * pad, channels)
            try execution.run {
                uk_pad(
                    $0, input.data, Int32(input.batch), Int32(input.height), Int32(input.width), Int32(channels), Int32(pad),
                    padded.data)
            }
            work.input = padded.map
            work.channels *= work.kernel_w
            work.kernel_w = 1
            work.pad = 0
            try run(&work, execution)
        }
    }

    /// A 2 x 2 transposed convolution of stride 2: four `places`, the pixels of a 2 x 2 block row by row. `output` has twice
    /// the input's size.
    func forwardTransposed(
        _ input: FeatureMap, into output: FeatureMap, relu: Bool, _ execution: Execution
    ) throws(ULDorError) {
        var work = try work(input, into: output, relu: relu)
        // Every second pixel of every second row.
        work.output.height = Int32(input.height)
        work.output.width = Int32(input.width)
        work.places = Int32(places)
        let pixel = work.output.pixel_stride, row = work.output.row_stride
        work.place = (0, pixel, row, row + pixel)
        work.output.row_stride *= 2
        work.output.pixel_stride *= 2
        try run(&work, execution)
    }

    private func work(_ input: FeatureMap, into output: FeatureMap, relu: Bool) throws(ULDorError) -> uk_conv {
        guard input.channels == channels, output.channels == outChannels else {
            throw ULDorError(.internal, "a convolution of \(channels) to \(outChannels) channels on a map of \(input.channels)")
        }
        var work = uk_conv()
        work.input = input.map
        work.output = output.map
        if case .packed(_, let weights, let bias) = source {
            work.packed = UnsafePointer(weights.baseAddress)
            work.bias = UnsafePointer(bias.baseAddress)
        }
        work.batch = Int32(input.batch)
        work.channels = Int32(channels)
        work.out_channels = Int32(outChannels)
        work.kernel_h = Int32(kernel)
        work.kernel_w = Int32(kernel)
        work.stride = Int32(stride)
        work.pad = Int32(pad)
        work.relu = relu
        return work
    }

    private func run(_ work: inout uk_conv, _ execution: Execution) throws(ULDorError) {
        guard case .learned(let weights) = source else { return try convolve(&work, execution) }
        // A fully connected layer's weights are not all in memory once more.
        let group = places > 1 ? outChannels : weights.packedTogether(self)
        for first in Swift.stride(from: 0, to: outChannels, by: group) {
            try execution.scratch { () throws(ULDorError) in
                var part = work
                part.out_channels = Int32(Swift.min(group, outChannels - first))
                part.output.data += Int(uk_channel(&part.output, Int32(first)))
                if part.residual.data != nil { part.residual.data += Int(uk_channel(&part.residual, Int32(first))) }
                (part.packed, part.bias) = try weights.pack(self, first: first, count: Int(part.out_channels), execution)
                try convolve(&part, execution)
            }
        }
    }

    private func convolve(_ work: inout uk_conv, _ execution: Execution) throws(ULDorError) {
        let table = execution.table
        var plan = uk_plan_convolution(table, &work, execution.threads, execution.algorithms)
        try execution.scratch { () throws(ULDorError) in
            let scratch: UnsafeMutablePointer<Float> = try execution.take(count: Int(plan.scratch_floats))
            try execution.run { uk_convolve($0, table, &work, &plan, scratch) }
        }
    }

    /// Into a new map that only convolutions read, or that is learned from.
    func forward(
        _ input: FeatureMap, residual: FeatureMap? = nil, relu: Bool, _ execution: Execution
    ) throws(ULDorError) -> FeatureMap {
        let output = try execution.hiddenMap(input.batch, outputSize(input.height), outputSize(input.width), outChannels)
        try forward(input, into: output, residual: residual, relu: relu, execution)
        return output
    }
}
