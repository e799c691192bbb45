/// torchvision's Matcher: which lesion each candidate box (anchor or proposal) stands for.
struct Matching {
    /// Below `low` a candidate is background, from `high` on it is matched, between them it is left out.
    let high, low: Float
    /// Also match the best candidates of every lesion, however little they overlap (the RPN's rule).
    let keepsLowQuality: Bool

    static let background: Int32 = -1
    static let leftOut: Int32 = -2

    static let anchors = Matching(high: 0.7, low: 0.3, keepsLowQuality: true)
    static let regions = Matching(high: 0.5, low: 0.5, keepsLowQuality: false)

    /// For each candidate the index of its lesion, ``background`` or ``leftOut``. Without lesions all are background.
    func match(_ lesions: [Box], count: Int, candidate: (Int) -> Box, into matches: UnsafeMutablePointer<Int32>) {
        guard !lesions.isEmpty else { return matches.update(repeating: Self.background, count: count) }
        var highest = [Float](repeating: 0, count: lesions.count)
        for index in 0..<count {
            let box = candidate(index)
            let (best, value) = best(lesions, box, &highest)
            matches[index] = value < low ? Self.background : value < high ? Self.leftOut : best
        }
        guard keepsLowQuality else { return }
        for index in 0..<count where matches[index] < 0 {
            let box = candidate(index)
            if lesions.indices.contains(where: { lesions[$0].overlap(box) == highest[$0] }) {
                var unused = highest
                matches[index] = best(lesions, box, &unused).index
            }
        }
    }

    /// The lesion that a box overlaps most, the first of equal ones; `highest` is raised for each.
    private func best(_ lesions: [Box], _ box: Box, _ highest: inout [Float]) -> (index: Int32, value: Float) {
        var best: Int32 = 0, value: Float = -1
        for (index, lesion) in lesions.enumerated() {
            let overlap = lesion.overlap(box)
            if overlap > highest[index] { highest[index] = overlap }
            if overlap > value { (best, value) = (Int32(truncatingIfNeeded: index), overlap) }
        }
        return (best, value)
    }
}

/// torchvision's BalancedPositiveNegativeSampler for one image, with draws of the image's own.
struct BalancedSampler {
    let count: Int
    let positiveFraction: Double

    var mostPositive: Int { Int(Double(count) * positiveFraction) }

    /// `labels`: above 0 positive, 0 negative, below 0 left out. Chosen indices, positives first, go to `chosen` (room for `count`);
    /// returns how many. `scratch` has a place for each label. `injected` are chosen instead of drawn.
    func sample(
        _ labels: UnsafePointer<Int32>, _ labelCount: Int, random: SeededRandom, injected: [Int32]? = nil,
        into chosen: UnsafeMutablePointer<Int32>, scratch: UnsafeMutablePointer<Int32>
    ) -> Int {
        if let injected {
            let total = Swift.min(injected.count, count)
            for place in 0..<total { chosen[place] = injected[place] }
            return total
        }
        var random = random
        let positive = draw(mostPositive, labels, labelCount, random: &random, into: chosen, scratch) { $0 > 0 }
        return positive
            + draw(count - positive, labels, labelCount, random: &random, into: chosen + positive, scratch) { $0 == 0 }
    }

    /// The first `limit` places of a Fisher-Yates shuffle of the indices that qualify.
    private func draw(
        _ limit: Int, _ labels: UnsafePointer<Int32>, _ labelCount: Int, random: inout SeededRandom,
        into chosen: UnsafeMutablePointer<Int32>, _ candidates: UnsafeMutablePointer<Int32>, where qualifies: (Int32) -> Bool
    ) -> Int {
        var found = 0
        for index in 0..<labelCount where qualifies(labels[index]) {
            candidates[found] = Int32(truncatingIfNeeded: index)
            found += 1
        }
        let drawn = Swift.min(limit, found)
        for place in 0..<drawn {
            let other = place + random.below(found - place)
            chosen[place] = candidates[other]
            candidates[other] = candidates[place]
        }
        return drawn
    }
}
