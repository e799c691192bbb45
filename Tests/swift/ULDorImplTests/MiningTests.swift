import Glibc
import Testing
import ULDorKernels

@testable import ULDorImpl

@Suite struct MiningRuleTests {
    typealias Scores = MiningRule.Scores
    typealias Verdict = MiningRule.Verdict

    private static func verdicts(_ detections: [Scores], _ options: MiningOptions = MiningOptions()) -> [Verdict] {
        let rule = MiningRule(options)
        let best = rule.bestGood(detections)
        return detections.map { rule.verdict($0, bestGood: best) }
    }

    private static func scores(_ pairs: (Float, Double)...) -> [Scores] { pairs.map { Scores(score: $0.0, overlap: $0.1) } }

    /// (a): what scores above the best-scoring good detection, and is not good itself.
    @Test func aLesionWasFound() {
        #expect(
            Self.verdicts(Self.scores((0.9, 0), (0.8, 0.6), (0.8, 0), (0.75, 0), (0.5, 0.9)))
                == [.candidate, .good, .low, .low, .good])
        // The order in which they stand says nothing.
        #expect(Self.verdicts(Self.scores((0.5, 0.9), (0.6, 0), (0.8, 0.6), (0.9, 0.29))) == [.good, .low, .good, .candidate])
    }

    /// (b): what scores above 0.7.
    @Test func noLesionWasFound() {
        #expect(Self.verdicts(Self.scores((0.9, 0.3), (0.71, 0), (0.7, 0), (0.1, 0.1))) == [.candidate, .candidate, .low, .low])
        #expect(Self.verdicts([]).isEmpty)
    }

    /// Bounds are exclusive: exactly 0.3 has not found the lesion, exactly the lesion's score is not above it.
    @Test func bounds() {
        #expect(Self.verdicts(Self.scores((0.6, 0.3))) == [.low])
        #expect(Self.verdicts(Self.scores((0.6, 0.3.nextUp))) == [.good])
        #expect(Self.verdicts(Self.scores((0.6, 0.5), (Float(0.6).nextUp, 0))) == [.good, .candidate])
        var options = MiningOptions()
        (options.goodOverlap, options.leastScore) = (0.5, 0.25)
        #expect(Self.verdicts(Self.scores((0.3, 0.5), (0.25, 0)), options) == [.candidate, .low])
    }
}

@Suite struct MiningDrawTests {
    /// A set of images with so many candidates each.
    private static func set(_ candidates: [Int], good: Float? = nil) throws -> MinedSet {
        let mined = MinedSet(allocator: .system)
        for (index, count) in candidates.enumerated() {
            try mined.begin(MinedImage(index: 3 * index, lesions: 1, isFound: good != nil))
            for number in 0..<count {
                let scores = MiningRule.Scores(score: 0.9 + 0.01 * Float(number), overlap: 0)
                try mined.append(
                    MinedDetection(x1: Double(number), y1: 0, x2: 9, y2: 9, scores: scores, verdict: .candidate),
                    runs: UnsafeBufferPointer(start: nil, count: 0))
            }
            guard let good else { continue }
            try mined.append(
                MinedDetection(
                    x1: 0, y1: 0, x2: 9, y2: 9,
                    scores: MiningRule.Scores(score: good + Float(index) * 0.01, overlap: 1), verdict: .good),
                runs: UnsafeBufferPointer(start: nil, count: 0))
        }
        return mined
    }

    private static func chosen(_ mined: MinedSet) -> [[Int]] {
        mined.images.elements.map { image in
            mined.detections(of: image).filter { $0.verdict == .chosen }.map { Int($0.x1) }
        }
    }

    @Test func atMostSoMany() throws {
        let mined = try Self.set([0, 1, 3, 4, 20])
        try mined.decide(MiningOptions())
        #expect(Self.chosen(mined).map(\.count) == [0, 1, 3, 3, 3])
        #expect(!mined.detections.elements.contains { $0.verdict == .candidate })
        var none = MiningOptions()
        none.most = 0
        let empty = try Self.set([5])
        try empty.decide(none)
        #expect(empty.minedCount == 0)
    }

    @Test func drawsAreKeyed() throws {
        func draw(_ seed: UInt64, _ epoch: Int, _ counts: [Int]) throws -> [[Int]] {
            let mined = try Self.set(counts)
            var options = MiningOptions()
            (options.seed, options.epoch) = (seed, epoch)
            try mined.decide(options)
            return Self.chosen(mined)
        }
        let counts = Array(repeating: 10, count: 20)
        #expect(try draw(1, 2, counts) == draw(1, 2, counts))
        #expect(try draw(1, 2, counts) != draw(2, 2, counts))
        #expect(try draw(1, 2, counts) != draw(1, 3, counts))
        // Not by how many others there are.
        #expect(try draw(1, 2, counts)[0] == draw(1, 2, [10])[0])
    }

    /// Over many images each candidate is drawn as often: 3 of 10, a binomial's 5 standard deviations.
    @Test func drawsAreUniform() throws {
        let mined = try Self.set(Array(repeating: 10, count: 4000))
        try mined.decide(MiningOptions())
        var counts = Array(repeating: 0, count: 10)
        for image in Self.chosen(mined) { for number in image { counts[number] += 1 } }
        for count in counts { #expect(abs(Double(count) - 1200) < 5 * (4000 * 0.3 * 0.7).squareRoot()) }
    }

    /// The median of the good scores 0.90, 0.91, 0.92 is 0.91: of candidates at 0.90, 0.91 ... those above are spared.
    @Test func sparing() throws {
        let mined = try Self.set([4, 4, 4], good: 0.9)
        var options = MiningOptions()
        options.spareQuantile = 0.5
        try mined.decide(options)
        let bound = Double(Float(0.9) + 0.01)
        for detection in mined.detections.elements where detection.verdict != .good {
            #expect((detection.verdict == .spared) == (Double(detection.scores.score) > bound))
        }
        // Where nothing was found there is nothing to compare with.
        let without = try Self.set([4])
        try without.decide(options)
        #expect(without.minedCount == 3)
    }
}

@Suite struct OrderedWorkTests {
    private final class Squares: Worker {
        func make(_ number: Int) throws(ULDorError) -> Int {
            if number == 7 { throw ULDorError(.image, "seven") }
            return number * number
        }
    }

    @Test(arguments: [0, 1, 4]) func inOrder(threads: Int) throws {
        let work = try OrderedWork(count: 20, threads: threads, ahead: 3) { () throws(ULDorError) in Squares() }
        for number in 0..<20 {
            do throws(ULDorError) {
                let made = try work.next {}
                #expect(made == number * number)
            } catch {
                #expect(number == 7 && error.message == "seven")
            }
        }
        #expect(try work.next() == nil)
    }

    /// Who waits may end the wait.
    @Test func waitingEnds() throws {
        let gate = Gate()
        let work = try OrderedWork(count: 2, threads: 1, ahead: 1) { () throws(ULDorError) in gate.worker }
        #expect(throws: ULDorError.self) { try work.next { () throws(ULDorError) in throw .cancelled } }
        gate.open()
        work.cancel()
    }

    private final class Gate: @unchecked Sendable {
        private let isOpen = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        let worker: Waiting

        init() {
            isOpen.initialize(to: 0)
            worker = Waiting(isOpen)
        }

        deinit { isOpen.deallocate() }
        func open() { uk_flag_store(isOpen, 1) }
    }

    private final class Waiting: Worker {
        private let isOpen: UnsafeMutablePointer<Int32>
        init(_ isOpen: UnsafeMutablePointer<Int32>) { self.isOpen = isOpen }

        func make(_ number: Int) throws(ULDorError) -> Int {
            while uk_flag_load(isOpen) == 0 { usleep(1000) }
            return number
        }
    }
}
