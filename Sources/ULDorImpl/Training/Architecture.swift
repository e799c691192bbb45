/// A network by name: the tensors that torchvision's MaskRCNN on such a ResNet has, and how each begins.
struct Architecture {
    struct Tensor {
        let name: String
        let dims: [Int]
        let start: RandomWeights
    }

    private struct Family {
        let name: StaticString
        let blocks: [Int]
        let isBottleneck: Bool
        let stem, pyramid, box, mask: Int
    }

    /// `narrow` is the demo's network (tools/demo_model.py).
    private static let families = [
        Family(name: "resnet18", blocks: [2, 2, 2, 2], isBottleneck: false, stem: 64, pyramid: 256, box: 1024, mask: 256),
        Family(name: "resnet34", blocks: [3, 4, 6, 3], isBottleneck: false, stem: 64, pyramid: 256, box: 1024, mask: 256),
        Family(name: "resnet50", blocks: [3, 4, 6, 3], isBottleneck: true, stem: 64, pyramid: 256, box: 1024, mask: 256),
        Family(name: "resnet101", blocks: [3, 4, 23, 3], isBottleneck: true, stem: 64, pyramid: 256, box: 1024, mask: 256),
        Family(name: "resnet152", blocks: [3, 8, 36, 3], isBottleneck: true, stem: 64, pyramid: 256, box: 1024, mask: 256),
        Family(name: "narrow", blocks: [2, 2, 2, 2], isBottleneck: false, stem: 16, pyramid: 64, box: 128, mask: 64),
    ]

    private let family: Family
    private var stem, pyramid, box, mask: Int

    /// "resnet18", or with widths "resnet18:stem=16,fpn=64,fc=128,mask=64".
    init(_ text: String) throws(ULDorError) {
        func bad(_ what: String) -> ULDorError { .invalidArgument("architecture '\(text.prefix(80))': \(what)") }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let family = Self.families.first(where: { "\($0.name)" == parts[0] }) else {
            throw bad("not one of \(Self.families.map { "\($0.name)" }.joined(separator: ", "))")
        }
        self.family = family
        (stem, pyramid, box, mask) = (family.stem, family.pyramid, family.box, family.mask)
        guard parts.count > 1 else { return }
        for entry in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let sides = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, let width = Int(sides[1]), (1...2048).contains(width) else {
                throw bad("'\(entry)' is not a width such as fpn=64, within 1...2048")
            }
            switch sides[0] {
            case "stem": stem = width
            case "fpn": pyramid = width
            case "fc": box = width
            case "mask": mask = width
            default: throw bad("'\(sides[0])' is not one of stem, fpn, fc, mask")
            }
        }
        guard stem <= 512 else { throw bad("a stem of more than 512 channels") }
    }

    /// `slices`: the input's channels; `anchors`: per location.
    func tensors(slices: Int, anchors: Int, classes: Int) -> [Tensor] {
        var list = TensorList()
        backbone(&list, slices)
        pyramidAndHeads(&list, anchors, classes)
        return list.tensors
    }

    private func backbone(_ list: inout TensorList, _ slices: Int) {
        list.normed("backbone.body.conv1", "backbone.body.bn1", [stem, slices, 7, 7])
        var channels = stem
        for stage in 0..<4 {
            let width = stem << stage, out = width * (family.isBottleneck ? 4 : 1)
            for block in 0..<family.blocks[stage] {
                let prefix = "backbone.body.layer\(stage + 1).\(block)."
                if family.isBottleneck {
                    list.normed("\(prefix)conv1", "\(prefix)bn1", [width, channels, 1, 1])
                    list.normed("\(prefix)conv2", "\(prefix)bn2", [width, width, 3, 3])
                    list.normed("\(prefix)conv3", "\(prefix)bn3", [out, width, 1, 1])
                } else {
                    list.normed("\(prefix)conv1", "\(prefix)bn1", [width, channels, 3, 3])
                    list.normed("\(prefix)conv2", "\(prefix)bn2", [out, width, 3, 3])
                }
                if block == 0, stage > 0 || channels != out {
                    list.normed("\(prefix)downsample.0", "\(prefix)downsample.1", [out, channels, 1, 1])
                }
                channels = out
            }
        }
    }

    private func pyramidAndHeads(_ list: inout TensorList, _ anchors: Int, _ classes: Int) {
        for level in 0..<4 {
            let channels = (stem << level) * (family.isBottleneck ? 4 : 1)
            list.biased(
                "backbone.fpn.inner_blocks.\(level).0", [pyramid, channels, 1, 1], .kaimingUniform(fanIn: channels), .constant(0))
            list.biased(
                "backbone.fpn.layer_blocks.\(level).0", [pyramid, pyramid, 3, 3], .kaimingUniform(fanIn: pyramid * 9),
                .constant(0))
        }
        list.biased("rpn.head.conv.0.0", [pyramid, pyramid, 3, 3], .normal(std: 0.01), .constant(0))
        list.biased("rpn.head.cls_logits", [anchors, pyramid, 1, 1], .normal(std: 0.01), .constant(0))
        list.biased("rpn.head.bbox_pred", [anchors * 4, pyramid, 1, 1], .normal(std: 0.01), .constant(0))

        let cells = BoxHead.pooled * BoxHead.pooled
        list.linear("roi_heads.box_head.fc6", [box, pyramid * cells])
        list.linear("roi_heads.box_head.fc7", [box, box])
        list.linear("roi_heads.box_predictor.cls_score", [classes, box])
        list.linear("roi_heads.box_predictor.bbox_pred", [classes * 4, box])

        for layer in 0..<4 {
            list.biased(
                "roi_heads.mask_head.\(layer).0", [mask, layer == 0 ? pyramid : mask, 3, 3], .kaimingNormal(fanOut: mask * 9),
                .constant(0))
        }
        // A transposed convolution is stored in x out x 2 x 2: torch takes its fans the other way round.
        list.biased(
            "roi_heads.mask_predictor.conv5_mask", [mask, mask, 2, 2], .kaimingNormal(fanOut: mask * 4),
            .standard(fanIn: mask * 4))
        // As Detectron2 begins: by torchvision's rule the spread depends on the number of classes, is 1 for two of them, and
        // the mask loss begins at 10 to 40, where the first steps go astray.
        list.biased(
            "roi_heads.mask_predictor.mask_fcn_logits", [classes, mask, 1, 1], .normal(std: 0.001), .constant(0))
    }
}

private struct TensorList {
    var tensors: [Architecture.Tensor] = []

    mutating func add(_ name: String, _ dims: [Int], _ start: RandomWeights) {
        tensors.append(Architecture.Tensor(name: name, dims: dims, start: start))
    }

    /// torchvision's ResNet: a convolution without bias, and its batch norm.
    mutating func normed(_ name: String, _ norm: String, _ dims: [Int]) {
        add("\(name).weight", dims, .kaimingNormal(fanOut: dims[0] * dims[2] * dims[3]))
        add("\(norm).weight", [dims[0]], .constant(1))
        add("\(norm).bias", [dims[0]], .constant(0))
        add("\(norm).running_mean", [dims[0]], .constant(0))
        add("\(norm).running_var", [dims[0]], .constant(1))
    }

    mutating func biased(_ name: String, _ dims: [Int], _ weight: RandomWeights, _ bias: RandomWeights) {
        add("\(name).weight", dims, weight)
        add("\(name).bias", [name.hasSuffix("conv5_mask") ? dims[1] : dims[0]], bias)
    }

    mutating func linear(_ name: String, _ dims: [Int]) {
        biased(name, dims, .standard(fanIn: dims[1]), .standard(fanIn: dims[1]))
    }
}
