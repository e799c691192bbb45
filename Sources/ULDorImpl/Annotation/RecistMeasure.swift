/// RECIST diameters of a contour. End points in pixels of the image, of each diameter the one with the smaller x (then the
/// smaller y) first.
public struct RecistDiameters: BitwiseCopyable, Equatable, Sendable {
    public var longStart, longEnd: Point
    public var shortStart, shortEnd: Point
    public var longPixels, longMillimetres: Double
    public var shortPixels, shortMillimetres: Double
}

/// Measures the RECIST diameters of a closed contour. Works in millimetres: with pixels that are not square, longest and right
/// angle are those of the body, not of the image.
///
/// - Long: the greatest distance between two points of the contour. Exact: rotating calipers around the convex hull. Of
///   equal ones the pair whose first point, then whose second one, has the smaller x, then y.
/// - Short: the longest chord at a right angle to the long diameter that crosses or touches it. A chord is a stretch of the
///   line inside the contour (holes count as inside); it ends where the line meets the contour first. Where no such chord
///   is longer than 1e-6 of the long diameter (a crescent whose tips only touch the line between them), and where
///   `shortMustCross` is false, the longest chord at a right angle anywhere. Among chords that are equal to 1e-9 of the
///   long diameter the one nearest to its middle, then the one nearer to its first end, then the one with less
///   offset from it.
///
/// Time O(n log n + n k) for n points and at most k crossings of a line with the contour. Memory is kept, so that a warmed-up
/// measurer allocates nothing.
public struct RecistMeasurer: ~Copyable {
    /// Millimetres relative to the first point; then along and across the long diameter.
    private var plane: GrowableBuffer<Point>
    private var order: GrowableBuffer<Int32>
    private var hull: GrowableBuffer<Int32>
    private var chords: ChordSweep

    public init(allocator: Allocator) {
        plane = GrowableBuffer(allocator: allocator)
        order = GrowableBuffer(allocator: allocator)
        hull = GrowableBuffer(allocator: allocator)
        chords = ChordSweep(allocator: allocator)
    }

    /// Bytes held.
    var bytes: Int { plane.bytes + order.bytes + hull.bytes + chords.bytes }

    /// `points`: a closed polygon in pixels, the first point not repeated. `spacingX`, `spacingY`: millimetres per pixel; where
    /// one of them is not a positive finite number both count as 1. Nil for a polygon that encloses nothing or whose
    /// coordinates are not finite.
    public mutating func measure(
        points: UnsafeBufferPointer<Point>, spacingX: Double, spacingY: Double, shortMustCross: Bool = true
    ) throws(ULDorError) -> RecistDiameters? {
        let known = spacingX > 0 && spacingX.isFinite && spacingY > 0 && spacingY.isFinite
        let spacing = known ? Point(x: spacingX, y: spacingY) : Point(x: 1, y: 1)
        let n = points.count
        guard n >= 3 else { return nil }
        guard n < Int(Int32.max) / 2 else { throw .tooLarge("contour") }
        try plane.resize(n)
        try order.resize(n)
        try hull.resize(n + 1)

        let anchor = points[0]
        let plane = self.plane.elements
        for index in 0..<n {
            let p = points[index] - anchor
            plane[index] = Point(x: p.x * spacing.x, y: p.y * spacing.y)
            // The square must be finite, too: no sum or product below overflows then.
            guard plane[index].squaredLength < 1e300 else { return nil }
        }
        let hullCount = ConvexHull.build(UnsafeBufferPointer(plane), order: order.elements, hull: hull.elements)
        guard let pair = ConvexHull.farthestPair(UnsafeBufferPointer(plane), hull.elements.baseAddress, hullCount) else {
            return nil
        }

        // Into the frame of the long diameter: x along it from its first end, y across.
        let origin = plane[pair.first]
        let long = plane[pair.second] - origin
        let length = long.length
        let along = (1 / length) * long
        guard length > 0, along.isFinite else { return nil }
        for index in 0..<n {
            let p = plane[index] - origin
            plane[index] = Point(x: along.dot(p), y: along.cross(p))
        }
        guard
            let chord = try chords.longest(
                UnsafeBufferPointer(plane), order: order.elements, length: length, mustTouch: shortMustCross)
        else { return nil }

        func pixels(_ position: Double, _ offset: Double) -> Point {
            let p = origin + Point(x: position * along.x - offset * along.y, y: position * along.y + offset * along.x)
            return anchor + Point(x: p.x / spacing.x, y: p.y / spacing.y)
        }
        let low = pixels(chord.position, chord.low)
        let high = pixels(chord.position, chord.high)
        let isInOrder = low.precedes(high)
        return RecistDiameters(
            longStart: points[pair.first], longEnd: points[pair.second],
            shortStart: isInOrder ? low : high, shortEnd: isInOrder ? high : low,
            longPixels: (points[pair.second] - points[pair.first]).length, longMillimetres: length,
            shortPixels: (high - low).length, shortMillimetres: chord.length)
    }
}
