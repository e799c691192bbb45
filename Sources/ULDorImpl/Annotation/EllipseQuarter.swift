import Glibc

/// A quarter of an ellipse relative to its centre: { u a + v b : u, v >= 0, u^2 + v^2 <= 1 } (method, section 4).
///
/// `a` and `b` are the ends of its axes, which need not be at a right angle. They are ordered so that the arc from `a` to `b`,
/// `a cos t + b sin t` for t = 0...pi/2, runs towards growing angles.
struct EllipseQuarter: BitwiseCopyable {
    /// What counts as nothing, as a part of the lengths at hand: points so near to the edge are inside.
    static let tolerance = 1e-9
    static let fullArc = Double.pi / 2

    private(set) var a, b: Point
    /// Rows of the inverse of the matrix (a b): u = `uRow` . p, v = `vRow` . p.
    private var uRow, vRow: Point
    /// a x b > 0; the area of the whole quarter is pi / 4 times it.
    private(set) var determinant: Double

    /// Nil where the two axes are on one line or one of them has no length: the quarter has no area.
    init?(_ first: Point, _ second: Point) {
        let cross = first.cross(second)
        guard abs(cross) > 1e-12 * first.length * second.length else { return nil }
        a = cross > 0 ? first : second
        b = cross > 0 ? second : first
        determinant = abs(cross)
        uRow = Point(x: b.y / determinant, y: -b.x / determinant)
        vRow = Point(x: -a.y / determinant, y: a.x / determinant)
    }

    private init() {
        a = .zero
        b = .zero
        uRow = .zero
        vRow = .zero
        determinant = 0
    }

    /// To fill a place that is not used.
    static let none = EllipseQuarter()

    @inline(__always)
    func contains(_ p: Point) -> Bool {
        let u = uRow.dot(p)
        let v = vRow.dot(p)
        return u >= -Self.tolerance && v >= -Self.tolerance && u * u + v * v <= 1 + 2 * Self.tolerance
    }

    /// Whether a ray from the centre runs between the two axes.
    func spans(_ direction: Point) -> Bool { a.cross(direction) >= 0 && direction.cross(b) >= 0 }

    /// u^2 + v^2 as a quadratic form, x^2 xx + 2 x y xy + y^2 yy: 1 on the ellipse, so its inverse root is the radius that
    /// the ellipse has in a direction of length 1.
    var form: (xx: Double, xy: Double, yy: Double) {
        (uRow.x * uRow.x + vRow.x * vRow.x, uRow.x * uRow.y + vRow.x * vRow.y, uRow.y * uRow.y + vRow.y * vRow.y)
    }

    func squaredNorm(_ p: Point) -> Double {
        let u = uRow.dot(p)
        let v = vRow.dot(p)
        return u * u + v * v
    }

    /// Point of the arc; the ends are met exactly.
    func point(_ t: Double) -> Point {
        if t <= 0 { return a }
        if t >= Self.fullArc { return b }
        return cos(t) * a + sin(t) * b
    }

    /// Where a ray from the centre meets the arc, 0...pi/2.
    func parameter(_ direction: Point) -> Double {
        let t = atan2(vRow.dot(direction), uRow.dot(direction))
        if t < 1e-12 { return 0 }
        if t > Self.fullArc - 1e-12 { return Self.fullArc }
        return t
    }

    /// Area of the sector between two points of the arc.
    func sectorArea(from start: Double, to end: Double) -> Double { determinant / 2 * (end - start) }

    /// Calls `body` with the points of the arc from `start` to `end` among which the extreme x and y are.
    func forEachExtremum(from start: Double, to end: Double, _ body: (Point) -> Void) {
        body(point(start))
        body(point(end))
        // d/dt (a cos t + b sin t) = 0 in x and in y; all other solutions are outside 0...pi/2 or at its ends.
        emit(atan2(b.x, a.x))
        emit(atan2(b.y, a.y))

        func emit(_ t: Double) {
            let inArc = t < 0 ? t + .pi : t
            if inArc > start, inArc < end { body(point(inArc)) }
        }
    }
}
