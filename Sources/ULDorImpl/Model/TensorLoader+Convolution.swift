import ULDorKernels

extension TensorLoader {
    /// Loads a convolution without bias and the frozen batch norm behind it, folded (torchvision's FrozenBatchNorm2d:
    /// y = (x - mean) * weight / sqrt(var + eps) + bias).
    func convolution(
        _ name: String, norm: String, channels: Int? = nil, outChannels: Int? = nil, kernel: Int, stride: Int = 1, eps: Float
    ) throws(ULDorError) -> Convolution {
        let record = try require(["\(name).weight"]).record
        let out = outChannels ?? record.dim(0), inner = channels ?? record.dim(1)
        try check(name, out, inner)
        if let store {
            return Convolution(
                channels: inner, outChannels: out, kernel: kernel, stride: stride,
                learned: LearnedWeights(
                    store, weights: try keep(["\(name).weight"], shape: [out, inner, kernel, kernel], in: store), bias: nil,
                    norm: try frozenNorm(norm, out, eps: eps, store)))
        }
        let weights = try find(["\(name).weight"], shape: [out, inner, kernel, kernel])
        let scale = try load(["\(norm).weight"], shape: [out])
        let shift = try load(["\(norm).bias"], shape: [out])
        let mean = try load(["\(norm).running_mean"], shape: [out])
        let variance = try load(["\(norm).running_var"], shape: [out])
        for index in 0..<out {
            try checkVariance(variance.base[index], norm, index, eps)
            scale.base[index] /= (variance.base[index] + eps).squareRoot()
            shift.base[index] -= mean.base[index] * scale.base[index]
        }
        let layer = try Convolution(channels: inner, outChannels: out, kernel: kernel, stride: stride, slab: slab)
        try pack(weights, into: layer, scale: scale.base, bias: shift.base)
        return layer
    }

    private func frozenNorm(_ name: String, _ count: Int, eps: Float, _ store: ParameterStore) throws(ULDorError) -> FrozenNorm {
        let weight = try keep(["\(name).weight"], shape: [count], in: store)
        let bias = try keep(["\(name).bias"], shape: [count], in: store)
        let mean = try keep(["\(name).running_mean"], shape: [count], in: store)
        let variance = try keep(["\(name).running_var"], shape: [count], in: store)
        for index in 0..<count { try checkVariance(store.pointer(variance)[index], name, index, eps) }
        return try FrozenNorm(
            store, weight: weight, bias: bias, mean: mean, variance: variance, eps: eps, allocator: allocator)
    }

    private func checkVariance(_ value: Float, _ norm: String, _ index: Int, _ eps: Float) throws(ULDorError) {
        guard value + eps > 0 else {
            throw error("tensor \(norm).running_var holds \(value) at element \(index): not a variance")
        }
    }

    /// Loads a convolution with bias; `names` are prefixes, the first that the file has is taken.
    func convolution(_ names: [String], channels: Int, outChannels: Int? = nil, kernel: Int) throws(ULDorError) -> Convolution {
        let (name, record) = try require(names.map { "\($0).weight" })
        let out = outChannels ?? record.dim(0)
        try check(name, out, channels)
        let shape: [Int?] = [out, channels, kernel, kernel], biases = names.map { "\($0).bias" }
        if let store {
            return Convolution(
                channels: channels, outChannels: out, kernel: kernel,
                learned: LearnedWeights(
                    store, weights: try keep([name], shape: shape, in: store), bias: try keep(biases, shape: [out], in: store)))
        }
        let weights = try find([name], shape: shape)
        let bias = try load(biases, shape: [out])
        let layer = try Convolution(channels: channels, outChannels: out, kernel: kernel, slab: slab)
        try pack(weights, into: layer, bias: bias.base)
        return layer
    }

    func check(_ name: String, _ out: Int, _ inner: Int) throws(ULDorError) {
        guard out <= UK_MAX_CHANNELS, inner <= UK_MAX_CHANNELS else {
            throw error("tensor \(name) has more than \(UK_MAX_CHANNELS) channels")
        }
    }
}
