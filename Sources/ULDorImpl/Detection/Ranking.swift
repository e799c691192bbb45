/// Sorting by score without allocation: indices in descending order of score, equal scores by ascending index.
enum Ranking {
    /// Orders as unsigned what orders as float; NaN comes below everything.
    @inline(__always) static func key(_ score: Float) -> UInt32 {
        guard !score.isNaN else { return 0 }
        // -0 and +0 are equal scores.
        let bits = (score == 0 ? 0 : score).bitPattern
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    /// Radix sort; `order` and `scratch` have `count` places.
    static func descending(
        _ scores: UnsafePointer<Float>, count: Int, order: UnsafeMutablePointer<Int32>, scratch: UnsafeMutablePointer<Int32>
    ) {
        for index in 0..<count { order[index] = Int32(index) }
        var from = order, to = scratch
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 2048) { histogram in
            for pass in 0..<3 {
                let shift = UInt32(pass * 11)
                histogram.update(repeating: 0)
                for index in 0..<count { histogram[bucket(scores[index], shift)] += 1 }
                var sum = 0
                for bucket in 0..<2048 {
                    let size = histogram[bucket]
                    histogram[bucket] = sum
                    sum += size
                }
                for place in 0..<count {
                    let index = from[place]
                    let bucket = bucket(scores[Int(index)], shift)
                    to[histogram[bucket]] = index
                    histogram[bucket] += 1
                }
                swap(&from, &to)
            }
        }
        // Three passes end in `scratch`.
        order.update(from: from, count: count)
    }

    @inline(__always) private static func bucket(_ score: Float, _ shift: UInt32) -> Int {
        Int(~key(score) >> shift & 2047)
    }
}
