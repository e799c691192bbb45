/// torchvision's RPNHead: 3 x 3 convolutions shared by objectness (A) and box deltas (4 A).
final class RPNHead {
    let convolutions: [Convolution]
    /// A objectness channels, then 4 A deltas (anchor by anchor dx, dy, dw, dh).
    let predictor: Convolution
    let anchors: Int

    init(_ loader: TensorLoader, channels: Int, config: ModelConfig) throws(ULDorError) {
        anchors = config.anchorSizes[0].count * config.aspectRatios.count
        var convolutions: [Convolution] = []
        repeat {
            let index = convolutions.count
            var names = ["rpn.head.conv.\(index).0"]
            if index == 0 { names.append("rpn.head.conv") }
            convolutions.append(try loader.convolution(names, channels: channels, outChannels: channels, kernel: 3))
        } while convolutions.count < 8 && loader.containsAny(below: "rpn.head.conv.\(convolutions.count).")
        self.convolutions = convolutions
        predictor = try loader.predictor(
            [("rpn.head.cls_logits", anchors), ("rpn.head.bbox_pred", anchors * 4)], channels: channels, rank: 4)
    }

    var memoryBytes: Int { convolutions.reduce(predictor.memoryBytes) { $0 + $1.memoryBytes } }

    func forward(_ features: FeatureMap, into output: FeatureMap, _ execution: Execution) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            var hidden = features
            for convolution in convolutions { hidden = try convolution.forward(hidden, relu: true, execution) }
            try predictor.forward(hidden, into: output, relu: false, execution)
        }
    }
}

extension TensorLoader {
    /// Several 1 x 1 convolutions or fully connected layers (`rank` 4 or 2) on the same input, as one.
    func predictor(_ parts: [(name: String, rows: Int)], channels: Int, rank: Int) throws(ULDorError) -> Convolution {
        let outChannels = parts.reduce(0) { $0 + $1.rows }
        if let store {
            return Convolution(
                channels: channels, outChannels: outChannels, kernel: 1,
                learned: try keepTogether(parts, channels: channels, rank: rank, in: store))
        }
        let layer = try Convolution(channels: channels, outChannels: outChannels, kernel: 1, slab: slab)
        var first = 0
        for (name, rows) in parts {
            let weights = try find(["\(name).weight"], shape: rank == 4 ? [rows, channels, 1, 1] : [rows, channels])
            let bias = try load(["\(name).bias"], shape: [rows])
            try pack(weights, into: layer, first: first, bias: bias.base)
            first += rows
        }
        return layer
    }

    /// One behind the other in the store, so that they are one matrix.
    private func keepTogether(
        _ parts: [(name: String, rows: Int)], channels: Int, rank: Int, in store: ParameterStore
    ) throws(ULDorError) -> LearnedWeights {
        var weights: [ParameterStore.Tensor] = [], biases: [ParameterStore.Tensor] = []
        for (name, rows) in parts {
            let shape = rank == 4 ? [rows, channels, 1, 1] : [rows, channels]
            weights.append(try keep(["\(name).weight"], shape: shape, in: store))
        }
        for (name, rows) in parts { biases.append(try keep(["\(name).bias"], shape: [rows], in: store)) }
        return LearnedWeights(store, weights: weights[0], bias: biases[0])
    }
}
