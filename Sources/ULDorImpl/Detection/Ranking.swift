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

    /// Places of `Int32` that the functions below need beside the order.
    static func scratchCount(_ count: Int) -> Int { count + buckets }

    /// Radix sort; `order` has `count` places, `scratch` as many as ``scratchCount(_:)`` says.
    static func descending(
        _ scores: UnsafePointer<Float>, count: Int, order: UnsafeMutablePointer<Int32>, scratch: UnsafeMutablePointer<Int32>
    ) {
        for index in 0..<count { order[index] = Int32(truncatingIfNeeded: index) }
        sort(scores, order, count: count, scratch: scratch)
    }

    /// Only the first `limit` of that order, at the front of `order`; returns how many there are. The upper bits of the last score
    /// among them are found by counting, then only what is not below is sorted.
    static func greatest(
        _ scores: UnsafePointer<Float>, count: Int, limit: Int, order: UnsafeMutablePointer<Int32>,
        scratch: UnsafeMutablePointer<Int32>
    ) -> Int {
        let histogram = scratch
        var bound: UInt32 = .max
        if count > limit, limit > 0 {
            histogram.update(repeating: 0, count: buckets)
            for index in 0..<count { histogram[bucket(scores[index], 21)] += 1 }
            let (upper, above) = bucket(histogram, of: limit)
            histogram.update(repeating: 0, count: buckets)
            for index in 0..<count where bucket(scores[index], 21) == upper { histogram[bucket(scores[index], 10)] += 1 }
            let (lower, _) = bucket(histogram, of: limit - above)
            bound = UInt32(upper) << 21 | UInt32(lower) << 10 | 1023
        }
        var found = 0
        for index in 0..<count where ~key(scores[index]) <= bound {
            order[found] = Int32(truncatingIfNeeded: index)
            found += 1
        }
        sort(scores, order, count: found, scratch: scratch)
        return Swift.min(found, limit)
    }

    /// The bucket that the `rank`th (from 1) is in, and how many are in those before it.
    private static func bucket(_ histogram: UnsafePointer<Int32>, of rank: Int) -> (bucket: Int, before: Int) {
        var before = 0
        for bucket in 0..<buckets {
            let next = before + Int(histogram[bucket])
            if next >= rank { return (bucket, before) }
            before = next
        }
        return (buckets - 1, before)
    }

    /// `order` holds ascending indices; stable, so that those of equal scores stay so.
    private static func sort(
        _ scores: UnsafePointer<Float>, _ order: UnsafeMutablePointer<Int32>, count: Int, scratch: UnsafeMutablePointer<Int32>
    ) {
        var from = order
        var to = scratch
        let histogram = scratch + count
        for pass in 0..<passes {
            let shift = UInt32(pass * 11)
            histogram.update(repeating: 0, count: buckets)
            for place in 0..<count { histogram[bucket(scores[Int(from[place])], shift)] += 1 }
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
