import Glibc
import Testing

@testable import ULDorImpl

private func measure(
    _ polygon: [Point], _ sx: Double = 1, _ sy: Double = 1, mustCross: Bool = true
) throws -> RecistDiameters? {
    var measurer = RecistMeasurer(allocator: .system)
    return try polygon.withUnsafeBufferPointer { p throws(ULDorError) in
        try measurer.measure(points: p, spacingX: sx, spacingY: sy, shortMustCross: mustCross)
    }
}

private func polygon(_ coordinates: [Double]) -> [Point] {
    stride(from: 0, to: coordinates.count, by: 2).map { Point(x: coordinates[$0], y: coordinates[$0 + 1]) }
}

private func ellipse(_ a: Double, _ b: Double, turned: Double, at c: Point, points n: Int) -> [Point] {
    (0..<n).map { k in
        let t = 2 * Double.pi * Double(k) / Double(n)
        let (x, y) = (a * cos(t), b * sin(t))
        return Point(x: c.x + x * cos(turned) - y * sin(turned), y: c.y + x * sin(turned) + y * cos(turned))
    }
}

/// All pairs.
private func greatestDistance(_ p: [Point], _ sx: Double, _ sy: Double) -> Double {
    var best = 0.0
    for a in p { for b in p { best = max(best, hypot((a.x - b.x) * sx, (a.y - b.y) * sy)) } }
    return best
}

/// Longest chord at a right angle to the long diameter over many lines: with each line its crossings are found from scratch.
/// Lines run close by every vertex on both sides, and in between.
private func longestChord(_ p: [Point], _ d: RecistDiameters, _ sx: Double, _ sy: Double, mustCross: Bool) -> Double {
    let start = (d.longStart.x * sx, d.longStart.y * sy)
    let (ex, ey) = ((d.longEnd.x * sx - start.0) / d.longMillimetres, (d.longEnd.y * sy - start.1) / d.longMillimetres)
    let frame = p.map { q -> (s: Double, t: Double) in
        let (x, y) = (q.x * sx - start.0, q.y * sy - start.1)
        return (x * ex + y * ey, y * ex - x * ey)
    }
    var lines = (0...400).map { (Double($0) + 0.5) / 401 * d.longMillimetres }
    for v in frame { lines += [v.s - 1e-7, v.s + 1e-7] }
    var best = 0.0
    for s in lines {
        var hits: [Double] = []
        for i in frame.indices {
            let (a, b) = (frame[i], frame[(i + 1) % frame.count])
            if (a.s > s) != (b.s > s) { hits.append(a.t + (s - a.s) * (b.t - a.t) / (b.s - a.s)) }
        }
        hits.sort()
        for k in stride(from: 0, to: hits.count - 1, by: 2) where !mustCross || (hits[k] <= 1e-9 && hits[k + 1] >= -1e-9) {
            best = max(best, hits[k + 1] - hits[k])
        }
    }
    return best
}

@Suite struct RecistMeasureTests {
    @Test func rectangle() throws {
        let d = try #require(try measure(polygon([2, 3, 10, 3, 10, 9, 2, 9])))
        // Of two equal diagonals the one from the point with smaller x, then smaller y.
        #expect(d.longStart == Point(x: 2, y: 3) && d.longEnd == Point(x: 10, y: 9))
        #expect(d.longPixels == 10 && d.longMillimetres == 10)
        // Between the other corners all chords are 7.5 long (6 / cos of the diagonal's angle): that through the middle.
        #expect(isClose(d.shortPixels, 7.5, 1e-12) && isClose(d.shortMillimetres, 7.5, 1e-12))
        let middle = 0.5 * (d.shortStart + d.shortEnd)
        #expect(isClose(middle, Point(x: 6, y: 6), 1e-9))
        #expect(d.shortStart.precedes(d.shortEnd))
    }

    @Test(arguments: [0.0, 0.3, 1.2, 2.5]) func ellipses(turned: Double) throws {
        for n in [8, 64, 361] {
            let d = try #require(try measure(ellipse(20, 9, turned: turned, at: Point(x: 100, y: 80), points: n)))
            #expect(isClose(d.longPixels, 40, 40 * (1 - cos(.pi / Double(n))) + 1e-9))
            #expect(isClose(d.shortPixels, 18, 18 * (1 - cos(.pi / Double(n))) * 2 + 1e-9))
            #expect(isClose((d.longEnd - d.longStart).dot(d.shortEnd - d.shortStart), 0, 1e-8))
        }
    }

    @Test func rightAngleIsThatOfTheBody() throws {
        // A circle of 12 mm on pixels of 0.5 x 2 mm, stretched to an ellipse of 10 x 14 mm turned by 30 degrees.
        let body = ellipse(14, 10, turned: .pi / 6, at: Point(x: 40, y: 60), points: 720)
        let pixels = body.map { Point(x: $0.x / 0.5, y: $0.y / 2) }
        let d = try #require(try measure(pixels, 0.5, 2))
        #expect(isClose(d.longMillimetres, 28, 1e-3) && isClose(d.shortMillimetres, 20, 1e-3))
        let long = d.longEnd - d.longStart
        let short = d.shortEnd - d.shortStart
        #expect(isClose(long.x * short.x * 0.25 + long.y * short.y * 4, 0, 1e-8))
        #expect(abs(long.dot(short)) > 1)
        #expect(isClose(d.longPixels, long.length, 1e-9) && isClose(d.shortPixels, short.length, 1e-9))
        #expect(isClose(hypot(short.x * 0.5, short.y * 2), d.shortMillimetres, 1e-9))
        // Unknown spacing counts as 1.
        for bad in [0, -1, .nan, .infinity] as [Double] {
            #expect(try measure(pixels, bad, 2) == measure(pixels, 1, 1))
            #expect(try measure(pixels, 2, bad) == measure(pixels, 1, 1))
        }
    }

    @Test func notchedShapes() throws {
        // 20 long; a step up to 6 in 12...16 above, a slot from 4 to 8 below that interrupts the chords there.
        let shape = polygon([0, 0, 4, 0, 4, 1, 8, 1, 8, 0, 20, 0, 20, 2, 16, 2, 16, 6, 12, 6, 12, 2, 0, 2])
        for (sx, sy) in [(1.0, 1.0), (0.7, 1.1)] {
            let d = try #require(try measure(shape, sx, sy))
            #expect(isClose(d.longMillimetres, greatestDistance(shape, sx, sy), 1e-12))
            #expect(isClose(d.shortMillimetres, longestChord(shape, d, sx, sy, mustCross: true), 1e-5))
        }
        // A bow: the line between its tips runs outside. Only near the tips do chords touch it.
        func arc(_ k: Int, _ height: Double) -> Point {
            let t = Double(k) * .pi / 30
            return Point(x: 20 * cos(t), y: height * sin(t))
        }
        let bow = (0...30).map { arc($0, 20) } + (1..<30).map { arc(30 - $0, 10) }
        let crossing = try #require(try measure(bow))
        #expect(isClose(crossing.longPixels, 40, 1e-12))
        #expect(isClose(crossing.shortPixels, 10, 0.1))  // none touches with a length: the longest anyway
        let anywhere = try #require(try measure(bow, mustCross: false))
        #expect(isClose(anywhere.shortPixels, longestChord(bow, anywhere, 1, 1, mustCross: false), 1e-5))
        // Where the rule matters: a strip along the long diameter, with a thick part beside it, on either side.
        let beside = polygon([
            0, -0.5, 10, -0.5, 12, 2, 18, 2, 20, -0.5, 30, -0.5, 30, 0.5, 20, 0.5, 18, 8, 12, 8, 10, 0.5, 0, 0.5,
        ])
        for side in [beside, beside.map { Point(x: $0.x, y: -$0.y) }] {
            let d = try #require(try measure(side))
            let thick = try #require(try measure(side, mustCross: false))
            let crossing = longestChord(side, d, 1, 1, mustCross: true)
            #expect(d.shortPixels >= crossing - 1e-5 && d.shortPixels < crossing + 0.3 && crossing < 4)
            #expect(thick.shortPixels > 5.9)
            expectChordIsInside(side, d, 1, 1)
        }
    }

    @Test func randomShapesAgreeWithBruteForce() throws {
        var random = SeededGenerator(31)
        for round in 0..<60 {
            // Stars around a point: simple polygons with deep dents.
            let n = Int.random(in: 3...60, using: &random)
            let angles = (0..<n).map { _ in random.uniform(0...2 * .pi) }.sorted()
            let shape = angles.map { a -> Point in
                let r = random.uniform(round % 2 == 0 ? 2...20 : 15...20)
                return Point(x: 300 + r * cos(a), y: -50 + r * sin(a))
            }
            let (sx, sy) = round % 3 == 0 ? (1, 1) : (random.uniform(0.3...1.2), random.uniform(0.3...1.2))
            guard let d = try measure(shape, sx, sy), let anywhere = try measure(shape, sx, sy, mustCross: false) else {
                Issue.record("no diameters, round \(round)")
                continue
            }
            #expect(isClose(d.longMillimetres, greatestDistance(shape, sx, sy), 1e-10), "round \(round)")
            #expect(shape.contains(d.longStart) && shape.contains(d.longEnd) && d.longStart.precedes(d.longEnd))
            let all = longestChord(shape, d, sx, sy, mustCross: false)
            #expect(isClose(anywhere.shortMillimetres, all, 1e-4), "round \(round): \(anywhere.shortMillimetres), \(all)")
            let crossing = longestChord(shape, d, sx, sy, mustCross: true)
            if crossing > 1e-3 {
                #expect(d.shortMillimetres >= crossing - 1e-5, "round \(round): \(d.shortMillimetres), \(crossing)")
                // The sampled lines stop short of where a side meets the long diameter: only as close as their distance.
                #expect(d.shortMillimetres <= max(crossing * 1.1 + 0.3, crossing), "round \(round)")
                expectChordIsInside(shape, d, sx, sy)
            }
        }
    }

    @Test func maskContoursAgreeWithBruteForce() throws {
        var random = SeededGenerator(32)
        var tracer = ContourTracer(allocator: .system)
        for round in 0..<25 {
            // Sums of bumps, and binary masks with their many points on lines.
            let n = 28
            let bumps = (0..<4).map { _ in (random.uniform(5...23), random.uniform(5...23), random.uniform(2...6)) }
            let values = (0..<n * n).map { i -> Float in
                var p = 0.0
                for b in bumps {
                    let (dx, dy) = (Double(i % n) + 0.5 - b.0, Double(i / n) + 0.5 - b.1)
                    p += exp(-(dx * dx + dy * dy) / (b.2 * b.2))
                }
                return round % 2 == 0 ? Float(p) : (p > 0.4 ? 1 : 0)
            }
            try tracer.trace(values, width: n, height: n, originX: 100, originY: 200, threshold: 0.4)
            guard let span = tracer.contours.elements.first else { continue }
            let shape = (span.start..<span.start + span.count).map { tracer.points.elements[$0] }
            let d = try #require(try measure(shape, 0.8, 0.8))
            #expect(isClose(d.longMillimetres, greatestDistance(shape, 0.8, 0.8), 1e-10))
            let a = try #require(try measure(shape, 0.8, 0.8, mustCross: false))
            let expected = longestChord(shape, a, 0.8, 0.8, mustCross: false)
            #expect(isClose(a.shortMillimetres, expected, 1e-4), "round \(round)")
            expectChordIsInside(shape, d, 0.8, 0.8)
            #expect(d.shortMillimetres <= a.shortMillimetres + 1e-9)
        }
    }

    @Test func manyPointsOnTheSidesOfTheHull() throws {
        // Integer points: right angles, parallel sides and points on lines, where calipers go astray.
        var random = SeededGenerator(33)
        for round in 0..<300 {
            let n = Int.random(in: 3...24, using: &random)
            let side = round % 3 == 0 ? 3 : 12
            let shape = (0..<n).map { _ in
                Point(x: Double(Int.random(in: 0...side, using: &random)), y: Double(Int.random(in: 0...side, using: &random)))
            }
            guard let d = try measure(shape) else { continue }
            #expect(isClose(d.longPixels, greatestDistance(shape, 1, 1), 1e-12), "round \(round)")
        }
        // Rectangles with a point at each pixel, turned by each of a few angles.
        for turn in [0, 0.1, .pi / 4, 1] as [Double] {
            var sides = (0..<12).map { Point(x: Double($0), y: 0) }
            sides += (0..<7).map { Point(x: 12, y: Double($0)) }
            sides += (0..<12).map { Point(x: 12 - Double($0), y: 7) }
            sides += (0..<7).map { Point(x: 0, y: 7 - Double($0)) }
            let shape = sides.map { Point(x: $0.x * cos(turn) - $0.y * sin(turn), y: $0.x * sin(turn) + $0.y * cos(turn)) }
            let d = try #require(try measure(shape))
            #expect(isClose(d.longPixels, hypot(12, 7), 1e-12))
            #expect(isClose(d.shortPixels, 7 * hypot(12, 7) / 12, 1e-9))
        }
    }

    @Test func startAndDirectionOfTheContourDoNotMatter() throws {
        let shape = polygon([0, 0, 4, 0, 4, 1, 8, 1, 8, 0, 20, 0, 20, 2, 16, 2, 16, 6, 12, 6, 12, 2, 0, 2])
        let d = try #require(try measure(shape))
        for k in 0..<shape.count {
            let turned = Array(shape[k...] + shape[..<k])
            for other in [turned, turned.reversed()] {
                let o = try #require(try measure(other))
                #expect(o.longStart == d.longStart && o.longEnd == d.longEnd)
                #expect(isClose(o.shortStart, d.shortStart, 1e-9) && isClose(o.shortEnd, d.shortEnd, 1e-9))
            }
        }
    }

    @Test func nothingToMeasure() throws {
        #expect(try measure([]) == nil)
        #expect(try measure(polygon([1, 1])) == nil)
        #expect(try measure(polygon([1, 1, 5, 5])) == nil)
        #expect(try measure(polygon([1, 1, 1, 1, 1, 1, 1, 1])) == nil)
        #expect(try measure(polygon([1, 1, 3, 3, 7, 7, 2, 2])) == nil)
        for bad in [Double.nan, .infinity, -.infinity, 1e200, .greatestFiniteMagnitude] {
            for k in 0..<8 {
                var c: [Double] = [2, 3, 10, 3, 10, 9, 2, 9]
                c[k] = bad
                #expect(try measure(polygon(c)) == nil)
            }
        }
        #expect(try measure(polygon([2, 3, 10, 3, 10, 9, 2, 9]), 1e300, 1e300) == nil)
        #expect(try measure(polygon([2, 3, 10, 3, 10, 9, 2, 9]), 5e-300, 5e-300) == nil)
        // Self-crossing, repeated points: some answer, no trap.
        var random = SeededGenerator(34)
        let values: [Double] = [0, 1, 2, 0.1, 1e-9, 1e6, -1e6, 1e-300, 1e100, -1e149]
        for _ in 0..<3000 {
            let n = Int.random(in: 3...9, using: &random)
            let shape = (0..<n).map { _ in
                Point(x: values.randomElement(using: &random)!, y: values.randomElement(using: &random)!)
            }
            if let d = try measure(shape) { #expect(d.longPixels > 0 && d.shortPixels.isFinite) }
        }
    }

    @Test func largeContoursAreFast() throws {
        var measurer = RecistMeasurer(allocator: .system)
        let shape = ellipse(300, 200, turned: 0.4, at: Point(x: 256, y: 256), points: 5000)
        let clock = ContinuousClock()
        let time = try clock.measure {
            _ = try shape.withUnsafeBufferPointer { p throws(ULDorError) in
                try measurer.measure(points: p, spacingX: 0.8, spacingY: 0.8)
            }
        }
        // Milliseconds when optimised; a quadratic way would take seconds here, also on a busy machine.
        #expect(time < .seconds(2))
    }

    @Test func memoryIsKeptAndFailuresAreReported() throws {
        let shape = ellipse(30, 20, turned: 0.4, at: Point(x: 256, y: 256), points: 300)
        let counter = CountingAllocator()
        do {
            var measurer = RecistMeasurer(allocator: counter.allocator)
            func run() throws -> RecistDiameters? {
                try shape.withUnsafeBufferPointer { p throws(ULDorError) in
                    try measurer.measure(points: p, spacingX: 1, spacingY: 1)
                }
            }
            let first = try run()
            let warm = counter.allocations
            #expect(warm >= 4 && counter.liveBytes == measurer.bytes)
            #expect(try run() == first)
            #expect(counter.allocations == warm)
        }
        #expect(counter.liveBytes == 0)
        for n in 1...counter.allocations {
            let failing = CountingAllocator(failingFrom: n)
            do {
                var measurer = RecistMeasurer(allocator: failing.allocator)
                var status = Status.ok
                do throws(ULDorError) {
                    _ = try shape.withUnsafeBufferPointer { p throws(ULDorError) in
                        try measurer.measure(points: p, spacingX: 1, spacingY: 1)
                    }
                } catch { status = error.status }
                #expect(status == .noMemory, "allocation \(n)")
            }
            #expect(failing.liveBytes == 0)
        }
    }

    /// At a right angle, ends on the contour, inside in between, and on the long diameter somewhere.
    private func expectChordIsInside(_ shape: [Point], _ d: RecistDiameters, _ sx: Double, _ sy: Double) {
        let long = d.longEnd - d.longStart
        let short = d.shortEnd - d.shortStart
        #expect(isClose(long.x * short.x * sx * sx + long.y * short.y * sy * sy, 0, 1e-7))
        #expect(isClose(hypot(short.x * sx, short.y * sy), d.shortMillimetres, 1e-9))
        for end in [d.shortStart, d.shortEnd] {
            let distance = shape.indices.map { i -> Double in
                let (a, b) = (shape[i], shape[(i + 1) % shape.count])
                let side = b - a
                let t = max(0, min(1, (end - a).dot(side) / max(side.squaredLength, 1e-30)))
                return (end - (a + t * side)).length
            }.min()!
            #expect(distance < 1e-8)
        }
        // A hair beside the chord, on one of its sides, all is inside.
        let aside = 1e-7 / max(long.length, 1) * long
        let inside = [-1.0, 0, 1].contains { way in
            (1...19).allSatisfy { k in
                let p = d.shortStart + Double(k) / 20 * short + way * aside
                return isInside([shape], p.x, p.y)
            }
        }
        #expect(inside)
    }
}
