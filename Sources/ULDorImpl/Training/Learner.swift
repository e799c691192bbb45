import ULDorKernels

/// A detector that learns: the model of inference with its weights in a ``ParameterStore``, the backward pass through it, and
/// torchvision's losses (GeneralizedRCNN in training mode).
///
/// Images of a batch are looked at one after another, each in its own size, and only one at a time is held in memory: what
/// torchvision pads to the largest, and keeps together. All but the last are therefore looked at twice, because the losses' normalisers
/// are those of the whole batch. One call at a time.
final class Learner {
    let model: Model
    let parameters: ParameterStore
    let execution: Execution
    private let options: LearnerOptions
    private let detector: Detector
    private let selection: SampleSelection
    private let targets: MaskTargets
    /// Regions that go through a head together: what lies between its layers is large.
    private static let boxBatch = 128, maskBatch = 16

    /// The forward pass is gentle: the rounding of Winograd's F(4 x 4, 3 x 3), harmless in itself, decides which units a ReLU cuts off,
    /// and each of these is a step in the gradient of all that lies before it (docs/accuracy.md). The backward pass has no such steps.
    init(
        _ file: Safetensors, config: UnsafeBufferPointer<UInt8>?, options: LearnerOptions, allocator: Allocator
    ) throws(ULDorError) {
        let (threads, _) = usableThreads(options.threads)
        guard let table = uk_table_for(options.instructions) else {
            throw ULDorError(.unsupported, "options.instructions is \(options.instructions), which this CPU lacks")
        }
        parameters = try ParameterStore(
            file, trainableLayers: options.trainableLayers, keepsSquares: options.keepsSquares, allocator: allocator)
        model = try Model(TensorLoader(file, threads: threads, store: parameters), config)
        execution = Execution(
            allocator: allocator, table: table, threads: threads, isExact: options.isExact, isGentle: true,
            memoryLimit: options.memoryLimit,
            progress: nil)
        self.options = options
        var session = SessionOptions()
        session.proposals = options.proposals
        detector = Detector(model, session)
        selection = SampleSelection(model, options)
        targets = MaskTargets(size: model.mask.size)
    }

    /// Held for weights, gradients, momentum and scratch memory.
    var memoryBytes: Int { parameters.bytes + execution.arena.capacity }

    /// What is drawn for a batch.
    struct Draw {
        var seed: UInt64 = 0
        var epoch = 0
    }

    // MARK: Learning

    /// Adds the gradients of the batch's mean losses to those of the parameters. `normalise` is called once, before the backward
    /// pass, with the batch's normalisers: to add those of other machines.
    func addGradients(
        _ examples: [Example], _ draw: Draw, injected: [InjectedSamples]? = nil,
        normalise: ((inout Normalisers) throws(ULDorError) -> Void)? = nil
    ) throws(ULDorError) -> Losses {
        let execution = execution
        var losses = Losses()
        guard let last = examples.indices.last else { return losses }
        try execution.pass { () throws(ULDorError) in
            losses = Losses()
            var samples: [ImageSamples] = []
            for index in examples.indices {
                samples.append(try selection.room(execution))
                guard index != last else { break }
                try execution.scratch { () throws(ULDorError) in
                    let pyramid = try glance(examples[index])
                    try select(pyramid, examples[index], draw, injected?[index], into: &samples[index])
                }
            }
            var normalisers = Normalisers()
            for index in examples.indices.reversed() {
                try execution.scratch { () throws(ULDorError) in
                    let seen = try look(examples[index])
                    if index == last {
                        try select(seen.pyramid, examples[index], draw, injected?[index], into: &samples[index])
                        normalisers = try total(samples, normalise)
                    }
                    let own = try learn(seen, examples[index], samples[index], normalisers)
                    losses = losses + own
                }
            }
        }
        return losses
    }

    /// The losses of one image, without gradients: a validation image. Its samples are the same in every epoch.
    func losses(_ example: Example, seed: UInt64) throws(ULDorError) -> Losses {
        let execution = execution
        var losses = Losses()
        try execution.pass { () throws(ULDorError) in
            losses = Losses()
            var samples = try selection.room(execution)
            let pyramid = try glance(example)
            try execution.scratch { () throws(ULDorError) in
                try select(pyramid, example, Draw(seed: seed, epoch: 0), nil, into: &samples)
            }
            let normalisers = try total([samples], nil)
            losses = losses + (try learnProposals(pyramid, samples, normalisers, into: nil))
            try eachBatch(samples.regionCount, Self.boxBatch) { (first, count) throws(ULDorError) in
                let features = try detector.boxPooler.forward(pyramid, samples.boxes + first, count: count, execution)
                let output = try model.box.output(regions: count, execution)
                try model.box.forward(features, into: output, execution)
                guard !execution.isMeasuring else { return }
                losses =
                    losses
                    + LossTerms.regions(
                        output, samples, first: first, classes: model.box.classes, normalisers, isValidation: true)
            }
            try eachBatch(samples.maskCount, Self.maskBatch) { (first, count) throws(ULDorError) in
                let features = try detector.maskPooler.forward(pyramid, samples.boxes + first, count: count, execution)
                let logits = try execution.map(count, targets.size, targets.size, model.mask.classes)
                try model.mask.forward(features, into: logits, execution)
                let wanted = try wantedMasks(example, samples, first: first, count: count)
                guard !execution.isMeasuring else { return }
                losses = losses + LossTerms.masks(logits, samples, first: first, targets: wanted, normalisers)
            }
        }
        return losses
    }

    // MARK: One image

    /// What the backward pass of one image reads.
    private struct Seen {
        var backbone: Backbone.Trace
        var pyramid: Pyramid
    }

    func input(_ example: Example) throws(ULDorError) -> FeatureMap {
        guard example.channels == model.config.input.slices else {
            throw ULDorError(.image, "an example has \(example.channels) channels, the model \(model.config.input.slices)")
        }
        return FeatureMap(
            data: example.input.base, batch: 1, height: example.size.paddedHeight, width: example.size.paddedWidth,
            channels: example.channels)
    }

    private func look(_ example: Example) throws(ULDorError) -> Seen {
        let map = try input(example)
        let backbone = try model.backbone.trace(map, execution)
        let pyramid = try model.pyramid.output(height: map.height, width: map.width, execution)
        try model.pyramid.forward(backbone.features, into: pyramid, execution)
        return Seen(backbone: backbone, pyramid: pyramid)
    }

    /// The same without keeping what a backward pass would read.
    private func glance(_ example: Example) throws(ULDorError) -> Pyramid {
        try detector.features(try input(example), execution)
    }

    /// The RPN head over whole maps is for its proposals alone, so its rounding does no harm; its losses are computed at the samples.
    private func select(
        _ pyramid: Pyramid, _ example: Example, _ draw: Draw, _ injected: InjectedSamples?, into samples: inout ImageSamples
    ) throws(ULDorError) {
        func random(_ purpose: SeededRandom.Purpose) -> SeededRandom {
            SeededRandom(seed: draw.seed, epoch: draw.epoch, image: example.index, purpose: purpose)
        }
        var chosen = samples
        let execution = execution
        try execution.scratch { () throws(ULDorError) in
            try selection.selectAnchors(
                pyramid, example, random: random(.anchors), injected: injected, into: &chosen, execution)
        }
        try execution.scratch { () throws(ULDorError) in
            let heads = try execution.freely { () throws(ULDorError) in try detector.heads(pyramid, execution) }
            let regions = try detector.proposals.filter(heads, size: example.size, execution)
            try selection.selectRegions(
                regions, example, random: random(.regions), injected: injected, usesMasks: options.usesMasks, into: &chosen,
                execution)
        }
        samples = chosen
    }

    private func total(
        _ samples: [ImageSamples], _ normalise: ((inout Normalisers) throws(ULDorError) -> Void)?
    ) throws(ULDorError) -> Normalisers {
        var total = Normalisers()
        for image in samples {
            total.anchors += Double(image.anchorCount)
            total.regions += Double(image.regionCount)
            total.masks += Double(image.maskCount)
        }
        if !execution.isMeasuring, let normalise { try normalise(&total) }
        return total
    }

    private func learn(
        _ seen: Seen, _ example: Example, _ samples: ImageSamples, _ normalisers: Normalisers
    ) throws(ULDorError) -> Losses {
        let execution = execution, pyramid = seen.pyramid
        var losses = Losses()
        let gradient = try pyramid.map { (features) throws(ULDorError) in try execution.map(like: features) }
        for level in 0..<Pyramid.levels { execution.zero(gradient[level]) }
        losses = losses + (try learnProposals(pyramid, samples, normalisers, into: gradient))
        try eachBatch(samples.regionCount, Self.boxBatch) { (first, count) throws(ULDorError) in
            let boxes = samples.boxes + first
            let features = try detector.boxPooler.forward(pyramid, boxes, count: count, execution)
            try model.box.learn(features, execution) {
                losses = losses + LossTerms.regions($0, samples, first: first, classes: model.box.classes, normalisers)
            }
            try detector.boxPooler.backward(features, boxes, count: count, to: gradient, execution)
        }
        losses = losses + (try learnMasks(pyramid, example, samples, normalisers, into: gradient))
        try learnBackbone(seen, gradient)
        return losses
    }

    /// Without `gradient` the losses alone.
    private func learnProposals(
        _ pyramid: Pyramid, _ samples: ImageSamples, _ normalisers: Normalisers, into gradient: Pyramid?
    ) throws(ULDorError) -> Losses {
        var losses = Losses()
        guard samples.placeCount > 0 else { return losses }
        try model.rpn.learn(pyramid, samples.places, count: samples.placeCount, to: gradient, execution) {
            losses = LossTerms.proposals($0, samples, model.rpn.anchors, normalisers, into: $1)
        }
        return losses
    }

    private func learnMasks(
        _ pyramid: Pyramid, _ example: Example, _ samples: ImageSamples, _ normalisers: Normalisers, into gradient: Pyramid
    ) throws(ULDorError) -> Losses {
        let execution = execution
        var losses = Losses()
        try eachBatch(samples.maskCount, Self.maskBatch) { (first, count) throws(ULDorError) in
            let boxes = samples.boxes + first
            let wanted = try wantedMasks(example, samples, first: first, count: count)
            let features = try detector.maskPooler.forward(pyramid, boxes, count: count, execution)
            let cells = targets.size * targets.size
            try model.mask.learn(features, execution) { logits, offset in
                losses =
                    losses
                    + LossTerms.masks(
                        logits, samples, first: first + offset, targets: wanted + offset * cells, normalisers)
            }
            try detector.maskPooler.backward(features, boxes, count: count, to: gradient, execution)
        }
        return losses
    }

    private func learnBackbone(_ seen: Seen, _ gradient: Pyramid) throws(ULDorError) {
        let first = model.backbone.firstTrained, features = seen.backbone.features
        // P2's gradient has been read before any of theirs is written.
        var reused = FeatureMap.ReusedMemory(of: gradient.p2)
        func below(_ stage: Int) throws(ULDorError) -> FeatureMap {
            guard stage >= first else { return features[stage] }
            if let map = reused.map(like: features[stage]) { return map }
            return try execution.map(like: features[stage])
        }
        let gradients = BackboneFeatures(c2: try below(0), c3: try below(1), c4: try below(2), c5: try below(3))
        try model.pyramid.backward(features, pyramid: seen.pyramid, gradient, into: gradients, first: first, execution)
        try model.backbone.backward(seen.backbone, gradients, execution)
    }

    // MARK: Regions

    /// Some of `total` at a time.
    private func eachBatch(
        _ total: Int, _ most: Int, _ body: (_ first: Int, _ count: Int) throws(ULDorError) -> Void
    ) throws(ULDorError) {
        var first = 0
        while first < total {
            let count = Swift.min(most, total - first)
            try execution.scratch { () throws(ULDorError) in try body(first, count) }
            first += count
            // While measuring the first batch is as large as any.
            if execution.isMeasuring { break }
        }
    }

    private func wantedMasks(
        _ example: Example, _ samples: ImageSamples, first: Int, count: Int
    ) throws(ULDorError) -> UnsafeMutablePointer<Float> {
        let cells = targets.size * targets.size
        let wanted: UnsafeMutablePointer<Float> = try execution.take(count: count * cells)
        guard !execution.isMeasuring else { return wanted }
        for index in 0..<count {
            let lesion = example.lesions.elements[Int(samples.regions[first + index].lesion)]
            targets.project(lesion, of: example, on: samples.boxes[first + index], into: wanted + index * cells)
        }
        return wanted
    }
}
