import Glibc

/// The paper's pseudo mask (section 2.1; method, section 4): the union of four quarters of ellipses, each spanned by an end
/// P of the long and an end Q of the short RECIST diameter around the point C where the diameters cross:
/// { C + u (P - C) + v (Q - C) : u, v >= 0, u^2 + v^2 <= 1 }. Pixels, header's coordinates.
///
/// Exact for axes at any angle. Where the diameters do not cross on both segments, C is the mean of their mid-points; the
/// quarters can then overlap, and area, bounds and polygon are those of their union. Pieces without area (a quarter whose
/// two axes lie on one line) are left out. Lengths below 1e-9 of those at hand count as nothing: an end point that
/// misses the other diameter by so little touches it, a point so near to the edge is inside.
///
/// Holds no memory.
public struct PseudoMask: Sendable {
    public struct Bounds: BitwiseCopyable, Equatable, Sendable {
        public var x1, y1, x2, y2: Double
    }

    /// Coordinates are accepted within +- this.
    public static let largestCoordinate = 1e6

    /// False: C is the mean of the mid-points.
    public let diametersCross: Bool
    public let centre: Point
    /// Square pixels, exact; pi / 4 times long, short and the sine of their angle where the diameters cross.
    public let area: Double
    /// Between the diameters, 0...90.
    public let angleDegrees: Double
    /// The smallest box around the mask.
    public let bounds: Bounds
    public var polygonPointCount: Int { outline.pointCount }

    private let outline: QuarterOutline

    /// `recist`: x11, y11, x12, y12 (long), x21, y21, x22, y22 (short). Throws `.invalidArgument` for a coordinate that is not
    /// finite or too large, `.degenerate` for a diameter of length 0 or four points on one line.
    public init(recist: UnsafeBufferPointer<Double>) throws(ULDorError) {
        guard recist.count == 8 else {
            throw .invalidArgument("recist: 8 coordinates are needed, not \(recist.count)")
        }
        for index in 0..<8 {
            let value = recist[index]
            // Written so that NaN fails.
            guard abs(value) <= Self.largestCoordinate else {
                throw .invalidArgument("recist[\(index)] is \(value): finite coordinates within +-1e6 are accepted")
            }
        }
        let long = (Point(x: recist[0], y: recist[1]), Point(x: recist[2], y: recist[3]))
        let short = (Point(x: recist[4], y: recist[5]), Point(x: recist[6], y: recist[7]))
        guard long.0 != long.1 else { throw ULDorError(.degenerate, "recist: the long diameter has length 0") }
        guard short.0 != short.1 else { throw ULDorError(.degenerate, "recist: the short diameter has length 0") }
        guard !Self.areOnOneLine([long.0, long.1, short.0, short.1]) else {
            throw ULDorError(.degenerate, "recist: all four end points lie on one line")
        }

        let d = long.1 - long.0
        let e = short.1 - short.0
        angleDegrees = atan2(abs(d.cross(e)), abs(d.dot(e))) * (180 / .pi)
        if let (s, t) = Self.crossing(of: long, and: short) {
            diametersCross = true
            centre = long.0 + s * d
            area = .pi / 4 * abs(d.cross(e))
            // Multiples of the diameters, so that opposite axes are exactly on one line.
            let first = -t * e
            let second = (1 - t) * e
            let turnsForward = d.cross(e) > 0
            outline = QuarterOutline(
                aroundCrossing: (-s * d, turnsForward ? first : second, (1 - s) * d, turnsForward ? second : first))
        } else {
            diametersCross = false
            let c = 0.25 * ((long.0 + long.1) + (short.0 + short.1))
            centre = c
            outline = QuarterOutline(unionOf: (long.0 - c, long.1 - c), (short.0 - c, short.1 - c))
            area = outline.area
        }
        // Not to be had with the checks above; a mask of nothing must not get out.
        guard outline.arcCount > 0 else { throw ULDorError(.degenerate, "recist: the diameters span no area") }
        bounds = outline.bounds(around: centre)
    }

    /// Point of a polygon inscribed in the mask, of positive shoelace area; not closed (the first point does not come again).
    /// Its area is smaller than the mask's by at most 0.05 %. Without overlap it is simple; it passes through the centre where
    /// the quarters leave a gap. An index out of range gives the centre.
    public func polygonPoint(_ index: Int) -> Point { centre + outline.polygonPoint(index) }

    /// Whether a point is in the mask; its edge belongs to it.
    public func contains(_ p: Point) -> Bool { outline.contains(p - centre) }

    /// Writes `height` rows of `width` bytes, `rowStride` >= `width` bytes apart: 1 where the pixel's centre is in the mask,
    /// else 0. Only the pixels within the bounds are looked at.
    public func fillBitmap(width: Int, height: Int, rowStride: Int, into out: UnsafeMutablePointer<UInt8>) {
        guard width > 0, height > 0 else { return }
        let columns = Self.pixels(from: bounds.x1, to: bounds.x2, of: width)
        let rows = Self.pixels(from: bounds.y1, to: bounds.y2, of: height)
        for y in 0..<height {
            let row = out + y &* rowStride
            row.update(repeating: 0, count: width)
            guard rows.contains(y) else { continue }
            for x in columns {
                row[x] = contains(Point(x: Double(x) + 0.5, y: Double(y) + 0.5)) ? 1 : 0
            }
        }
    }

    // MARK: Geometry

    /// Pixels 0..<count whose centres are in [low, high], and one more on each side for points on the edge.
    private static func pixels(from low: Double, to high: Double, of count: Int) -> Range<Int> {
        // Clipped before they become integers.
        let first = max(0, min(Double(count), (low - 1.5).rounded(.up)))
        let end = max(first, min(Double(count), (high + 1.5).rounded(.down)))
        return Int(first)..<Int(end)
    }

    private static func areOnOneLine(_ points: InlineArray<4, Point>) -> Bool {
        var origin = Point.zero
        var line = Point.zero
        for i in 0..<4 {
            for j in i + 1..<4 where (points[j] - points[i]).squaredLength > line.squaredLength {
                origin = points[i]
                line = points[j] - points[i]
            }
        }
        for i in 0..<4 where abs(line.cross(points[i] - origin)) > EllipseQuarter.tolerance * line.squaredLength {
            return false
        }
        return true
    }

    /// Where two segments cross, as parts 0...1 of their lengths; nil where they do not or are parallel. By cross products,
    /// so that nothing depends on where the origin is.
    private static func crossing(of long: (Point, Point), and short: (Point, Point)) -> (s: Double, t: Double)? {
        let d = long.1 - long.0
        let e = short.1 - short.0
        let determinant = d.cross(e)
        guard abs(determinant) > 1e-12 * d.length * e.length else { return nil }
        let between = short.0 - long.0
        let s = between.cross(e) / determinant
        let t = between.cross(d) / determinant
        let tolerance = EllipseQuarter.tolerance
        guard s >= -tolerance, s <= 1 + tolerance, t >= -tolerance, t <= 1 + tolerance else { return nil }
        return (snapped(s), snapped(t))
    }

    private static func snapped(_ part: Double) -> Double {
        if part < EllipseQuarter.tolerance { return 0 }
        if part > 1 - EllipseQuarter.tolerance { return 1 }
        return part
    }
}
