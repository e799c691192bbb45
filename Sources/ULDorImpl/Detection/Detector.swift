/// What the network found in one input; memory is the arena's, valid until its next pass.
struct NetworkOutput: BitwiseCopyable {
    var detections: UnsafeMutablePointer<BoxDetection>
    var count: Int
    /// `count` x maskSize x maskSize.
    var masks: UnsafeMutablePointer<Float>
}

/// The whole of Mask R-CNN inference (He et al. 2017; torchvision's GeneralizedRCNN.forward after the transform).
struct Detector {
    let model: Model
    let proposals: ProposalFilter
    let detections: DetectionFilter
    let boxPooler, maskPooler: RegionPooler
    private let keepsFalsePositives: Bool

    init(_ model: Model, _ options: SessionOptions) {
        self.model = model
        proposals = ProposalFilter(model, limit: options.proposals)
        detections = DetectionFilter(model, options)
        keepsFalsePositives = options.keepsFalsePositives
        boxPooler = RegionPooler(model.config, pooled: BoxHead.pooled)
        maskPooler = RegionPooler(model.config, pooled: MaskHead.pooled)
    }

    /// `input` is 1 x padded height x padded width x channels. Stages are reported with the part of the time that a
    /// ResNet-101 with 100 detections at 512 x 512 has spent when they begin.
    func forward(_ input: FeatureMap, size: InputSize, _ execution: Execution) throws(ULDorError) -> NetworkOutput {
        try execution.report(0, "backbone")
        let pyramid = try features(input, execution)
        try execution.report(0.45, "proposals head")
        let regions = try propose(pyramid, size, execution)
        let (found, count) = try detect(pyramid, regions, size, execution)
        let masks =
            count == 0
            ? try execution.take(Float.self, count: 0)
            : try model.mask.probabilities(pyramid, maskPooler, found, count: count, execution)
        try execution.report(0.97, "outlines")
        return NetworkOutput(detections: found, count: count, masks: masks)
    }

    func features(_ input: FeatureMap, _ execution: Execution) throws(ULDorError) -> Pyramid {
        let pyramid = try model.pyramid.output(height: input.height, width: input.width, execution)
        try execution.scratch { () throws(ULDorError) in
            let c = try model.backbone.output(height: input.height, width: input.width, execution)
            try model.backbone.forward(stage: 0, input, into: c.c2, execution)
            try execution.report(0.08, "backbone")
            try model.backbone.forward(stage: 1, c.c2, into: c.c3, execution)
            try execution.report(0.14, "backbone")
            try model.backbone.forward(stage: 2, c.c3, into: c.c4, execution)
            try execution.report(0.34, "backbone")
            try model.backbone.forward(stage: 3, c.c4, into: c.c5, execution)
            try execution.report(0.38, "pyramid")
            try model.pyramid.forward(c, into: pyramid, execution)
        }
        return pyramid
    }

    private func propose(_ pyramid: Pyramid, _ size: InputSize, _ execution: Execution) throws(ULDorError) -> Regions {
        // The heads' outputs are below the result on the stack, so they stay until the pass ends; they are small.
        let heads = try heads(pyramid, execution)
        try execution.report(0.54, "proposals")
        return try proposals.filter(heads, size: size, execution)
    }

    /// The RPN head's output for each level.
    func heads(_ pyramid: Pyramid, _ execution: Execution) throws(ULDorError) -> Pyramid {
        try pyramid.map { (features) throws(ULDorError) in
            let output = try execution.map(1, features.height, features.width, model.rpn.predictor.outChannels)
            try model.rpn.forward(features, into: output, execution)
            return output
        }
    }

    private func detect(
        _ pyramid: Pyramid, _ regions: Regions, _ size: InputSize, _ execution: Execution
    ) throws(ULDorError) -> (UnsafeMutablePointer<BoxDetection>, Int) {
        guard regions.count > 0 else { return (try execution.take(count: 1), 0) }
        let head = try model.box.output(regions: regions.count, execution)
        try execution.report(0.55, "box features")
        try execution.scratch { () throws(ULDorError) in
            let pooled = try boxPooler.forward(pyramid, regions.boxes, count: regions.count, execution)
            try execution.report(0.56, "box head")
            try model.box.forward(pooled, into: head, execution)
        }
        try execution.report(0.65, "detections")
        let (found, count) = try detections.filter(head, regions.boxes, size: size, execution)
        guard !keepsFalsePositives, !execution.isMeasuring else { return (found, count) }
        // After the limit on their number: lesions are the same, kept or not.
        var kept = 0
        for index in 0..<count where found[index].classIndex == 1 {
            found[kept] = found[index]
            kept += 1
        }
        return (found, kept)
    }
}
