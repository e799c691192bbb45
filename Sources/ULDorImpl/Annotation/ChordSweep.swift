/// A chord across the long diameter, in its frame: x = `position` along it, from y = `low` to y = `high`.
struct Chord: BitwiseCopyable {
    var position = 0.0
    var low = 0.0
    var high = 0.0
    var length: Double { high - low }
}

/// Finds the longest chord x = const of a polygon's interior that touches the line y = 0, on which the long diameter lies from 0 to
/// its length.
///
/// A line sweeps over the polygon. Between two neighbouring x of vertices the same sides are met in the same order, and the
/// stretches between the first and second, third and fourth ... are inside. Their ends and so their lengths are linear in
/// x there, and so are the conditions for touching: the longest is at an end of the stretch in which they hold.
struct ChordSweep: ~Copyable {
    /// Sides that the line meets (number of their first point), by growing y.
    private var active: GrowableBuffer<Int32>

    /// As parts of the long diameter: what the coordinates in its frame may be wrong by, and what is no length.
    private static let touchTolerance = 1e-12
    private static let negligible = 1e-6

    init(allocator: Allocator) { active = GrowableBuffer(allocator: allocator) }

    var bytes: Int { active.bytes }

    /// Coordinates along and across the long diameter; `order` is overwritten. With `mustTouch` chords that do not touch it
    /// count only where no other is longer than `negligible` of it. Nil where no chord is.
    mutating func longest(
        _ points: UnsafeBufferPointer<Point>, order: UnsafeMutableBufferPointer<Int32>, length: Double, mustTouch: Bool
    ) throws(ULDorError) -> Chord? {
        let n = points.count
        let tolerance = 1e-9 * length
        var touching = LongestChord(middle: length / 2, tolerance: tolerance)
        var anywhere = touching
        for index in 0..<n { order[index] = Int32(truncatingIfNeeded: index) }
        heapSort(order) { a, b in
            let (x, y) = (points[Int(a)].x, points[Int(b)].x)
            return x < y || (x == y && a < b)
        }
        active.removeAll()
        try active.reserve(n)

        var position = 0
        while position < n {
            let left = points[Int(order[position])].x
            let passed = position
            while position < n, points[Int(order[position])].x == left { position += 1 }
            guard position < n else { break }
            let right = points[Int(order[position])].x
            try update(points, order, passed..<position, left, (left + right) / 2)
            let sides = active.elements
            var place = 0
            while place + 1 < sides.count {
                let low = Edge(points, sides[place])
                let high = Edge(points, sides[place + 1])
                let strip = Strip(
                    left: Chord(position: left, low: low.y(left), high: high.y(left)),
                    right: Chord(position: right, low: low.y(right), high: high.y(right)))
                anywhere.offer(strip, 0, 1)
                if let (start, end) = strip.touchingPart(Self.touchTolerance * length) { touching.offer(strip, start, end) }
                place += 2
            }
        }
        let negligible = Self.negligible * length
        if mustTouch, touching.best.length > negligible { return touching.best }
        return anywhere.best.length > negligible ? anywhere.best : nil
    }

    /// Takes the sides away that end at x = `left` and adds those that begin at the vertices `passed` there.
    private mutating func update(
        _ points: UnsafeBufferPointer<Point>, _ order: UnsafeMutableBufferPointer<Int32>, _ passed: Range<Int>,
        _ left: Double, _ middle: Double
    ) throws(ULDorError) {
        let old = active.elements
        var kept = 0
        for side in old where Edge(points, side).end.x > left {
            old[kept] = side
            kept += 1
        }
        try active.resize(kept)
        let n = points.count
        for position in passed {
            let vertex = Int(order[position])
            let previous = vertex > 0 ? vertex - 1 : n - 1
            let next = vertex + 1 < n ? vertex + 1 : 0
            if points[previous].x > left { try insert(points, Int32(truncatingIfNeeded: previous), middle) }
            if points[next].x > left { try insert(points, Int32(truncatingIfNeeded: vertex), middle) }
        }
    }

    private mutating func insert(_ points: UnsafeBufferPointer<Point>, _ side: Int32, _ middle: Double) throws(ULDorError) {
        try active.append(side)
        let sides = active.elements
        let y = Edge(points, side).y(middle)
        var place = sides.count - 1
        while place > 0, Edge(points, sides[place - 1]).y(middle) > y {
            sides[place] = sides[place - 1]
            place -= 1
        }
        sides[place] = side
    }
}

/// A side of the polygon from its smaller to its larger x.
private struct Edge {
    let start, end: Point

    @inline(__always)
    init(_ points: UnsafeBufferPointer<Point>, _ side: Int32) {
        let first = points[Int(side)]
        let second = points[Int(side) + 1 < points.count ? Int(side) + 1 : 0]
        start = first.x < second.x ? first : second
        end = first.x < second.x ? second : first
    }

    @inline(__always)
    func y(_ x: Double) -> Double {
        x >= end.x ? end.y : start.y + (x - start.x) / (end.x - start.x) * (end.y - start.y)
    }
}

/// The interior between two sides and two neighbouring x: all that is in it is linear.
private struct Strip {
    let left, right: Chord

    func chord(_ part: Double) -> Chord {
        if part <= 0 { return left }
        if part >= 1 { return right }
        return Chord(
            position: left.position + part * (right.position - left.position),
            low: left.low + part * (right.low - left.low), high: left.high + part * (right.high - left.high))
    }

    /// Where low <= tolerance and high >= -tolerance, as parts of the way from left to right.
    func touchingPart(_ tolerance: Double) -> (start: Double, end: Double)? {
        var start = 0.0
        var end = 1.0
        limit(tolerance - left.low, tolerance - right.low)
        limit(left.high + tolerance, right.high + tolerance)
        return start <= end ? (start, end) : nil

        /// Keeps the part where the linear function with these end values is not negative.
        func limit(_ atLeft: Double, _ atRight: Double) {
            if atLeft < 0 && atRight < 0 { end = -1 }
            if atLeft < 0 && atRight >= 0 { start = max(start, atLeft / (atLeft - atRight)) }
            if atLeft >= 0 && atRight < 0 { end = min(end, atLeft / (atLeft - atRight)) }
        }
    }
}

/// The longest chord so far; among those within `tolerance` of the longest the one nearest to the middle of the long diameter,
/// then the one nearer to its start, then the one with less offset from it.
private struct LongestChord {
    let middle, tolerance: Double
    private(set) var best = Chord()
    private var greatest = 0.0

    init(middle: Double, tolerance: Double) {
        self.middle = middle
        self.tolerance = tolerance
    }

    mutating func offer(_ strip: Strip, _ start: Double, _ end: Double) {
        let first = strip.chord(start)
        let last = strip.chord(end)
        offer(first)
        offer(last)
        // All equal: also the one in the middle of the long diameter.
        if abs(first.length - last.length) <= tolerance, first.position < middle, last.position > middle {
            let width = strip.right.position - strip.left.position
            offer(strip.chord((middle - strip.left.position) / width))
        }
    }

    private mutating func offer(_ chord: Chord) {
        guard chord.length > 0, chord.length >= greatest - tolerance else { return }
        greatest = max(greatest, chord.length)
        if best.length < greatest - tolerance || isNearer(chord) { best = chord }
    }

    private func isNearer(_ chord: Chord) -> Bool {
        guard best.length > 0 else { return true }
        let (new, old) = (abs(chord.position - middle), abs(best.position - middle))
        if new != old { return new < old }
        if chord.position != best.position { return chord.position < best.position }
        return abs(chord.low + chord.high) < abs(best.low + best.high)
    }
}
