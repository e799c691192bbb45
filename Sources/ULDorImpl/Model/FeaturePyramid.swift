import ULDorKernels

/// Something for each of P2..P6, finest first: the features themselves, or what a head made of them.
struct Pyramid: BitwiseCopyable {
    var p2, p3, p4, p5, p6: FeatureMap

    subscript(level: Int) -> FeatureMap {
        switch level {
        case 0: p2
        case 1: p3
        case 2: p4
        case 3: p5
        default: p6
        }
    }

    static let levels = 5

    func map(_ transform: (FeatureMap) throws(ULDorError) -> FeatureMap) throws(ULDorError) -> Pyramid {
        Pyramid(p2: try transform(p2), p3: try transform(p3), p4: try transform(p4), p5: try transform(p5), p6: try transform(p6))
    }
}

/// Feature pyramid network (Lin et al. 2017), torchvision's FeaturePyramidNetwork with LastLevelMaxPool.
final class FeaturePyramid {
    /// 1 x 1, from C2..C5.
    let inner: [Convolution]
    /// 3 x 3, to P2..P5.
    let outer: [Convolution]

    init(_ loader: TensorLoader, backbone: Backbone) throws(ULDorError) {
        let prefix = "backbone.fpn."
        var inner: [Convolution] = [], outer: [Convolution] = []
        for level in 0..<4 {
            inner.append(
                try loader.convolution(
                    ["\(prefix)inner_blocks.\(level).0", "\(prefix)inner_blocks.\(level)"],
                    channels: backbone.channels(of: level), outChannels: inner.first?.outChannels, kernel: 1))
            outer.append(
                try loader.convolution(
                    ["\(prefix)layer_blocks.\(level).0", "\(prefix)layer_blocks.\(level)"],
                    channels: inner[0].outChannels, outChannels: outer.first?.outChannels, kernel: 3))
        }
        self.inner = inner
        self.outer = outer
    }

    var channels: Int { outer[0].outChannels }
    var memoryBytes: Int { (inner + outer).reduce(0) { $0 + $1.memoryBytes } }

    /// New maps for the pyramid of a padded input of this size.
    func output(height: Int, width: Int, _ execution: Execution) throws(ULDorError) -> Pyramid {
        func level(_ shift: Int) throws(ULDorError) -> FeatureMap {
            try execution.map(1, height >> shift, width >> shift, channels)
        }
        // LastLevelMaxPool: kernel 1, stride 2.
        let p6 = try execution.map(1, ((height >> 5) + 1) / 2, ((width >> 5) + 1) / 2, channels)
        return Pyramid(p2: try level(2), p3: try level(3), p4: try level(4), p5: try level(5), p6: p6)
    }

    func forward(
        _ features: BackboneFeatures, into pyramid: Pyramid, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            var above: FeatureMap?
            for level in (0..<4).reversed() {
                let size = features[level]
                let merged = try execution.hiddenMap(1, size.height, size.width, inner[level].outChannels)
                try merge(features, level, above, into: merged, execution)
                try outer[level].forward(merged, into: pyramid[level], relu: false, execution)
                above = merged
            }
            subsample(pyramid.p5, into: pyramid.p6, execution)
        }
    }

    /// What a 3 x 3 convolution reads: a lateral connection plus the nearest-neighbour upsampled level above, in one pass.
    private func merge(
        _ features: BackboneFeatures, _ level: Int, _ above: FeatureMap?, into merged: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        try inner[level].forward(features[level], into: merged, residual: above, relu: false, execution)
    }

    /// `gradient` is that of P2..P6; it and `pyramid` are overwritten. That of C2..C5 is written to `inputGradient`, from stage
    /// `first` on, which may lie in the memory of P2's gradient: that is read first.
    ///
    /// The merged maps are computed again, for a hundredth of a step: the heads need the memory meanwhile. The pyramid itself is not
    /// read any more, and is where they and their gradients are written.
    func backward(
        _ features: BackboneFeatures, pyramid: Pyramid, _ gradient: Pyramid, into inputGradient: BackboneFeatures, first: Int,
        _ execution: Execution
    ) throws(ULDorError) {
        for level in (0..<4).reversed() {
            try merge(features, level, level < 3 ? pyramid[level + 1] : nil, into: pyramid[level], execution)
        }
        addSubsampled(gradient.p6, to: gradient.p5, execution)
        var finer: FeatureMap?
        for level in 0..<4 {
            let here = pyramid[level]
            try outer[level].backward(here, gradient[level], into: here, execution)
            if let finer {
                var fine = finer.map, coarse = here.map
                try execution.run { uk_upsample_gradient($0, &fine, &coarse, 1, Int32(here.channels)) }
            }
            try inner[level].backward(features[level], here, into: level >= first ? inputGradient[level] : nil, execution)
            finer = here
        }
    }

    private func addSubsampled(_ from: FeatureMap, to: FeatureMap, _ execution: Execution) {
        guard !execution.isMeasuring else { return }
        for y in 0..<from.height {
            for x in 0..<from.width {
                let source = from.data + (y * from.width + x) * from.channels
                let target = to.data + (y * 2 * to.width + x * 2) * to.channels
                for channel in 0..<from.channels { target[channel] += source[channel] }
            }
        }
    }

    private func subsample(_ from: FeatureMap, into to: FeatureMap, _ execution: Execution) {
        guard !execution.isMeasuring else { return }
        for y in 0..<to.height {
            for x in 0..<to.width {
                let source = from.data + (y * 2 * from.width + x * 2) * from.channels
                (to.data + (y * to.width + x) * to.channels).update(from: source, count: to.channels)
            }
        }
    }
}
