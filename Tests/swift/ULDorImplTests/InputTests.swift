import Testing

@testable import ULDorImpl

@Suite struct InputTests {
    private func sources(_ slices: Int, interval: Double) -> [(Int, Int, Float)] {
        var config = InputConfig()
        config.slices = slices
        let sampling = SliceSampling(config, interval: interval)
        return (0..<slices).map { sampling.source(ofChannel: $0) }.map { ($0.near, $0.far, $0.fraction) }
    }

    /// 2 mm at 1 mm intervals is the second slice; at 5 mm it is 40 % of the way to the first.
    @Test func neighbours() {
        #expect(sources(3, interval: 1).map(\.0) == [-2, 0, 2])
        #expect(sources(3, interval: 1).map(\.1) == [-2, 0, 2])
        #expect(sources(3, interval: 5).map(\.0) == [0, 0, 0])
        #expect(sources(3, interval: 5).map(\.1) == [-1, 0, 1])
        #expect(abs(sources(3, interval: 5)[2].2 - 0.4) < 1e-7)
        // 0.1 is not exact in binary, 20 slices are meant.
        #expect(sources(3, interval: 0.1).map(\.1) == [-20, 0, 20])
    }

    /// The second neighbour has its own weights (the field's code reuses the first one's).
    @Test func furtherNeighbours() {
        let sources = sources(5, interval: 5)
        #expect(abs(sources[4].2 - 0.8) < 1e-6 && abs(sources[3].2 - 0.4) < 1e-6)
        #expect(abs(self.sources(5, interval: 3)[4].2 - 1.0 / 3) < 1e-6)
    }

    @Test func reach() {
        #expect(SliceSampling(InputConfig(), interval: 1).reach == 2)
        #expect(SliceSampling(InputConfig(), interval: 5).reach == 1)
        #expect(SliceSampling(InputConfig(), interval: 0).reach == 0)
    }

    @Test func arenaKeepsItsLimit() throws {
        var arena = Arena(allocator: .system, limit: 1000)
        arena.beginMeasuring()
        _ = try arena.take(UInt8.self, count: 900)
        try arena.endMeasuring()
        #expect(arena.capacity == 960)
        arena.beginMeasuring()
        _ = try arena.take(UInt8.self, count: 961)
        #expect(throws: ULDorError.self) { try arena.endMeasuring() }
        #expect(arena.capacity == 960 && !arena.isMeasuring)
        _ = try arena.take(UInt8.self, count: 900)
    }

    @Test func arenaPlansWhatThePassTakes() throws {
        var arena = Arena(allocator: .system, limit: nil)
        arena.beginMeasuring()
        _ = try arena.take(Float.self, count: 100)
        let mark = arena.mark
        _ = try arena.take(Double.self, count: 1000)
        arena.release(to: mark)
        _ = try arena.take(UInt8.self, count: 3)
        try arena.endMeasuring()
        #expect(arena.capacity == 448 + 8000)
        _ = try arena.take(Float.self, count: 112 + 2000)
        #expect(throws: ULDorError.self) { _ = try arena.take(UInt8.self, count: 1) }
    }

    @Test func productsThatDoNotFit() {
        #expect(throws: ULDorError.self) { try checkedProduct(Int.max, 2) }
        #expect(throws: ULDorError.self) { try checkedProduct(1 << 31, 1 << 31, 4) }
        #expect(throws: ULDorError.self) { try checkedProduct(-1, 5) }
    }
}
