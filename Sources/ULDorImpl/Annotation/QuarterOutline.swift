import Glibc

/// The edge of the union of at most four quarters around one centre, as arcs in the order of growing angles. All points are
/// relative to the centre.
///
/// Every quarter is star-shaped about the centre, so what counts in a direction is the quarter that reaches farthest. Where the
/// diameters cross, the quarters lie side by side and every arc is a whole one; `QuarterUnion.swift` has the other case.
struct QuarterOutline: BitwiseCopyable {
    /// Part of a quarter's arc, with what follows it on the way round.
    struct Arc: BitwiseCopyable {
        var quarter = 0
        /// Parameters on the quarter's arc, 0...pi/2.
        var start = 0.0
        var end = EllipseQuarter.fullArc
        /// Polygon: pieces of the arc, and the index of its first point.
        var segments = 0
        var firstPoint = 0
        /// The arc's own last point is in the polygon: the next arc does not begin there.
        var endsApart = false
        /// No quarter follows: the polygon goes through the centre.
        var gapFollows = false

        var pointCount: Int { segments + (endsApart ? 1 : 0) + (gapFollows ? 1 : 0) }
    }

    /// A polygon inscribed with 32 segments a quarter has an area smaller by (pi / 64)^2 / 6 = 0.0402 %.
    static let segmentsPerQuarter = 32.0
    /// Breaks between arcs: 4 axes, and 4 directions in which the ellipses of each of 6 pairs meet.
    static let maximalArcs = 28

    private(set) var quarters = InlineArray<4, EllipseQuarter>(repeating: .none)
    private(set) var quarterCount = 0
    private(set) var arcs = InlineArray<28, Arc>(repeating: Arc())
    private(set) var arcCount = 0
    private(set) var pointCount = 0

    /// Quarters side by side: axes in the order of growing angles, those of one diameter on one line. An axis may have no
    /// length; the quarters next to it are left out.
    init(aroundCrossing axes: (Point, Point, Point, Point)) {
        appendWhole(EllipseQuarter(axes.0, axes.1))
        appendWhole(EllipseQuarter(axes.1, axes.2))
        appendWhole(EllipseQuarter(axes.2, axes.3))
        appendWhole(EllipseQuarter(axes.3, axes.0))
        layOutPolygon()
    }

    /// Quarters between each of `long` and each of `short`, which may overlap.
    init(unionOf long: (Point, Point), _ short: (Point, Point)) {
        add(EllipseQuarter(long.0, short.0))
        add(EllipseQuarter(long.0, short.1))
        add(EllipseQuarter(long.1, short.0))
        add(EllipseQuarter(long.1, short.1))
        layOutUnion()
        layOutPolygon()
    }

    private mutating func add(_ quarter: EllipseQuarter?) {
        guard let quarter, quarterCount < 4 else { return }
        quarters[quarterCount] = quarter
        quarterCount += 1
    }

    private mutating func appendWhole(_ quarter: EllipseQuarter?) {
        guard quarter != nil else { return }
        add(quarter)
        append(Arc(quarter: quarterCount - 1))
    }

    mutating func append(_ arc: Arc) {
        guard arcCount < Self.maximalArcs else { return }
        arcs[arcCount] = arc
        arcCount += 1
    }

    mutating func extendLastArc(to end: Double) {
        guard arcCount > 0 else { return }
        arcs[arcCount - 1].end = end
    }

    // MARK: Measures

    func contains(_ p: Point) -> Bool {
        for index in 0..<quarterCount where quarters[index].contains(p) { return true }
        return false
    }

    /// Exact area: a sector of an ellipse has an area in proportion to its parameter.
    var area: Double {
        var sum = 0.0
        for index in 0..<arcCount {
            sum += quarters[arcs[index].quarter].sectorArea(from: arcs[index].start, to: arcs[index].end)
        }
        return sum
    }

    /// Exact: ends of arcs, points in them with a horizontal or vertical tangent, the centre.
    func bounds(around centre: Point) -> PseudoMask.Bounds {
        var low = Point.zero
        var high = Point.zero
        for index in 0..<arcCount {
            let arc = arcs[index]
            quarters[arc.quarter].forEachExtremum(from: arc.start, to: arc.end) { p in
                low = Point(x: min(low.x, p.x), y: min(low.y, p.y))
                high = Point(x: max(high.x, p.x), y: max(high.y, p.y))
            }
        }
        return PseudoMask.Bounds(x1: centre.x + low.x, y1: centre.y + low.y, x2: centre.x + high.x, y2: centre.y + high.y)
    }

    // MARK: Polygon

    private mutating func layOutPolygon() {
        pointCount = 0
        for index in 0..<arcCount {
            var arc = arcs[index]
            let next = arcs[index + 1 < arcCount ? index + 1 : 0]
            let end = quarters[arc.quarter].point(arc.end)
            let start = quarters[next.quarter].point(next.start)
            let scale = EllipseQuarter.tolerance * end.length
            // Not the same ray from the centre: nothing lies between.
            arc.gapFollows = end.dot(start) <= 0 || abs(end.cross(start)) > scale * start.length
            arc.endsApart = arc.gapFollows || (start - end).length > scale
            // Between 1 and 32: the parameters lie in 0...pi/2.
            let part = (arc.end - arc.start) / EllipseQuarter.fullArc
            arc.segments = Int(max(1, min(32, (part * Self.segmentsPerQuarter).rounded(.up))))
            arc.firstPoint = pointCount
            arcs[index] = arc
            pointCount += arc.pointCount
        }
    }

    /// Point of the polygon, in the order of growing angles; the centre for an index out of range.
    func polygonPoint(_ index: Int) -> Point {
        guard index >= 0 else { return .zero }
        for position in 0..<arcCount {
            let arc = arcs[position]
            guard index < arc.firstPoint + arc.pointCount else { continue }
            let step = index - arc.firstPoint
            if step > arc.segments || (step == arc.segments && !arc.endsApart) { return .zero }
            if step == arc.segments { return quarters[arc.quarter].point(arc.end) }
            return quarters[arc.quarter].point(arc.start + (arc.end - arc.start) * Double(step) / Double(arc.segments))
        }
        return .zero
    }
}
