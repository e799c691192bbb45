import Testing

@testable import ULDorImpl

/// The losses are computed in double precision: their differences are as exact as float32's gradients are.
@Suite struct FiniteDifferenceLossTests {
    private func target(_ random: inout SeededGenerator) -> (Float, Float, Float, Float) {
        let deltas = (0..<4).map { _ in Float(random.uniform(-1...1)) }
        return (deltas[0], deltas[1], deltas[2], deltas[3])
    }

    @Test func proposals() throws {
        let x = Numbers(5 * 15, seed: 2), slopes = Numbers(x.count, seed: 0)
        var random = SeededGenerator(4)
        var anchors: [AnchorSample] = []
        for index: Int32 in 0..<15 {
            anchors.append(
                AnchorSample(place: index / 3, anchor: index % 3, isLesion: index % 4 == 1, target: target(&random)))
        }
        func losses(into gradient: Numbers) -> Double {
            var losses = Losses()
            withSamples(anchors: anchors) {
                losses = LossTerms.proposals(x.map(5, 1, 1), $0, 3, Normalisers(anchors: 13), into: gradient.map(5, 1, 1))
            }
            return losses.total
        }
        slopes.values.update(repeating: 0)
        _ = losses(into: slopes)
        let unread = Numbers(x.count, seed: 0)
        try expectDifferences("output", of: x.values, are: Array(slopes.values), step: 1 / 4096, limit: 1e-6) {
            losses(into: unread)
        }
    }

    /// `loss` writes the gradient where its argument is.
    private func expectOwnDifferences(in x: Numbers, _ loss: (Numbers) -> Double) throws {
        let copy = Numbers(x.count, seed: 0)
        func value() -> Double {
            for index in x.values.indices { copy.values[index] = x.values[index] }
            return loss(copy)
        }
        _ = value()
        try expectDifferences(
            "output", of: x.values, are: Array(copy.values), step: 1 / 4096, limit: 1e-6, loss: value)
    }

    @Test func regions() throws {
        var random = SeededGenerator(5)
        var regions: [RegionSample] = []
        for index: Int32 in 0..<17 {
            regions.append(RegionSample(classIndex: index % 3, lesion: 0, target: target(&random)))
        }
        try expectOwnDifferences(in: Numbers(17 * 15, seed: 2)) { output in
            var total = 0.0
            withSamples(regions: regions) {
                total = LossTerms.regions(output.map(17, 1, 1), $0, first: 0, classes: 3, Normalisers(regions: 19)).total
            }
            return total
        }
    }

    @Test func masks() throws {
        let regions = (0..<3).map { RegionSample(classIndex: Int32(1 + $0 % 2), lesion: 0, target: (0, 0, 0, 0)) }
        let targets = Numbers(3 * 16, seed: 6)
        for index in targets.values.indices { targets.values[index] = targets.values[index] > 0 ? 1 : 0 }
        try expectOwnDifferences(in: Numbers(3 * 16 * 3, seed: 2)) { logits in
            var total = 0.0
            withSamples(regions: regions) {
                total =
                    LossTerms.masks(
                        logits.map(3, 4, 4), $0, first: 0, targets: targets.values.baseAddress!, Normalisers(masks: 5)
                    ).total
            }
            return total
        }
    }
}
