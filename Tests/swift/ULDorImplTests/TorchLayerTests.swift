import Testing
import ULDorKernels

@testable import ULDorImpl

/// Layers of training that are more than a kernel, against torchvision's own and torch's autograd in double precision
/// (tools/make_training_layer_fixture.py): within 1e-5 of the largest magnitude of each tensor.
@Suite struct TorchLayerTests {
    private let file: Safetensors

    init() throws {
        file = try fixture("training_layers.safetensors")
    }

    private func values(_ name: String) throws -> Buffer<Float> {
        let record = try #require(file.find(name), "the fixture has no \(name)")
        let values = try Buffer<Float>(count: record.elements, allocator: .system)
        try file.source.read(at: record.offset, length: record.elements * 4, into: values.base)
        return values
    }

    /// A map over a tensor's memory.
    private func map(_ values: borrowing Buffer<Float>, _ batch: Int, _ height: Int, _ width: Int) -> FeatureMap {
        FeatureMap(
            data: values.base, batch: batch, height: height, width: width, channels: values.count / (batch * height * width))
    }

    private func expectClose<Values: Collection<Float>>(_ got: Values, _ name: String) throws {
        let wanted = try values(name)
        let largest = wanted.elements.reduce(0) { Swift.max($0, abs($1)) }
        #expect(got.count == wanted.count && largest > 0, "\(name)")
        #expect(zip(got, wanted.elements).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "\(name)")
    }

    private func expectClose(_ losses: [Double], _ name: String) throws {
        let wanted = try values(name)
        #expect(losses.count == wanted.count, "\(name)")
        for (loss, wanted) in zip(losses, wanted.elements) {
            #expect(abs(loss - Double(wanted)) <= 1e-5 * Double(wanted), "\(name)")
        }
    }

    /// A convolution with the norm folded into it.
    @Test(arguments: [false, true]) func frozenNorm(isExact: Bool) throws {
        let store = try ParameterStore(file, trainableLayers: 5, allocator: .system)
        let block = "backbone.body.layer4.0."
        let layer = try TensorLoader(file, threads: 1, store: store).convolution(
            "\(block)conv1", norm: "\(block)bn1", kernel: 3, eps: 1e-5)
        let input = try values("norm.input"), gradient = try values("norm.gradient")
        let output = try Buffer<Float>(count: gradient.count, allocator: .system)
        let inputGradient = try Buffer<Float>(count: input.count, allocator: .system)
        let (from, to, slopes) = (map(input, 2, 7, 6), map(output, 2, 7, 6), map(gradient, 2, 7, 6))
        let execution = Execution(
            allocator: .system, table: uk_table_for(0)!, threads: 2, isExact: isExact, isGentle: true, progress: nil)
        let back = map(inputGradient, 2, 7, 6)
        try execution.pass { () throws(ULDorError) in
            try layer.forward(from, into: to, relu: true, execution)
            try execution.maskGradient(slopes, by: to)
            try layer.backward(from, slopes, into: back, execution)
        }
        try expectClose(output.elements, "norm.output")
        try expectClose(inputGradient.elements, "norm.input_gradient")
        // Batch norm does not learn: its weight and bias are behind what the gradients cover.
        try expectClose(store.gradients, "norm.weight_gradient")
    }

    private func four(_ values: borrowing Buffer<Float>, _ index: Int) -> (Float, Float, Float, Float) {
        let row = values.base + 4 * index
        return (row[0], row[1], row[2], row[3])
    }

    /// Each image by itself, divided by what both have; places of which no anchor was drawn are asked for, too.
    @Test func proposalLosses() throws {
        let output = try values("proposals.output")
        let labels = try values("proposals.labels"), targets = try values("proposals.targets")
        let gradient = try Buffer<Float>(count: output.count, allocator: .system)
        gradient.elements.update(repeating: 0)
        let normalisers = Normalisers(anchors: Double(labels.elements.count { $0 >= 0 }))
        var losses = Losses()
        for image in 0..<2 {
            let first = 15 * image
            let anchors = (0..<15).filter { labels.base[first + $0] >= 0 }.map { index in
                AnchorSample(
                    place: Int32(index / 3), anchor: Int32(index % 3), isLesion: labels.base[first + index] == 1,
                    target: four(targets, first + index))
            }
            let (rows, slopes) = (map(output, 10, 1, 1).images(5 * image, 5), map(gradient, 10, 1, 1).images(5 * image, 5))
            withSamples(anchors: anchors) { losses = losses + LossTerms.proposals(rows, $0, 3, normalisers, into: slopes) }
        }
        try expectClose([losses.objectness, losses.rpnBox], "proposals.losses")
        try expectClose(gradient.elements, "proposals.gradient")
    }

    @Test func regionLosses() throws {
        let output = try values("regions.output")
        let labels = try values("regions.labels"), targets = try values("regions.targets")
        let regions = labels.elements.enumerated().map { index, label in
            RegionSample(classIndex: Int32(label), lesion: 0, target: four(targets, index))
        }
        let normalisers = Normalisers(regions: 17)
        var losses = Losses()
        // In two parts, as many regions are.
        withSamples(regions: regions) { samples in
            for (first, count) in [(0, 10), (10, 7)] {
                let part = map(output, 17, 1, 1).images(first, count)
                losses = losses + LossTerms.regions(part, samples, first: first, classes: 3, normalisers)
            }
        }
        try expectClose([losses.classifier, losses.box], "regions.losses")
        try expectClose(output.elements, "regions.gradient")
    }

    @Test func maskLosses() throws {
        let logits = try values("masks.logits")
        let labels = try values("masks.labels"), targets = try values("masks.targets")
        let regions = labels.elements.map { RegionSample(classIndex: Int32($0), lesion: 0, target: (0, 0, 0, 0)) }
        let normalisers = Normalisers(masks: 6)
        var losses = Losses()
        withSamples(regions: regions) { samples in
            for (first, count) in [(0, 4), (4, 2)] {
                losses =
                    losses
                    + LossTerms.masks(
                        map(logits, 6, 4, 4).images(first, count), samples, first: first, targets: targets.base + first * 16,
                        normalisers)
            }
        }
        try expectClose([losses.mask], "masks.losses")
        try expectClose(logits.elements, "masks.gradient")
    }
}
