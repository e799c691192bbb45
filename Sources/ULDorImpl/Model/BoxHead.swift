/// torchvision's TwoMLPHead and FastRCNNPredictor.
final class BoxHead {
    static let pooled = 7

    /// Fully connected layers: 1 x 1 convolutions of maps of one pixel.
    let fc6, fc7: Convolution
    /// K class logits, then 4 K deltas.
    let predictor: Convolution
    let classes: Int
    private let channels: Int

    init(_ loader: TensorLoader, channels: Int, classes: Int) throws(ULDorError) {
        self.channels = channels
        self.classes = classes
        let cells = Self.pooled * Self.pooled
        let prefix = "roi_heads.box_head."
        let weights = try loader.find(["\(prefix)fc6.weight"], shape: [nil, channels * cells])
        let hidden = weights.record.dim(0)
        try loader.check("\(prefix)fc6", hidden, channels)
        // torchvision flattens channels x 7 x 7, RoIAlign writes 7 x 7 x channels.
        fc6 = try loader.fullyConnected(weights, bias: ["\(prefix)fc6.bias"], cells: cells)
        let second = try loader.find(["\(prefix)fc7.weight"], shape: [nil, hidden])
        let width = second.record.dim(0)
        try loader.check("\(prefix)fc7", width, hidden)
        fc7 = try loader.fullyConnected(second, bias: ["\(prefix)fc7.bias"], cells: 1)
        predictor = try loader.predictor(
            [("roi_heads.box_predictor.cls_score", classes), ("roi_heads.box_predictor.bbox_pred", classes * 4)],
            channels: width, rank: 2)
    }

    var memoryBytes: Int { fc6.memoryBytes + fc7.memoryBytes + predictor.memoryBytes }

    /// `features` is regions x 7 x 7 x channels; `output` regions rows of K logits and 4 K deltas.
    func forward(
        _ features: FeatureMap, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let hidden = try fc7.forward(try fc6.forward(asRows(features), relu: true, execution), relu: true, execution)
            try predictor.forward(hidden, into: output, relu: false, execution)
        }
    }

    /// Forward and backward at once: `loss` gets the output and overwrites it with its gradient. The features become their own
    /// gradient.
    func learn(
        _ features: FeatureMap, _ execution: Execution, loss: (FeatureMap) -> Void
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let rows = asRows(features)
            let first = try fc6.forward(rows, relu: true, execution), second = try fc7.forward(first, relu: true, execution)
            let output = try predictor.forward(second, relu: false, execution)
            if !execution.isMeasuring { loss(output) }
            let g7 = try execution.map(like: second), g6 = try execution.map(like: first)
            try predictor.backward(second, output, into: g7, execution)
            try execution.maskGradient(g7, by: second)
            try fc7.backward(first, g7, into: g6, execution)
            try execution.maskGradient(g6, by: first)
            try fc6.backward(rows, g6, into: rows, execution)
        }
    }

    private func asRows(_ features: FeatureMap) -> FeatureMap {
        FeatureMap(data: features.data, batch: features.batch, height: 1, width: 1, channels: fc6.channels)
    }

    /// A new map for the output of `regions` regions.
    func output(regions: Int, _ execution: Execution) throws(ULDorError) -> FeatureMap {
        try execution.map(regions, 1, 1, classes * 5)
    }
}

extension TensorLoader {
    fileprivate func fullyConnected(
        _ weights: (name: String, record: TensorRecord), bias: [String], cells: Int
    ) throws(ULDorError) -> Convolution {
        let columns = weights.record.dim(0)
        if let store {
            return Convolution(
                channels: weights.record.dim(1), outChannels: columns, kernel: 1,
                learned: LearnedWeights(
                    store, weights: try keep([weights.name], shape: [nil, nil], in: store, cells: cells),
                    bias: try keep(bias, shape: [columns], in: store)))
        }
        let bias = try load(bias, shape: [columns])
        let layer = try Convolution(channels: weights.record.dim(1), outChannels: columns, kernel: 1, slab: slab)
        try pack(weights, into: layer, bias: bias.base, cells: cells)
        return layer
    }
}
