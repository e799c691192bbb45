import Glibc
import Testing

@testable import ULDorImpl

/// A region with its contours as plain arrays.
private struct Traced {
    var polygons: [[Point]] = []
    var areas: [Double] = []

    init(
        _ values: [Float], _ width: Int, _ height: Int, originX: Int = 0, originY: Int = 0, threshold: Float = 0.5
    ) throws {
        var tracer = ContourTracer(allocator: .system)
        try values.withUnsafeBufferPointer { v throws(ULDorError) in
            guard let base = v.baseAddress else { return }
            try tracer.trace(base, width: width, height: height, originX: originX, originY: originY, threshold: threshold)
        }
        for span in tracer.contours.elements {
            polygons.append((span.start..<span.start + span.count).map { tracer.points.elements[$0] })
            areas.append(span.signedArea)
        }
    }

    var points: Int { polygons.reduce(0) { $0 + $1.count } }

    func bitmap(_ width: Int, _ height: Int, originX: Int = 0, originY: Int = 0) -> [Bool] {
        (0..<width * height).map {
            isInside(polygons, Double(originX + $0 % width) + 0.5, Double(originY + $0 / width) + 0.5)
        }
    }
}

/// Number of connected pieces; by flood fill.
private func pieces(_ bits: [Bool], _ width: Int, _ height: Int, diagonal: Bool) -> Int {
    var left = bits
    var count = 0
    for start in left.indices where left[start] {
        count += 1
        var todo = [start]
        left[start] = false
        while let pixel = todo.popLast() {
            for dy in -1...1 {
                for dx in -1...1 where diagonal || dx == 0 || dy == 0 {
                    let (x, y) = (pixel % width + dx, pixel / width + dy)
                    guard x >= 0, y >= 0, x < width, y < height, left[y * width + x] else { continue }
                    left[y * width + x] = false
                    todo.append(y * width + x)
                }
            }
        }
    }
    return count
}

@Suite struct MaskContourTests {
    @Test func onePixel() throws {
        let t = try Traced([1], 1, 1)
        // Crossings half-way to the zeros around: a rhombus; clockwise on the screen, which is a positive shoelace area.
        #expect(t.polygons == [[Point(x: 1, y: 0.5), Point(x: 0.5, y: 1), Point(x: 0, y: 0.5), Point(x: 0.5, y: 0)]])
        #expect(t.areas == [0.5])
        let moved = try Traced([0.75], 1, 1, originX: 10, originY: -7, threshold: 0.5)
        let r = 1.0 / 3
        let expected = [(10.5 + r, -6.5), (10.5, -6.5 + r), (10.5 - r, -6.5), (10.5, -6.5 - r)]
        #expect(zip(moved.polygons[0], expected).allSatisfy { isClose($0, Point(x: $1.0, y: $1.1), 1e-12) })
    }

    @Test func nothing() throws {
        #expect(try Traced([0.5, 0.2, .nan, -.infinity], 2, 2).polygons.isEmpty)
        #expect(try Traced([1, 1, 1, 1], 0, 4).polygons.isEmpty)
        #expect(try Traced([1, 1, 1, 1], 4, -1).polygons.isEmpty)
        #expect(try Traced([1, 1, 1, 1], 2, 2, threshold: .nan).polygons.isEmpty)
        #expect(try Traced([1, 1, 1, 1], 2, 2, threshold: .infinity).polygons.isEmpty)
    }

    @Test func fullRectangle() throws {
        for (w, h) in [(1, 9), (9, 1), (4, 7), (2, 2)] {
            let t = try Traced([Float](repeating: 1, count: w * h), w, h)
            #expect(t.polygons.count == 1)
            #expect(t.points == 2 * (w + h))
            // Four corners are cut by triangles of half-sides.
            #expect(t.areas == [Double(w * h) - 0.5])
            #expect(shoelace(t.polygons[0]) == t.areas[0])
        }
    }

    @Test func ringAndIsland() throws {
        // 7 x 7: a frame, and a pixel within its hole.
        let values = (0..<49).map { i -> Float in
            let d = max(abs(i % 7 - 3), abs(i / 7 - 3))
            return d == 3 || d == 0 ? 1 : 0
        }
        let t = try Traced(values, 7, 7)
        #expect(t.areas == [48.5, -24.5, 0.5])
        #expect(zip(t.polygons, t.areas).allSatisfy { isClose(shoelace($0), $1, 1e-12) })
    }

    @Test func saddleFollowsTheMean() throws {
        let apart = try Traced([0.9, 0.0, 0.0, 0.9], 2, 2)
        #expect(apart.polygons.count == 2)
        let joined = try Traced([0.9, 0.3, 0.3, 0.9], 2, 2)
        #expect(joined.polygons.count == 1 && joined.areas[0] > 0)
        let other = try Traced([0.3, 0.9, 0.9, 0.3], 2, 2)
        #expect(other.polygons.count == 1)
        // A mean of exactly the threshold does not exceed it.
        #expect(try Traced([1, 0, 0, 1], 2, 2).polygons.count == 2)
        #expect(try Traced([.infinity, -.infinity, 0, 1], 2, 2).polygons.count == 2)
    }

    @Test func verticesStayBetweenTheCentres() throws {
        // At the threshold, next to it, infinite, not a number.
        let values: [Float] = [0.5, Float(0.5).nextUp, 0, .infinity, .nan, -.infinity, 1, .greatestFiniteMagnitude]
        for first in values {
            for second in values {
                let t = try Traced([first, second], 2, 1)
                #expect(t.bitmap(2, 1) == [first > 0.5, second > 0.5], "\(first), \(second)")
                let offLattice = t.polygons.joined().allSatisfy { p in
                    let (dx, dy) = (abs(p.x - 0.5 - (p.x - 0.5).rounded()), abs(p.y - 0.5 - (p.y - 0.5).rounded()))
                    return max(dx, dy) >= 1.0 / 1024 && min(dx, dy) == 0
                }
                #expect(offLattice)
            }
        }
    }

    @Test func crossingsWithoutANumberAreInTheMiddle() throws {
        #expect(try Traced([.infinity], 1, 1).areas == [0.5])
        #expect(try Traced([1, .nan], 2, 1).polygons[0][0] == Point(x: 1, y: 0.5))
    }

    @Test func noiseComesBackExactly() throws {
        var random = SeededGenerator(11)
        let special: [Float] = [0.5, .nan, .infinity, -.infinity, 0, 1, -3, Float(0.5).nextUp, Float(0.5).nextDown]
        for round in 0..<150 {
            let (w, h) = (Int.random(in: 1...14, using: &random), Int.random(in: 1...14, using: &random))
            let density = Double(round % 10) / 9
            let threshold: Float = round % 3 == 0 ? 0.5 : Float(1 - density)
            let values = (0..<w * h).map { _ -> Float in
                if round % 4 == 0, let s = special.randomElement(using: &random) { return s }
                return round % 5 == 0 ? (random.uniform(0...1) < density ? 1 : 0) : Float(random.uniform(0...1))
            }
            let (x, y) = (Int.random(in: -20...600, using: &random), Int.random(in: -20...600, using: &random))
            let t = try Traced(values, w, h, originX: x, originY: y, threshold: threshold)
            let bits = values.map { $0 > threshold }
            #expect(t.bitmap(w, h, originX: x, originY: y) == bits, "round \(round)")
            // Also when a host keeps the points as float32.
            var rounded = t
            rounded.polygons = t.polygons.map { $0.map { Point(x: Double(Float($0.x)), y: Double(Float($0.y))) } }
            #expect(rounded.bitmap(w, h, originX: x, originY: y) == bits, "round \(round)")
            #expect(zip(t.polygons, t.areas).allSatisfy { isClose(shoelace($0), $1, 1e-6) && $1 != 0 })
            #expect(zip(t.areas, t.areas.dropFirst()).allSatisfy { abs($0) >= abs($1) })
        }
    }

    /// With zeros and ones no saddle is joined: outer contours are the pieces by sides, holes those by corners.
    @Test func outerContoursAndHolesAreCounted() throws {
        var random = SeededGenerator(12)
        for round in 0..<40 {
            let (w, h) = (20, 16)
            let bits = (0..<w * h).map { _ in random.uniform(0...1) < 0.3 + Double(round % 5) * 0.1 }
            let t = try Traced(bits.map { $0 ? 1 : 0 }, w, h)
            // Background with a border, so that all that is outside is one piece.
            var background = [Bool](repeating: true, count: (w + 2) * (h + 2))
            for i in 0..<w * h where bits[i] { background[(i / w + 1) * (w + 2) + i % w + 1] = false }
            #expect(t.areas.filter { $0 > 0 }.count == pieces(bits, w, h, diagonal: false))
            #expect(t.areas.filter { $0 < 0 }.count == pieces(background, w + 2, h + 2, diagonal: true) - 1)
        }
    }

    @Test func linearRampGivesADisc() throws {
        // p falls linearly with the distance: 0.5 at 20 pixels from (32.2, 31.7).
        let n = 64
        let values = (0..<n * n).map { i -> Float in
            let (x, y) = (Double(i % n) + 0.5, Double(i / n) + 0.5)
            let distance = hypot(x - 32.2, y - 31.7)
            return Float(0.5 + (20 - distance) / 30)
        }
        let t = try Traced(values, n, n)
        #expect(t.polygons.count == 1)
        #expect(isClose(t.areas[0], 400 * .pi, 1.5))
        #expect(t.polygons[0].allSatisfy { isClose(hypot($0.x - 32.2, $0.y - 31.7), 20, 0.01) })
    }

    @Test func hostileSizesFailCleanly() throws {
        var tracer = ContourTracer(allocator: .system)
        var value: Float = 1
        #expect(throws: ULDorError.self) {
            try tracer.trace(&value, width: .max, height: .max, originX: 0, originY: 0, threshold: 0.5)
        }
        try tracer.trace(&value, width: 1, height: 1, originX: .max, originY: .min, threshold: 0.5)
        #expect(tracer.contours.count == 1)
    }

    @Test func memoryIsKeptAndFailuresLeaveNothing() throws {
        var random = SeededGenerator(13)
        let (w, h) = (60, 50)
        let values = (0..<w * h).map { _ in Float(random.uniform(0...1)) }
        let counter = CountingAllocator()
        do {
            var tracer = ContourTracer(allocator: counter.allocator)
            try tracer.trace(values, width: w, height: h, originX: 0, originY: 0, threshold: 0.5)
            let contours = tracer.contours.count
            let warm = counter.allocations
            #expect(warm >= 3)
            #expect(counter.liveBytes == tracer.bytes)
            for _ in 0..<3 { try tracer.trace(values, width: w, height: h, originX: 5, originY: 6, threshold: 0.5) }
            #expect(counter.allocations == warm)
            #expect(tracer.contours.count == contours)
        }
        #expect(counter.liveBytes == 0 && counter.liveBlocks == 0)
        for n in 1...counter.allocations {
            let failing = CountingAllocator(failingFrom: n)
            do {
                var tracer = ContourTracer(allocator: failing.allocator)
                var status = Status.ok
                do throws(ULDorError) {
                    try tracer.trace(values, width: w, height: h, originX: 0, originY: 0, threshold: 0.5)
                } catch { status = error.status }
                #expect(status == .noMemory, "allocation \(n)")
                #expect(tracer.contours.count == 0 && tracer.points.count == 0)
                // And it works once there is memory.
                failing.failingFrom = .max
                try tracer.trace(values, width: w, height: h, originX: 0, originY: 0, threshold: 0.5)
                #expect(tracer.contours.count > 10)
            }
            #expect(failing.liveBytes == 0)
        }
    }
}
