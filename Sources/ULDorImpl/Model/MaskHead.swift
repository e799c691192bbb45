/// torchvision's MaskRCNNHeads and MaskRCNNPredictor: 3 x 3 convolutions at 14 x 14, a 2 x 2 transposed convolution of
/// stride 2, and a 1 x 1 convolution to K logits at 28 x 28.
final class MaskHead {
    static let pooled = 14
    /// Regions that go through the head together: bounds its memory, most of which is at 28 x 28.
    static let batch = 16

    let convolutions: [Convolution]
    /// The transposed convolution as four 1 x 1, one for each of the places (0,0), (0,1), (1,0), (1,1) of a 2 x 2 block.
    let upsampling: [Convolution]
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

        let name = "roi_heads.mask_predictor.conv5_mask"
        let weights = try loader.load(["\(name).weight"], shape: [channels, nil, 2, 2])
        let out = weights.count / (channels * 4)
        try loader.check(name, out, channels)
        let bias = try loader.load(["\(name).bias"], shape: [out])
        let part = try Buffer<Float>(count: channels * out, allocator: loader.allocator)
        var upsampling: [Convolution] = []
        for place in 0..<4 {
            // torch.nn.ConvTranspose2d stores in x out x kernel x kernel.
            for o in 0..<out {
                for c in 0..<channels { part.base[o * channels + c] = weights.base[(c * out + o) * 4 + place] }
            }
            let layer = try Convolution(channels: channels, outChannels: out, kernel: 1, allocator: loader.allocator)
            layer.pack(part.base, scale: nil, bias: bias.base, first: 0, count: out, execution: loader.execution)
            upsampling.append(layer)
        }
        self.upsampling = upsampling
        predictor = try loader.predictor([("roi_heads.mask_predictor.mask_fcn_logits", classes)], channels: out, rank: 4)
    }

    var memoryBytes: Int { (convolutions + upsampling).reduce(predictor.memoryBytes) { $0 + $1.memoryBytes } }

    var size: Int { Self.pooled * 2 }

    /// `features` is regions x 14 x 14 x channels, `output` regions x 28 x 28 x K logits.
    func forward(
        _ features: FeatureMap, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            var hidden = features
            for convolution in convolutions { hidden = try convolution.forward(hidden, relu: true, execution) }
            let up = try execution.map(hidden.batch, size, size, upsampling[0].outChannels)
            for (place, layer) in upsampling.enumerated() {
                // Every second pixel of every second row, from the place's corner on.
                var target = up.map
                target.data += (place / 2 * up.width + place % 2) * up.channels
                target.row_stride *= 2
                target.pixel_stride *= 2
                target.height = Int32(hidden.height)
                target.width = Int32(hidden.width)
                try layer.forward(hidden, into: target, relu: true, execution)
            }
            try predictor.forward(up, into: output, relu: false, execution)
        }
    }
}
