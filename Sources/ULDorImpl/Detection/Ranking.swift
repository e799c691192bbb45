/// Sorting by score without allocation: indices in descending order of score, equal scores by ascending index.
enum Ranking {
    /// Orders as unsigned what orders as float; NaN comes below everything.
    @inline(__always) static func key(_ score: Float) -> UInt32 {
        guard !score.isNaN else { return 0 }
        // -0 and +0 are equal scores.
        let bits = (score == 0 ? 0 : score).bitPattern
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    private static let buckets = 2048
    private static let passes = 3

    /// Places of `Int32` that ``descending(_:count:order:scratch:)`` needs beside the order.
    static func scratchCount(_ count: Int) -> Int { count + buckets }

    /// Radix sort; `order` has `count` places, `scratch` as many as ``scratchCount(_:)`` says.
    static func descending(
        _ scores: UnsafePointer<Float>, count: Int, order: UnsafeMutablePointer<Int32>, scratch: UnsafeMutablePointer<Int32>
    ) {
        for index in 0..<count { order[index] = Int32(truncatingIfNeeded: index) }
        var from = order
        var to = scratch
        let histogram = scratch + count
        for pass in 0..<passes {
            let shift = UInt32(pass * 11)
            histogram.update(repeating: 0, count: buckets)
            for index in 0..<count { histogram[bucket(scores[index], shift)] += 1 }
            var sum: Int32 = 0
            for bucket in 0..<buckets {
                let size = histogram[bucket]
                histogram[bucket] = sum
                sum += size
            }
            for place in 0..<count {
                let index = from[place]
                let bucket = bucket(scores[Int(index)], shift)
                to[Int(histogram[bucket])] = index
                histogram[bucket] += 1
            }
            swap(&from, &to)
        }
        // An odd number of passes ends in `scratch`.
        order.update(from: from, count: count)
    }

    @inline(__always) private static func bucket(_ score: Float, _ shift: UInt32) -> Int {
        Int(~key(score) >> shift & 2047)
    }
}
