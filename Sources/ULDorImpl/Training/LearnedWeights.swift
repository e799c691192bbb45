import ULDorKernels

/// Weights of a convolution that learns, or lies among layers that do: they stand in the ``ParameterStore`` and are packed anew in
/// every pass, so that the optimiser's copy is the only one.
final class LearnedWeights {
    let store: ParameterStore
    /// Of a predictor several parts behind each other, one matrix.
    let weights: UnsafeMutablePointer<Float>
    let weightGradient: UnsafeMutablePointer<Float>?
    private let bias: UnsafeMutablePointer<Float>?
    let biasGradient: UnsafeMutablePointer<Float>?
    let norm: FrozenNorm?
    /// From a transposed convolution: in x out x 2 x 2.
    private let isTransposed: Bool

    init(
        _ store: ParameterStore, weights: ParameterStore.Tensor, bias: ParameterStore.Tensor?, norm: FrozenNorm? = nil,
        isTransposed: Bool = false
    ) {
        self.store = store
        self.weights = store.pointer(weights)
        weightGradient = store.gradient(weights)
        self.bias = bias.map { store.pointer($0) }
        biasGradient = bias.flatMap { store.gradient($0) }
        self.norm = norm
        self.isTransposed = isTransposed
    }

    /// The same matrix without bias, read as an ordinary convolution's.
    var bare: LearnedWeights { LearnedWeights(self) }

    private init(_ other: LearnedWeights) {
        store = other.store
        weights = other.weights
        (weightGradient, bias, biasGradient, norm, isTransposed) = (nil, nil, nil, nil, false)
    }

    var isTrained: Bool { weightGradient != nil }
    var scale: UnsafePointer<Float>? { norm.map { UnsafePointer($0.scale.base) } }
    private var shift: UnsafePointer<Float>? { norm.map { UnsafePointer($0.shift.base) } ?? UnsafePointer(bias) }

    /// Output channels of `layer` that are packed at a time.
    func packedTogether(_ layer: Convolution) -> Int {
        let most = 3 << 20, panel = Int(UK_PANEL)
        return Swift.max(most / (layer.channels * layer.kernel * layer.kernel) / panel, 1) * panel
    }

    /// Packed weights and bias of output channels [first, first + count), in scratch memory.
    func pack(
        _ layer: Convolution, first: Int, count: Int, _ execution: Execution
    ) throws(ULDorError) -> (packed: UnsafePointer<Float>, bias: UnsafePointer<Float>) {
        let (channels, out, kernel) = (layer.channels, layer.outChannels, layer.kernel)
        let placeCount = Int(uk_packed_floats(Int32(count), Int32(channels), Int32(kernel), Int32(kernel)))
        let packed: UnsafeMutablePointer<Float> = try execution.take(count: placeCount * layer.places)
        let rows = Int(uk_panels(Int32(count))) * Int(UK_PANEL)
        let biases: UnsafeMutablePointer<Float> = try execution.take(count: rows * layer.places)
        let part: UnsafeMutablePointer<Float> = try execution.take(count: isTransposed ? out * channels : 0)
        guard !execution.isMeasuring else { return (UnsafePointer(packed), UnsafePointer(biases)) }
        biases.update(repeating: 0, count: rows * layer.places)
        for place in 0..<layer.places {
            if let shift { (biases + rows * place).update(from: shift + first, count: count) }
            var from = UnsafePointer(weights) + first * channels * kernel * kernel
            if isTransposed {
                TransposedWeights.take(place, of: weights, channels: channels, outChannels: out, into: part)
                from = UnsafePointer(part)
            }
            try execution.run {
                uk_pack_conv(
                    $0, from, scale.map { $0 + first }, Int32(count), Int32(channels), Int32(kernel), Int32(kernel), 0,
                    packed + placeCount * place)
            }
        }
        return (UnsafePointer(packed), UnsafePointer(biases))
    }
}

/// Frozen batch norm as torchvision folds it: y = (x - mean) * weight / sqrt(var + eps) + bias, as a factor and a summand.
final class FrozenNorm {
    let scale, shift: Buffer<Float>
    private let store: ParameterStore
    let weight, bias: ParameterStore.Tensor
    private let mean, variance: ParameterStore.Tensor
    private let eps: Float

    init(
        _ store: ParameterStore, weight: ParameterStore.Tensor, bias: ParameterStore.Tensor, mean: ParameterStore.Tensor,
        variance: ParameterStore.Tensor, eps: Float, allocator: Allocator
    ) throws(ULDorError) {
        self.store = store
        (self.weight, self.bias, self.mean, self.variance) = (weight, bias, mean, variance)
        self.eps = eps
        scale = try Buffer(count: weight.count, allocator: allocator)
        shift = try Buffer(count: weight.count, allocator: allocator)
        fold()
    }

    /// Makes the layer behave as if there were none: what calibration measures.
    func clear() {
        scale.elements.update(repeating: 1)
        shift.elements.update(repeating: 0)
    }

    /// Takes the statistics of one channel.
    func set(_ channel: Int, mean newMean: Float, variance newVariance: Float) {
        store.pointer(mean)[channel] = newMean
        store.pointer(variance)[channel] = newVariance
    }

    func fold() {
        for index in 0..<scale.count {
            let factor = store.pointer(weight)[index] / (store.pointer(variance)[index] + eps).squareRoot()
            scale.base[index] = factor
            shift.base[index] = store.pointer(bias)[index] - store.pointer(mean)[index] * factor
        }
    }
}
