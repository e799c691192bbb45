/// torchvision's MaskRCNNHeads and MaskRCNNPredictor: 3 x 3 convolutions at 14 x 14, a 2 x 2 transposed convolution of
/// stride 2, and a 1 x 1 convolution to K logits at 28 x 28.
final class MaskHead {
    static let pooled = 14
    /// Regions that go through the convolutions together: as many as there usually are, so that filters are transformed once.
    static let batch = 128
    /// And through what is at 28 x 28, four times as large: the last cache holds it.
    private static let upsampledBatch = 8

    let convolutions: [Convolution]
    /// The transposed convolution as a 1 x 1 for each of the places (0,0), (0,1), (1,0), (1,1) of a 2 x 2 block.
    let upsampling: Convolution
    let predictor: Convolution
    let classes: Int

    init(_ loader: TensorLoader, channels: Int, classes: Int) throws(ULDorError) {
        self.classes = classes
        var convolutions: [Convolution] = []
        var channels = channels
        let prefix = "roi_heads.mask_head."
        repeat {
            let index = convolutions.count
            let layer = try loader.convolution(
                ["\(prefix)\(index).0", "\(prefix)mask_fcn\(index + 1)"], channels: channels, kernel: 3)
            convolutions.append(layer)
            channels = layer.outChannels
        } while convolutions.count < 16
            && (loader.containsAny(below: "\(prefix)\(convolutions.count).")
                || loader.containsAny(below: "\(prefix)mask_fcn\(convolutions.count + 1)."))
        self.convolutions = convolutions

        upsampling = try loader.transposed("roi_heads.mask_predictor.conv5_mask", channels: channels)
        predictor = try loader.predictor(
            [("roi_heads.mask_predictor.mask_fcn_logits", classes)], channels: upsampling.outChannels, rank: 4)
    }

    var memoryBytes: Int { (convolutions + [upsampling]).reduce(predictor.memoryBytes) { $0 + $1.memoryBytes } }

    var size: Int { Self.pooled * 2 }

    /// `features` is regions x 14 x 14 x channels; `output` regions x 28 x 28 x K logits. `room`, a map of the same size, is where the second
    /// convolution's output goes: by default over `features`, which the first has read.
    func forward(
        _ features: FeatureMap, room: FeatureMap? = nil, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let hidden = try convolve(features, room ?? features, execution)
            var first = 0
            repeat {
                // While measuring the first batch is as large as any.
                let count = Swift.min(Self.upsampledBatch, hidden.batch - first)
                try execution.scratch { () throws(ULDorError) in
                    let up = try execution.hiddenMap(count, size, size, upsampling.outChannels)
                    try upsampling.forwardTransposed(hidden.images(first, count), into: up, relu: true, execution)
                    try predictor.forward(up, into: output.images(first, count), relu: false, execution)
                }
                first += count
            } while first < hidden.batch && !execution.isMeasuring
        }
    }

    /// Forward and backward at once: `loss` gets the logits of some regions and the index of the first, and overwrites them with their
    /// gradient. The features become their own gradient.
    func learn(
        _ features: FeatureMap, _ execution: Execution, loss: (FeatureMap, Int) -> Void
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            var hidden = [features]
            for (index, convolution) in convolutions.enumerated() {
                hidden.append(try convolution.forward(hidden[index], relu: true, execution))
            }
            let last = hidden[convolutions.count]
            var above = try execution.map(like: last), first = 0
            repeat {
                // While measuring the first batch is as large as any.
                let count = Swift.min(Self.upsampledBatch, last.batch - first)
                try learnUpsampled(last.images(first, count), into: above.images(first, count), execution) { loss($0, first) }
                first += count
            } while first < last.batch && !execution.isMeasuring
            for index in convolutions.indices.reversed() {
                try execution.maskGradient(above, by: hidden[index + 1])
                // What lies above has been read for the last time.
                let isAsLarge = hidden[index + 1].channels == hidden[index].channels
                let below = index == 0 ? features : isAsLarge ? hidden[index + 1] : try execution.map(like: hidden[index])
                try convolutions[index].backward(hidden[index], above, into: below, execution)
                above = below
            }
        }
    }

    /// The part at 28 x 28, which is four times as large.
    private func learnUpsampled(
        _ hidden: FeatureMap, into inputGradient: FeatureMap, _ execution: Execution, loss: (FeatureMap) -> Void
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let gradient = try execution.map(hidden.batch, size, size, upsampling.outChannels)
            // Given back before the gradient is packed, which takes as much.
            try execution.scratch { () throws(ULDorError) in
                let up = try execution.map(like: gradient)
                try upsampling.forwardTransposed(hidden, into: up, relu: true, execution)
                let logits = try predictor.forward(up, relu: false, execution)
                if !execution.isMeasuring { loss(logits) }
                try predictor.backward(up, logits, into: gradient, execution)
                try execution.maskGradient(gradient, by: up)
            }
            try upsampling.backwardTransposed(hidden, gradient, into: inputGradient, execution)
        }
    }

    /// The 3 x 3 convolutions, back and forth between `room`, from the second on, and one other map where the channels stay as many.
    private func convolve(_ features: FeatureMap, _ room: FeatureMap, _ execution: Execution) throws(ULDorError) -> FeatureMap {
        var from = features, spare: FeatureMap?
        for (index, convolution) in convolutions.enumerated() {
            let to: FeatureMap
            if let spare, spare.channels == convolution.outChannels {
                to = spare
            } else {
                to = try execution.hiddenMap(from.batch, from.height, from.width, convolution.outChannels)
            }
            try convolution.forward(from, into: to, relu: true, execution)
            (from, spare) = (to, index == 0 ? room : from)
        }
        return from
    }
}

extension TensorLoader {
    /// A 2 x 2 transposed convolution of stride 2.
    fileprivate func transposed(_ name: String, channels: Int) throws(ULDorError) -> Convolution {
        let shape: [Int?] = [channels, nil, 2, 2]
        let out = try find(["\(name).weight"], shape: shape).record.dim(1)
        try check(name, out, channels)
        if let store {
            return Convolution(
                channels: channels, outChannels: out, kernel: 1, places: 4,
                learned: LearnedWeights(
                    store, weights: try keep(["\(name).weight"], shape: shape, in: store),
                    bias: try keep(["\(name).bias"], shape: [out], in: store), isTransposed: true))
        }
        let weights = try load(["\(name).weight"], shape: shape), bias = try load(["\(name).bias"], shape: [out])
        let layer = try Convolution(channels: channels, outChannels: out, kernel: 1, places: 4, slab: slab)
        let part = try Buffer<Float>(count: channels * out, allocator: allocator)
        for place in 0..<layer.places {
            TransposedWeights.take(place, of: weights.base, channels: channels, outChannels: out, into: part.base)
            layer.pack(
                part.base, scale: nil, bias: bias.base, first: layer.firstRow(ofPlace: place), count: out, execution: execution)
        }
        return layer
    }
}
