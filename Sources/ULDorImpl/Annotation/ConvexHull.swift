/// Convex hull and its diameter. Points are given by their index; hulls run towards growing angles without points on their
/// sides.
enum ConvexHull {
    /// Andrew's monotone chain, O(n log n). `order` gets the indices sorted by x, then y; `hull`, one longer than `points`, the
    /// hull from the first of them on. Returns the number of its points: 1 where all are the same, 2 where all are on a line.
    static func build(
        _ points: UnsafeBufferPointer<Point>, order: UnsafeMutableBufferPointer<Int32>,
        hull: UnsafeMutableBufferPointer<Int32>
    ) -> Int {
        let n = points.count
        guard n > 0, order.count >= n, hull.count > n else { return 0 }
        for index in 0..<n { order[index] = Int32(truncatingIfNeeded: index) }
        heapSort(order) { a, b in
            let (p, q) = (points[Int(a)], points[Int(b)])
            return p.precedes(q) || (p == q && a < b)
        }
        if points[Int(order[0])] == points[Int(order[n - 1])] {
            hull[0] = order[0]
            return 1
        }
        var count = 0
        // There along the side of small y, and back along the other; `fixed` points are not taken away again.
        func add(_ index: Int32, keeping fixed: Int) {
            let p = points[Int(index)]
            while count > fixed {
                let last = points[Int(hull[count - 1])]
                if count == 1 || (last - points[Int(hull[count - 2])]).cross(p - last) > 0 { break }
                count -= 1
            }
            hull[count] = index
            count += 1
        }
        for position in 0..<n { add(order[position], keeping: 1) }
        let turn = count
        for position in stride(from: n - 2, through: 0, by: -1) { add(order[position], keeping: turn) }
        // The first point came again at the end.
        return count - 1
    }

    /// The two hull points that are farthest apart, first the one that precedes; nil for fewer than two. Rotating calipers:
    /// O(h). Of pairs at the same distance the one whose first, then second point precedes.
    static func farthestPair(
        _ points: UnsafeBufferPointer<Point>, _ hull: UnsafeMutablePointer<Int32>?, _ count: Int
    ) -> (first: Int, second: Int)? {
        guard let hull, count >= 2 else { return nil }
        var best = (first: Int(hull[0]), second: Int(hull[1]))
        var greatest = -1.0

        func consider(_ i: Int, _ j: Int) {
            let (a, b) = (Int(hull[i]), Int(hull[j]))
            let pair = points[b].precedes(points[a]) ? (first: b, second: a) : (first: a, second: b)
            let distance = (points[a] - points[b]).squaredLength
            guard distance >= greatest else { return }
            let (p, q) = (points[pair.first], points[best.first])
            let precedes = p.precedes(q) || (p == q && points[pair.second].precedes(points[best.second]))
            if distance > greatest || precedes {
                greatest = distance
                best = pair
            }
        }

        var opposite = 1
        for start in 0..<count {
            let end = start + 1 < count ? start + 1 : 0
            let side = points[Int(hull[end])] - points[Int(hull[start])]
            if opposite == start { opposite = end }
            // Every vertex that is passed is compared, so that rounding at parallel sides loses none.
            for _ in 0...count {
                consider(start, opposite)
                consider(end, opposite)
                let next = opposite + 1 < count ? opposite + 1 : 0
                consider(start, next)
                consider(end, next)
                let step = points[Int(hull[next])] - points[Int(hull[opposite])]
                guard side.cross(step) > 0 else { break }
                opposite = next
            }
        }
        return greatest > 0 ? best : nil
    }
}
