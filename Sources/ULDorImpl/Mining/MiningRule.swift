/// Which detections of an image are hard negatives (the paper's section 2.2; method, section 5).
struct MiningRule {
    let goodOverlap, leastScore: Double

    init(_ options: MiningOptions) {
        goodOverlap = options.goodOverlap
        leastScore = options.leastScore
    }

    enum Verdict: UInt8, CaseIterable {
        /// S2 is above the bound: it has found a lesion.
        case good
        /// Scores no higher than the best good one; or no higher than the bound where there is no good one.
        case low
        /// A hard negative; the draw is still to come.
        case candidate
        case chosen, notDrawn, spared
    }

    /// S1 and S2 of a detection.
    struct Scores {
        var score: Float
        var overlap: Double
    }

    /// The score of the best-scoring good detection; nil where none is good: case (b).
    func bestGood(_ detections: some Collection<Scores>) -> Float? {
        var best: Float?
        for detection in detections where isGood(detection) { best = Swift.max(best ?? detection.score, detection.score) }
        return best
    }

    private func isGood(_ detection: Scores) -> Bool { detection.overlap > goodOverlap }

    func verdict(_ detection: Scores, bestGood: Float?) -> Verdict {
        guard !isGood(detection) else { return .good }
        let isHard = bestGood.map { detection.score > $0 } ?? (Double(detection.score) > leastScore)
        return isHard ? .candidate : .low
    }
}
