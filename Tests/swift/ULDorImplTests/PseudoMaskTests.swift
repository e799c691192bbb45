import Glibc
import Testing

@testable import ULDorImpl

private func mask(_ recist: [Double]) throws -> PseudoMask {
    try recist.withUnsafeBufferPointer { (r) throws(ULDorError) in try PseudoMask(recist: r) }
}

private func failure(_ recist: [Double]) -> ULDorError? {
    do {
        _ = try mask(recist)
        return nil
    } catch { return error as? ULDorError }
}

private func polygon(_ mask: PseudoMask) -> [Point] { (0..<mask.polygonPointCount).map(mask.polygonPoint) }

/// The definition, written as in a textbook: lines in homogeneous coordinates, Cramer's rule, no tolerance.
private struct TextbookMask {
    let cx, cy: Double
    let crosses: Bool
    let axes: [(px: Double, py: Double, qx: Double, qy: Double)]

    init(_ r: [Double]) {
        let (a1, b1, c1) = (r[1] - r[3], r[2] - r[0], r[0] * r[3] - r[2] * r[1])
        let (a2, b2, c2) = (r[5] - r[7], r[6] - r[4], r[4] * r[7] - r[6] * r[5])
        let w = a1 * b2 - a2 * b1
        var x = (b1 * c2 - b2 * c1) / w
        var y = (a2 * c1 - a1 * c2) / w
        func isWithin(_ i: Int) -> Bool {
            let along = (x - r[i]) * (r[i + 2] - r[i]) + (y - r[i + 1]) * (r[i + 3] - r[i + 1])
            let full = pow(r[i + 2] - r[i], 2) + pow(r[i + 3] - r[i + 1], 2)
            return along >= 0 && along <= full
        }
        crosses = w != 0 && isWithin(0) && isWithin(4)
        if !crosses {
            x = (r[0] + r[2] + r[4] + r[6]) / 4
            y = (r[1] + r[3] + r[5] + r[7]) / 4
        }
        (cx, cy) = (x, y)
        axes = [(0, 4), (0, 6), (2, 4), (2, 6)].map { i, j in (r[i] - x, r[i + 1] - y, r[j] - x, r[j + 1] - y) }
    }

    func contains(_ x: Double, _ y: Double) -> Bool {
        axes.contains { a in
            let d = a.px * a.qy - a.qx * a.py
            let u = ((x - cx) * a.qy - a.qx * (y - cy)) / d
            let v = (a.px * (y - cy) - (x - cx) * a.py) / d
            return u >= 0 && v >= 0 && u * u + v * v <= 1
        }
    }

    /// Distance of the edge from the centre; nil where the ray is in no quarter.
    func radius(_ angle: Double) -> Double? {
        axes.compactMap { a -> Double? in
            let d = a.px * a.qy - a.qx * a.py
            let u = (cos(angle) * a.qy - a.qx * sin(angle)) / d
            let v = (a.px * sin(angle) - cos(angle) * a.py) / d
            return u >= 0 && v >= 0 ? 1 / sqrt(u * u + v * v) : nil
        }.max()
    }

    /// From rays. Good to about a thousandth where no quarter is thin.
    func area(_ rays: Int) -> Double {
        let step = 2 * Double.pi / Double(rays)
        var sum = 0.0
        for k in 0..<rays {
            guard let r = radius((Double(k) + 0.5) * step) else { continue }
            sum += r * r / 2 * step
        }
        return sum
    }

    /// Each quarter lies in the mask, so the bounds are those of all their points; good to about 1e-5.
    var bounds: PseudoMask.Bounds {
        var b = PseudoMask.Bounds(x1: cx, y1: cy, x2: cx, y2: cy)
        for a in axes {
            for k in 0...1000 {
                let (u, v) = (cos(Double(k) * .pi / 2000), sin(Double(k) * .pi / 2000))
                let (x, y) = (cx + u * a.px + v * a.qx, cy + u * a.py + v * a.qy)
                b = PseudoMask.Bounds(x1: min(b.x1, x), y1: min(b.y1, y), x2: max(b.x2, x), y2: max(b.y2, y))
            }
        }
        return b
    }
}

@Suite struct PseudoMaskTests {
    @Test func circle() throws {
        let m = try mask([0, 5, 10, 5, 5, 0, 5, 10])
        #expect(m.diametersCross)
        #expect(m.centre == Point(x: 5, y: 5))
        #expect(isClose(m.area, 25 * .pi, 1e-12))
        #expect(m.angleDegrees == 90)
        #expect(m.bounds == PseudoMask.Bounds(x1: 0, y1: 0, x2: 10, y2: 10))
        #expect(m.polygonPointCount == 128)
        for p in polygon(m) { #expect(isClose(hypot(p.x - 5, p.y - 5), 5, 1e-12)) }
        #expect(m.contains(Point(x: 5 + 5 * cos(1.0), y: 5 + 5 * sin(1.0))))
        #expect(!m.contains(Point(x: 5 + 5.0001 * cos(1.0), y: 5 + 5.0001 * sin(1.0))))
        #expect(!m.contains(Point(x: .nan, y: 5)))
        #expect(!m.contains(Point(x: .infinity, y: 5)))
        #expect(m.polygonPoint(-1) == m.centre)
        #expect(m.polygonPoint(128) == m.centre)
    }

    @Test(arguments: [1.0, 30, 60, 89, 90]) func obliqueEllipse(degrees: Double) throws {
        // Half axes (8, 0) and 3 (cos, sin): extent of the whole ellipse by the formula for conjugate half axes.
        let b = Point(x: 3 * cos(degrees * .pi / 180), y: 3 * sin(degrees * .pi / 180))
        let m = try mask([92, 50, 108, 50, 100 + b.x, 50 + b.y, 100 - b.x, 50 - b.y])
        #expect(isClose(m.area, .pi * 24 * sin(degrees * .pi / 180), 1e-10))
        #expect(isClose(m.angleDegrees, degrees, 1e-9))
        let halfWidth = sqrt(64 + b.x * b.x)
        #expect(isClose(m.bounds.x1, 100 - halfWidth, 1e-9) && isClose(m.bounds.x2, 100 + halfWidth, 1e-9))
        #expect(isClose(m.bounds.y1, 50 - b.y, 1e-9) && isClose(m.bounds.y2, 50 + b.y, 1e-9))
    }

    @Test func crossingDiametersAgreeWithTheDefinition() throws {
        var random = SeededGenerator(1)
        var seen = 0
        while seen < 40 {
            let r = (0..<8).map { _ in random.uniform(0...40) }
            let textbook = TextbookMask(r)
            guard textbook.crosses else { continue }
            seen += 1
            let m = try mask(r)
            #expect(m.diametersCross)
            #expect(isClose(m.centre, Point(x: textbook.cx, y: textbook.cy), 1e-9))
            let area = textbook.axes.reduce(0) { $0 + .pi / 4 * abs($1.px * $1.qy - $1.qx * $1.py) }
            #expect(isClose(m.area, area, 1e-9 * area))
            expectBounds(m.bounds, textbook.bounds, 1e-4)
            expectBitmap(m, textbook)
            expectPolygon(m)
        }
    }

    @Test func diametersThatDoNotCrossAgreeWithTheDefinition() throws {
        var random = SeededGenerator(2)
        var gaps = 0
        var seen = 0
        while seen < 60 {
            let r = (0..<8).map { _ in random.uniform(0...40) }
            let textbook = TextbookMask(r)
            guard !textbook.crosses else { continue }
            seen += 1
            let m = try mask(r)
            #expect(!m.diametersCross)
            #expect(isClose(m.centre, Point(x: textbook.cx, y: textbook.cy), 1e-9))
            let area = textbook.area(10_000)
            #expect(isClose(m.area, area, 2e-3 * area), "\(r): \(m.area), \(area)")
            expectBounds(m.bounds, textbook.bounds, 1e-4)
            expectBitmap(m, textbook)
            expectPolygon(m)
            if polygon(m).contains(m.centre) { gaps += 1 }
        }
        // Both kinds, with and without a gap, were met.
        #expect(gaps > 5 && gaps < 55)
    }

    @Test func parallelDiametersOverlap() throws {
        // C = (5, 1). The quarters that span nearly a half-turn lie over the ones that span little; the side below is empty.
        let r: [Double] = [0, 0, 10, 0, 3, 2, 7, 2]
        let m = try mask(r)
        #expect(!m.diametersCross && m.centre == Point(x: 5, y: 1) && m.angleDegrees == 0)
        let textbook = TextbookMask(r)
        #expect(isClose(m.area, textbook.area(100_000), 1e-2))
        let sumOfQuarters = textbook.axes.reduce(0) { $0 + .pi / 4 * abs($1.px * $1.qy - $1.qx * $1.py) }
        #expect(m.area < sumOfQuarters - 1)
        #expect(!m.contains(Point(x: 5, y: 0.5)) && m.contains(Point(x: 5, y: 1.5)))
        #expect(polygon(m).contains(m.centre))
        expectPolygon(m)
    }

    @Test func touchingDiametersCross() throws {
        // T: a half ellipse; L: a quarter. In tenths the end point misses the other diameter by rounding.
        let half = try mask([0, 0, 10, 0, 5, 0, 5, 4])
        #expect(half.diametersCross && isClose(half.area, .pi * 5 * 4 / 2, 1e-12))
        #expect(half.bounds == PseudoMask.Bounds(x1: 0, y1: 0, x2: 10, y2: 4))
        expectPolygon(half)
        let quarter = try mask([0, 0, 10, 0, 0, 0, 0, 4])
        #expect(quarter.diametersCross && isClose(quarter.area, .pi * 10, 1e-12))
        #expect(polygon(quarter).contains(Point(x: 0, y: 0)))
        expectPolygon(quarter)
        for (axis, recist) in [[0, 0, 10, 0, 10, 0, 10, 4], [0, 0, 10, 0, 3, -4, 3, 0], [0, 0, 10, 0, 0, 4, 0, -2]].enumerated() {
            let m = try mask(recist.map(Double.init))
            #expect(m.diametersCross, "\(axis)")
            expectPolygon(m)
        }
        for k in 1...9 {
            let t = Double(k) / 10
            let touch = Point(x: 0.1 + t * 0.7, y: 0.2 + t * 0.1)
            let m = try mask([0.1, 0.2, 0.8, 0.3, touch.x, touch.y, touch.x - 0.3, touch.y + 0.4])
            #expect(m.diametersCross, "\(k)")
        }
        // A clear miss does not.
        #expect(!(try mask([0, 0, 10, 0, 5, 0.001, 5, 4]).diametersCross))
    }

    @Test func orderOfPointsAndPlaceDoNotMatter() throws {
        let r: [Double] = [3, 4, 21, 17, 9, 14, 15, 5]
        let m = try mask(r)
        for other in [[21, 17, 3, 4, 9, 14, 15, 5], [3, 4, 21, 17, 15, 5, 9, 14], [9, 14, 15, 5, 3, 4, 21, 17]] as [[Double]] {
            let n = try mask(other)
            #expect(isClose(n.area, m.area, 1e-10))
            expectBounds(n.bounds, m.bounds, 1e-10)
            #expect(bitmap(n, 30, 30) == bitmap(m, 30, 30))
            expectPolygon(n)
        }
        // Lines through the origin, and far from it.
        for shift in [-12, -3, 1000, 900_000] as [Double] {
            let n = try mask(r.map { $0 + shift })
            #expect(isClose(n.area, m.area, 1e-8))
            #expect(isClose(n.centre, Point(x: m.centre.x + shift, y: m.centre.y + shift), 1e-7))
        }
        let throughOrigin = try mask([-5, -5, 5, 5, -3, 3, 3, -3])
        #expect(throughOrigin.centre == Point(x: 0, y: 0) && isClose(throughOrigin.area, .pi * 5 * 3 * 2, 1e-10))
    }

    @Test func bitmapIsClippedAndKeepsThePadding() throws {
        let m = try mask([-20, 8, 12, 8, -4, -4, -4, 20])
        let whole = TextbookMask([-20, 8, 12, 8, -4, -4, -4, 20])
        var bytes = [UInt8](repeating: 7, count: 20 * 32)
        bytes.withUnsafeMutableBufferPointer { m.fillBitmap(width: 16, height: 20, rowStride: 32, into: $0.baseAddress!) }
        let expected = (0..<20 * 32).map { index -> UInt8 in
            let (x, y) = (index % 32, index / 32)
            return x >= 16 ? 7 : (whole.contains(Double(x) + 0.5, Double(y) + 0.5) ? 1 : 0)
        }
        #expect(bytes == expected)
        #expect(bytes.contains(1) && bytes.contains(0))
        #expect(bitmap(try mask([-1e6, 0, 1e6, 0, 0, -1e6, 0, 1e6]), 40, 30) == [UInt8](repeating: 1, count: 1200))
        let far = try mask([1e6, 1e6, 1e6 - 9, 1e6, 1e6 - 4, 1e6 - 4, 1e6 - 4, 1e6])
        #expect(bitmap(far, 40, 30) == [UInt8](repeating: 0, count: 1200))
        #expect(bitmap(try mask([-90, -90, -70, -90, -80, -99, -80, -80]), 40, 30) == [UInt8](repeating: 0, count: 1200))
        var untouched: UInt8 = 9
        m.fillBitmap(width: 0, height: 5, rowStride: 0, into: &untouched)
        m.fillBitmap(width: 5, height: -1, rowStride: 5, into: &untouched)
        #expect(untouched == 9)
    }

    @Test func endPointsOnPixelCentresAreSet() throws {
        var random = SeededGenerator(3)
        var seen = 0
        while seen < 200 {
            let r = (0..<8).map { _ in Double(Int.random(in: 0..<40, using: &random)) + 0.5 }
            guard failure(r) == nil else { continue }
            seen += 1
            let bits = bitmap(try mask(r), 40, 40)
            for k in 0..<4 { #expect(bits[Int(r[2 * k + 1]) * 40 + Int(r[2 * k])] == 1, "\(r)") }
        }
    }

    @Test func degenerate() {
        let cases: [([Double], String)] = [
            ([1, 1, 1, 1, 0, 0, 5, 5], "long"), ([0, 0, 5, 5, 1, 2, 1, 2], "short"), ([2, 2, 2, 2, 2, 2, 2, 2], "long"),
            ([0, 0, 10, 10, 2, 2, 7, 7], "one line"), ([0.1, 0.3, 0.3, 0.9, 0.2, 0.6, 0.7, 2.1], "one line"),
            ([0, 5, 1, 5, 8, 5, 9, 5], "one line"), ([1e6, 1e6, -1e6, -1e6, 1, 1, 2, 2], "one line"),
            ([0, 0, 1e-200, 0, 0, 0, 0, 1e-200], "one line"),
        ]
        for (recist, word) in cases {
            let error = failure(recist)
            #expect(error?.status == .degenerate, "\(recist)")
            #expect(error?.message.contains(word) == true, "\(recist): \(error?.message ?? "")")
        }
        // Not degenerate: just thin, and a short diameter longer than the long one.
        #expect(failure([0, 0, 10, 0, 5, 0, 5, 1e-6]) == nil)
        #expect(failure([0, 0, 1, 0, 0.5, -50, 0.5, 50]) == nil)
    }

    @Test func coordinatesThatAreNotAccepted() {
        for index in 0..<8 {
            for value in [Double.nan, .signalingNaN, .infinity, -.infinity, 1.000001e6, -1e300, .greatestFiniteMagnitude] {
                var recist: [Double] = [0, 5, 10, 5, 5, 0, 5, 10]
                recist[index] = value
                let error = failure(recist)
                #expect(error?.status == .invalidArgument)
                #expect(error?.message.contains("recist[\(index)] is \(value)") == true)
            }
        }
        #expect(failure([0, 5, 10, 5, 5, 0, 5])?.status == .invalidArgument)
        #expect(failure([-1e6, 5, 1e6, 5, 5, 0, 5, 10]) == nil)
    }

    @Test func extremeButValidInputStaysFinite() {
        var random = SeededGenerator(4)
        let values: [Double] = [0, -0.0, 1, -1, 1e-300, 4.94e-300, 1e-16, 1e6, -1e6, 0.5, 1 + 1e-15, 1e-9, 1e3]
        for _ in 0..<3000 {
            let r = (0..<8).map { _ in values.randomElement(using: &random)! }
            guard let m = try? mask(r) else { continue }
            #expect(m.area.isFinite && m.area > 0 && m.bounds.x1.isFinite && m.bounds.y2.isFinite, "\(r)")
            #expect(m.polygonPointCount >= 3 && polygon(m).allSatisfy(\.isFinite), "\(r)")
            #expect(m.bounds.x1 <= m.bounds.x2 && m.bounds.y1 <= m.bounds.y2)
            _ = bitmap(m, 8, 8)
        }
    }

    // MARK: What holds for every mask

    private func bitmap(_ m: PseudoMask, _ width: Int, _ height: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 3, count: width * height)
        bytes.withUnsafeMutableBufferPointer {
            m.fillBitmap(width: width, height: height, rowStride: width, into: $0.baseAddress!)
        }
        return bytes
    }

    private func expectBitmap(_ m: PseudoMask, _ textbook: TextbookMask) {
        let bytes = bitmap(m, 40, 40)
        let expected = (0..<1600).map { textbook.contains(Double($0 % 40) + 0.5, Double($0 / 40) + 0.5) ? 1 as UInt8 : 0 }
        #expect(bytes == expected)
    }

    private func expectBounds(_ a: PseudoMask.Bounds, _ b: PseudoMask.Bounds, _ tolerance: Double) {
        #expect(isClose(a.x1, b.x1, tolerance) && isClose(a.y1, b.y1, tolerance), "\(a) \(b)")
        #expect(isClose(a.x2, b.x2, tolerance) && isClose(a.y2, b.y2, tolerance), "\(a) \(b)")
    }

    /// Positive area, inscribed, at most 0.05 % smaller; no point twice in a row; the bounds contain it and are nearly met.
    private func expectPolygon(_ m: PseudoMask) {
        let p = polygon(m)
        let area = shoelace(p.map { $0 - m.centre })
        #expect(area <= m.area * (1 + 1e-9) && area >= m.area * 0.9995, "\(area) of \(m.area)")
        #expect(p.indices.allSatisfy { p[$0] != p[($0 + 1) % p.count] })
        #expect(p.allSatisfy { m.contains($0) || $0 == m.centre })
        let b = m.bounds
        let slack = 1e-9 * (b.x2 - b.x1 + b.y2 - b.y1)
        #expect(p.allSatisfy { $0.x >= b.x1 - slack && $0.x <= b.x2 + slack && $0.y >= b.y1 - slack && $0.y <= b.y2 + slack })
    }
}
