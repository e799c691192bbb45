import Glibc

// The union of quarters that may overlap. Diameters that do not cross can have two end points of one diameter next to each
// other, seen from the centre; then the quarter from an end of the other one to the farther of the two lies over
// the quarter to the nearer. The outline changes from one quarter to another where their ellipses meet, and jumps
// along a ray where a quarter begins or ends at an axis.
extension QuarterOutline {
    /// Angles in growing order.
    private struct AngleList {
        var angles = InlineArray<28, Double>(repeating: 0)
        var count = 0

        mutating func insert(_ angle: Double) {
            guard count < QuarterOutline.maximalArcs, angle.isFinite else { return }
            var place = count
            while place > 0, angles[place - 1] > angle {
                angles[place] = angles[place - 1]
                place -= 1
            }
            angles[place] = angle
            count += 1
        }
    }

    /// Cuts the full turn at every axis and wherever two ellipses meet; within a piece one quarter reaches farthest all along.
    mutating func layOutUnion() {
        let breaks = breakAngles()
        for index in 0..<breaks.count {
            let low = breaks.angles[index]
            let high = index + 1 < breaks.count ? breaks.angles[index + 1] : breaks.angles[0] + 2 * .pi
            guard high - low > 1e-12 else { continue }
            guard let best = farthestQuarter(towards: direction((low + high) / 2)) else { continue }
            let start = quarters[best].parameter(direction(low))
            let end = quarters[best].parameter(direction(high))
            if arcCount > 0, arcs[arcCount - 1].quarter == best, abs(arcs[arcCount - 1].end - start) < 1e-9 {
                extendLastArc(to: end)
            } else {
                append(Arc(quarter: best, start: start, end: end))
            }
        }
    }

    private func breakAngles() -> AngleList {
        var breaks = AngleList()
        for index in 0..<quarterCount {
            // An axis is in up to two quarters; a break that comes twice does no harm, but the list has room for one each.
            insertAxis(quarters[index].a, before: index, into: &breaks)
            insertAxis(quarters[index].b, before: index, into: &breaks)
            for other in 0..<index { insertMeetings(quarters[index], quarters[other], into: &breaks) }
        }
        return breaks
    }

    private func insertAxis(_ axis: Point, before index: Int, into breaks: inout AngleList) {
        for other in 0..<index where quarters[other].a == axis || quarters[other].b == axis { return }
        breaks.insert(atan2(axis.y, axis.x))
    }

    /// Directions in which two ellipses have the same radius: the difference of their forms is zero there. With direction
    /// (cos f, sin f) it is mean + amplitude cos(2 f - phase).
    private func insertMeetings(_ first: EllipseQuarter, _ second: EllipseQuarter, into breaks: inout AngleList) {
        let (p, q) = (first.form, second.form)
        let mean = (p.xx - q.xx + p.yy - q.yy) / 2
        let cosine = (p.xx - q.xx - (p.yy - q.yy)) / 2
        let sine = p.xy - q.xy
        let amplitude = (cosine * cosine + sine * sine).squareRoot()
        // Equal ellipses, or one inside the other.
        guard amplitude > 0, abs(mean) <= amplitude else { return }
        let phase = atan2(sine, cosine)
        let half = acos(-mean / amplitude)
        for turn in 0..<4 {
            let angle = (phase + (turn & 1 == 0 ? half : -half)) / 2 + (turn & 2 == 0 ? 0 : .pi)
            breaks.insert(angle > .pi ? angle - 2 * .pi : angle)
        }
    }

    private func farthestQuarter(towards direction: Point) -> Int? {
        var best: Int?
        var least = Double.infinity
        for index in 0..<quarterCount where quarters[index].spans(direction) {
            let norm = quarters[index].squaredNorm(direction)
            if norm < least {
                least = norm
                best = index
            }
        }
        return best
    }

    private func direction(_ angle: Double) -> Point { Point(x: cos(angle), y: sin(angle)) }
}
