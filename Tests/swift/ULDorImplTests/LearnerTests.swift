import Testing

@testable import ULDorImpl

/// Noise with lesions of a class each; each has a mask that fills its box.
private func example(_ index: Int, height: Int, width: Int, lesions: [(Box, Int32)]) throws -> Example {
    let size = InputSize(
        height: height, width: width, paddedHeight: (height + 31) / 32 * 32, paddedWidth: (width + 31) / 32 * 32)
    let example = try Example(index: index, channels: 3, size: size, allocator: .system)
    var random = SeededGenerator(UInt64(index) + 1)
    for value in example.input.elements.indices { example.input.base[value] = Float(random.uniform(-60...60)) }
    for (box, classIndex) in lesions {
        let region = Example.MaskRegion(
            x: Int(box.x1), y: Int(box.y1), width: Int(box.x2) - Int(box.x1), height: Int(box.y2) - Int(box.y1))
        let mask = try example.append(Example.Lesion(box: box, classIndex: classIndex, region: region))
        mask?.update(repeating: 1, count: region.width * region.height)
    }
    return example
}

private let two = [
    (Box(x1: 20, y1: 24, x2: 60, y2: 70), Int32(1)), (Box(x1: 70, y1: 10, x2: 100, y2: 50), Int32(1)),
]

@Suite struct LearnerTests {
    /// The RPN's outputs and gradients at the sampled places alone are those of whole maps.
    @Test func sparseRPN() throws {
        let learner = try tinyLearner(), execution = learner.execution, head = learner.model.rpn
        let places = [
            PyramidPlace(level: 0, location: 0), PyramidPlace(level: 0, location: 27 * 3 + 26),
            PyramidPlace(level: 0, location: 1),
            PyramidPlace(level: 1, location: 5), PyramidPlace(level: 4, location: 0),
        ]
        var gradients: [[Float]] = []
        var features: [[Float]] = [], outputs: [[Float]] = []
        for isSparse in [true, false] {
            learner.parameters.gradients.update(repeating: 0)
            try execution.pass { () throws(ULDorError) in
                func map(_ shift: Int) throws(ULDorError) -> FeatureMap {
                    try execution.map(1, Swift.max(27 >> shift, 1), Swift.max(27 >> shift, 1), learner.model.pyramid.channels)
                }
                func pyramid() throws(ULDorError) -> Pyramid {
                    Pyramid(p2: try map(0), p3: try map(1), p4: try map(2), p5: try map(3), p6: try map(4))
                }
                let input = try pyramid(), output = try pyramid()
                let rows = try execution.map(places.count, 1, 1, head.predictor.outChannels)
                if !execution.isMeasuring {
                    var random = SeededGenerator(7)
                    func fill(_ map: FeatureMap) { for i in 0..<map.count { map.data[i] = Float(random.uniform(-1...1)) } }
                    for level in 0..<Pyramid.levels {
                        fill(input[level])
                        fill(output[level])
                    }
                    fill(rows)
                }
                func loss(_ found: FeatureMap, _ gradient: FeatureMap) {
                    outputs.append(Array(UnsafeBufferPointer(start: found.data, count: found.count)))
                    gradient.data.update(from: rows.data, count: rows.count)
                }
                if isSparse {
                    try head.learn(input, places, count: places.count, to: output, execution, loss: loss)
                } else {
                    try head.learnDensely(input, places, count: places.count, to: output, execution, loss: loss)
                }
                guard !execution.isMeasuring else { return }
                features.append(
                    (0..<Pyramid.levels).flatMap { Array(UnsafeBufferPointer(start: output[$0].data, count: output[$0].count)) })
            }
            gradients.append(Array(learner.parameters.gradients))
        }
        #expect(gradients[0].contains { $0 != 0 })
        for pair in [gradients, features, outputs] {
            let largest = pair[1].map(abs).max() ?? 0
            #expect(zip(pair[0], pair[1]).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
        }
    }

    /// A batch's losses and gradients are those of its images with the batch's normalisers.
    @Test func batchIsSumOfImages() throws {
        let learner = try tinyLearner()
        let images = [
            try example(0, height: 96, width: 128, lesions: two), try example(1, height: 70, width: 90, lesions: []),
            try example(2, height: 128, width: 96, lesions: [two[0]]),
        ]
        let draw = Learner.Draw(seed: 3, epoch: 2)
        var normalisers = Normalisers()
        let together = try learner.addGradients(images, draw) { normalisers = $0 }
        #expect(normalisers.anchors > 256 && normalisers.regions > 0 && normalisers.masks >= 3)
        let sum = Array(learner.parameters.gradients)
        learner.parameters.gradients.update(repeating: 0)
        var losses = Losses()
        for image in images.reversed() { losses = losses + (try learner.addGradients([image], draw) { $0 = normalisers }) }
        #expect(losses.total == together.total)
        #expect(Array(learner.parameters.gradients) == sum)
    }

    @Test func validationLosses() throws {
        let learner = try tinyLearner()
        let image = try example(0, height: 96, width: 128, lesions: two)
        let draw = Learner.Draw(seed: 3, epoch: 0)
        let training = try learner.addGradients([image], draw), validation = try learner.losses(image, seed: 3)
        #expect(abs(training.total - validation.total) <= 1e-5 * training.total)
        #expect(validation.mask > 0 && validation.rpnBox > 0 && validation.box > 0)
    }

    /// An image without lesions has no box and no mask loss, and is learnt from.
    @Test func withoutLesions() throws {
        let learner = try tinyLearner()
        let losses = try learner.addGradients([try example(0, height: 64, width: 64, lesions: [])], Learner.Draw())
        #expect(losses.rpnBox == 0 && losses.box == 0 && losses.mask == 0)
        #expect(losses.objectness > 0 && losses.classifier > 0)
        #expect(learner.parameters.gradients.allSatisfy { $0.isFinite })
    }

    @Test func cancelledStepLeavesParameters() throws {
        let learner = try tinyLearner()
        let before = Array(learner.parameters.values.elements)
        #expect(learner.execution.begin())
        learner.execution.cancel()
        #expect(throws: ULDorError.self) {
            _ = try learner.addGradients([try example(0, height: 64, width: 64, lesions: two)], Learner.Draw())
        }
        learner.execution.end()
        #expect(Array(learner.parameters.values.elements) == before)
    }

    /// Behind the calibrated norms activations have the mean and the spread that the norms' biases and weights say (from a random start 0
    /// and 1); measured again, the statistics are the same.
    @Test func calibration() throws {
        let learner = try tinyLearner()
        let images = try (0..<3).map { try example($0, height: 64 + 32 * $0, width: 96, lesions: []) }
        try learner.calibrateBatchNorm(images)
        let once = Array(learner.parameters.values.elements)
        try learner.calibrateBatchNorm(images)
        #expect(Array(learner.parameters.values.elements) == once)
        let backbone = learner.model.backbone, execution = learner.execution
        let stem = try #require(backbone.stem.learned?.norm)
        #expect(stem.scale.elements.allSatisfy { $0.isFinite && $0 != 1 })
        let block = backbone.stages[0][0].first
        var first = Moments(channels: backbone.stem.outChannels), second = Moments(channels: block.outChannels)
        try execution.pass { () throws(ULDorError) in
            for image in images {
                let input = try learner.input(image)
                first.add(try backbone.stem.forward(input, relu: false, execution), execution)
                let pooled = try execution.map(1, input.height / 4, input.width / 4, backbone.stem.outChannels)
                try backbone.pool(try backbone.stemFeatures(input, execution), into: pooled, execution)
                second.add(try block.forward(pooled, relu: false, execution), execution)
            }
        }
        for (moments, norm) in [(first, stem), (second, try #require(block.learned?.norm))] {
            let bias = learner.parameters.pointer(norm.bias), weight = learner.parameters.pointer(norm.weight)
            for channel in 0..<moments.channels {
                #expect(abs(moments.means[channel] - Double(bias[channel])) < 1e-4)
                // Less by the norm's epsilon.
                #expect(abs(moments.variances[channel].squareRoot() / abs(Double(weight[channel])) - 1) < 1e-2)
            }
        }
    }
}

/// Of all pixels of some maps, channel by channel.
private struct Moments {
    let channels: Int
    private var sums, squares: [Double]
    private var count = 0.0

    init(channels: Int) {
        self.channels = channels
        sums = [Double](repeating: 0, count: channels)
        squares = sums
    }

    /// Nothing while the pass is measured.
    mutating func add(_ map: FeatureMap, _ execution: Execution) {
        guard !execution.isMeasuring else { return }
        for index in 0..<map.count {
            let value = Double(map.data[index])
            sums[index % channels] += value
            squares[index % channels] += value * value
        }
        count += Double(map.pixels)
    }

    var means: [Double] { sums.map { $0 / count } }
    var variances: [Double] { zip(sums, squares).map { $1 / count - ($0 / count) * ($0 / count) } }
}

@Suite struct MatchingTests {
    private func match(_ matching: Matching, _ lesions: [Box], _ candidates: [Box]) -> [Int32] {
        var matches = [Int32](repeating: 99, count: candidates.count)
        matching.match(lesions, count: candidates.count, candidate: { candidates[$0] }, into: &matches)
        return matches
    }

    @Test func thresholds() {
        let lesion = Box(x1: 0, y1: 0, x2: 10, y2: 10)
        func wide(_ width: Float) -> Box { Box(x1: 0, y1: 0, x2: width, y2: 10) }
        // IoU 1, 0.7, 0.5, 0.3, 0.2, 0.
        let candidates = [lesion, wide(7), wide(5), wide(3), wide(2), Box(x1: 20, y1: 20, x2: 30, y2: 30)]
        #expect(match(.anchors, [lesion], candidates) == [0, 0, -2, -2, -1, -1])
        #expect(match(.regions, [lesion], candidates) == [0, 0, 0, -1, -1, -1])
        #expect(match(.anchors, [], candidates) == [Int32](repeating: -1, count: 6))
    }

    /// A lesion that no anchor overlaps enough gets all of those that overlap it most; they go to the lesion they overlap most.
    @Test func lowQuality() {
        let small = Box(x1: 0, y1: 0, x2: 4, y2: 4), far = Box(x1: 100, y1: 100, x2: 140, y2: 140)
        let candidates = [Box(x1: 0, y1: 0, x2: 16, y2: 16), Box(x1: -6, y1: -6, x2: 10, y2: 10), far]
        #expect(match(.anchors, [small, far], candidates) == [0, 0, 1])
    }

    @Test func sampler() {
        let labels: [Int32] = (0..<100).map { $0 < 10 ? 1 : $0 < 20 ? -1 : 0 }
        let sampler = BalancedSampler(count: 16, positiveFraction: 0.5)
        var chosen = [Int32](repeating: 0, count: 16), scratch = [Int32](repeating: 0, count: 100)
        var seen: Set<Int32> = []
        for epoch in 0..<200 {
            let random = SeededRandom(seed: 1, epoch: epoch, purpose: .anchors)
            let total = sampler.sample(labels, 100, random: random, into: &chosen, scratch: &scratch)
            #expect(total == 16)
            #expect(Set(chosen).count == 16)
            #expect(chosen[..<8].allSatisfy { labels[Int($0)] == 1 } && chosen[8...].allSatisfy { labels[Int($0)] == 0 })
            seen.formUnion(chosen)
        }
        // Every one that qualifies has its turn.
        #expect(seen.count == 90)
    }

    /// A mined false positive is learnt as class 2 where no lesion overlaps as much, and is no positive for the RPN.
    @Test func minedFalsePositives() throws {
        let model = try tinyLearner().model
        var options = LearnerOptions()
        options.regions = 64
        let selection = SampleSelection(model, options)
        let lesion = Box(x1: 10, y1: 10, x2: 50, y2: 50), mined = Box(x1: 60, y1: 60, x2: 90, y2: 90)
        let near = Box(x1: 12, y1: 12, x2: 52, y2: 52)
        let image = try example(0, height: 96, width: 96, lesions: [(lesion, 1), (mined, 2), (near, 2)])
        let learner = try tinyLearner(), execution = learner.execution
        try execution.pass { () throws(ULDorError) in
            var samples = try selection.room(execution)
            let regions = Regions(boxes: try execution.take(count: 1), scores: try execution.take(count: 1), count: 0)
            try selection.selectRegions(
                regions, image, random: SeededRandom(seed: 1, purpose: .regions), injected: nil, usesMasks: true, into: &samples,
                execution)
            guard !execution.isMeasuring else { return }
            let classes = (0..<samples.regionCount).map { samples.regions[$0].classIndex }
            // `near` overlaps the lesion by more than a half: the lesion wins.
            #expect(classes.sorted() == [1, 1, 2])
            #expect(samples.maskCount == 3)
        }
    }
}
