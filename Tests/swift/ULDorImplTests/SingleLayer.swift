import Testing

@testable import ULDorImpl

/// A layer's sizes.
struct LayerShape: CustomTestStringConvertible, Sendable {
    var batch = 1
    var height, width, channels, out, kernel: Int
    var stride = 1
    var hasNorm = false

    var testDescription: String {
        "\(batch)x\(height)x\(width)x\(channels) -> \(out), \(kernel)x\(kernel)/\(stride)\(hasNorm ? " norm" : "")"
    }
}

/// A layer with weights of its own, in a store that has room for a network's.
struct SingleLayer {
    let store: ParameterStore
    let weight, bias: ParameterStore.Tensor
    let layer: Convolution

    init(_ shape: LayerShape, isTransposed: Bool = false) throws {
        let file = try fixture("tiny_2class.safetensors")
        let store = try ParameterStore(file, trainableLayers: 5, allocator: .system)
        let (channels, out, kernel) = (shape.channels, shape.out, shape.kernel)
        let weight = try store.add("w", dims: isTransposed ? [channels, out, 2, 2] : [out, channels, kernel, kernel])
        let vectors = try ["bias", "norm.weight", "norm.bias", "norm.mean", "norm.var"].map { try store.add($0, dims: [out]) }
        var random = SeededGenerator(1)
        for index in 0..<store.trainedCount { store.values.base[index] = Float(random.uniform(-1...1)) }
        for index in 0..<out { store.pointer(vectors[4])[index] = Float(random.uniform(0.2...3)) }
        var norm: FrozenNorm?
        if shape.hasNorm {
            norm = try FrozenNorm(
                store, weight: vectors[1], bias: vectors[2], mean: vectors[3], variance: vectors[4], eps: 1e-5,
                allocator: .system)
        }
        let learned = LearnedWeights(
            store, weights: weight, bias: norm == nil ? vectors[0] : nil, norm: norm, isTransposed: isTransposed)
        layer = Convolution(
            channels: channels, outChannels: out, kernel: isTransposed ? 1 : kernel,
            stride: isTransposed ? 1 : shape.stride, places: isTransposed ? 4 : 1, learned: learned)
        (self.store, self.weight, bias) = (store, weight, vectors[0])
    }

    func values(_ tensor: ParameterStore.Tensor) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: store.pointer(tensor), count: tensor.count)
    }

    func gradient(_ tensor: ParameterStore.Tensor) -> [Float] {
        Array(store.gradients[tensor.offset..<tensor.offset + tensor.count])
    }
}
