import Testing
import ULDorKernels

@testable import ULDorImpl

@Suite struct DetectionTests {
    /// Against the standard library's sort, with ties, zeros of both signs, infinities and NaN.
    @Test(arguments: [0, 1, 2, 1000, 5000]) func ranking(_ count: Int) {
        var generator = SeededGenerator(UInt64(count))
        var scores = (0..<count).map { _ in Float(Int.random(in: -50...50, using: &generator)) / 8 }
        if count > 10 { scores.replaceSubrange(0..<6, with: [0, -0.0, .infinity, -.infinity, .nan, 0]) }
        var order = [Int32](repeating: 0, count: count)
        var scratch = [Int32](repeating: 0, count: Ranking.scratchCount(count))
        Ranking.descending(scores, count: count, order: &order, scratch: &scratch)
        func rank(_ index: Int) -> Float { scores[index].isNaN ? -.greatestFiniteMagnitude.nextDown : scores[index] }
        let expected = (0..<count).sorted { a, b in
            if scores[a].isNaN || scores[b].isNaN {
                return scores[b].isNaN && !scores[a].isNaN || (scores[a].isNaN && scores[b].isNaN && a < b)
            }
            return scores[a] != scores[b] ? scores[a] > scores[b] : a < b
        }
        #expect(order.map(Int.init) == expected)
        // Only the first of them, whatever lies around the last one: it is among ties.
        for limit in [0, 1, 7, count / 3, count, count + 5] {
            let found = Ranking.greatest(scores, count: count, limit: limit, order: &order, scratch: &scratch)
            #expect(order.prefix(found).map(Int.init) == Array(expected.prefix(limit)))
        }
    }

    /// Scores that differ in their lower bits only, as a network's do: counting by upper bits alone would not tell them apart.
    @Test func rankingOfCloseScores() {
        var generator = SeededGenerator(5)
        let scores = (0..<3000).map { _ in -4 + Float(Int.random(in: 0..<2000, using: &generator)) * 0x1p-21 }
        var order = [Int32](repeating: 0, count: 3000), best = order
        var scratch = [Int32](repeating: 0, count: Ranking.scratchCount(3000))
        Ranking.descending(scores, count: 3000, order: &order, scratch: &scratch)
        let found = Ranking.greatest(scores, count: 3000, limit: 1000, order: &best, scratch: &scratch)
        #expect(found == 1000 && best.prefix(1000) == order.prefix(1000))
    }

    /// Against the definition: a box stays unless a better one that stays overlaps it by more than the threshold.
    @Test(arguments: [Float(0), 0.3, 0.7, 1]) func suppression(_ threshold: Float) throws {
        var generator = SeededGenerator(11)
        func side() -> Float { Float.random(in: 0...40, using: &generator) }
        let boxes = (0..<300).map { _ in
            let (x, y) = (side(), side())
            return Box(x1: x, y1: y, x2: x + side() / 2, y2: y + side() / 2)
        }
        func overlap(_ a: Box, _ b: Box) -> Double {
            let w = max(0, Double(min(a.x2, b.x2)) - Double(max(a.x1, b.x1)))
            let h = max(0, Double(min(a.y2, b.y2)) - Double(max(a.y1, b.y1)))
            return w * h / (Double(a.area) + Double(b.area) - w * h)
        }
        var expected: [Int] = []
        for index in boxes.indices where expected.allSatisfy({ overlap(boxes[index], boxes[$0]) <= Double(threshold) }) {
            expected.append(index)
        }
        for limit in [boxes.count, min(expected.count, 5), 0] {
            for instructions in [UK_PORTABLE, UK_AVX2, UK_AVX512] {
                guard let table = uk_table_for(Int32(instructions)) else { continue }
                var order = (0..<Int32(boxes.count)).map { $0 }
                var scratch = [Float](repeating: .nan, count: NonMaximumSuppression.scratchCount(limit))
                var exec = uk_exec(threads: 1, state: nil)
                let kept = NonMaximumSuppression.suppress(
                    boxes, order: &order, count: boxes.count, threshold: threshold, limit: limit, scratch: &scratch, table, &exec)
                #expect(kept == min(limit, expected.count))
                #expect(order.prefix(kept ?? 0).map(Int.init) == Array(expected.prefix(limit)))
            }
        }
    }

    /// Lin et al. 2017, equation 1: 224 pixels on P4, half on P3, twice on P5; clamped.
    @Test func levels() {
        func level(_ side: Float) -> Int {
            RegionPooler(ModelConfig(), pooled: 7).level(of: Box(x1: 0, y1: 0, x2: side, y2: side))
        }
        #expect([1, 111, 112, 223, 224, 447, 448, 5000].map { level(Float($0)) } == [0, 0, 1, 1, 2, 2, 3, 3])
        #expect(level(0) == 0)
        #expect(level(.nan) == 0)
    }

    /// torchvision's base anchors of 32 px, rounded: what its AnchorGenerator prints.
    @Test func anchors() {
        let anchors = Anchors(ModelConfig())
        let boxes = (0..<3).map { anchors.anchor(level: 0, x: 1, y: 2, index: $0, strideX: 4, strideY: 4) }
        #expect(boxes[0] == Box(x1: -23 + 4, y1: -11 + 8, x2: 23 + 4, y2: 11 + 8))
        #expect(boxes[1] == Box(x1: -16 + 4, y1: -16 + 8, x2: 16 + 4, y2: 16 + 8))
        #expect(boxes[2] == Box(x1: -11 + 4, y1: -23 + 8, x2: 11 + 4, y2: 23 + 8))
    }
}
