import Testing
import ULDorKernels

@Suite struct BlockTests {
    func sizes(_ blocks: uk_blocks) -> [Int64] {
        withUnsafePointer(to: blocks) { b in
            let begins = (0...Int64(blocks.count)).map { uk_block_begin(b, $0) }
            return zip(begins.dropFirst(), begins).map { $0 - $1 }
        }
    }

    /// Threads that take block after block as they become free, a block's time being its size: when each ends.
    func ends(_ sizes: [Int64], speeds: [Double]) -> [Double] {
        var free = speeds.map { _ in 0.0 }
        for size in sizes {
            let next = free.indices.min { free[$0] < free[$1] } ?? 0
            free[next] += Double(size) / speeds[next]
        }
        return free
    }

    @Test func equal() {
        #expect(sizes(uk_equal_blocks(10, 4)) == [2, 3, 2, 3])
        #expect(sizes(uk_equal_blocks(0, 0)) == [])
    }

    /// Two thirds of what is left, a round of two blocks at a time: 84 tiles are 22 twice and 40, of which two thirds are 14 twice, ...
    @Test func shrinking() {
        #expect(sizes(uk_shrinking_blocks(84, 11, 2, 2)) == [11, 11, 11, 11, 11, 11, 6, 6, 2, 2, 2])
        #expect(sizes(uk_shrinking_blocks(171, 14, 6, 2)) == [14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 11, 11, 6, 3])
        #expect(sizes(uk_shrinking_blocks(0, 11, 2, 2)) == [])
    }

    @Test func coverAllOnce() {
        var generator = Generator(seed: 31)
        for _ in 0..<3000 {
            func pick(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &generator) }
            let most = Int32(pick(1...60)), least = Int32(pick(1...Int64(most))), threads = Int32(pick(1...70))
            let tiles = pick(0...(pick(0...1) == 0 ? 100 : 20_000))
            let blocks = sizes(uk_shrinking_blocks(tiles, most, least, threads))
            let what = Comment(rawValue: "\(tiles) tiles, \(least) to \(most), \(threads) threads: \(blocks.suffix(80))")
            #expect(blocks.reduce(0, +) == tiles, what)
            #expect(blocks.allSatisfy { $0 >= 1 && $0 <= most } && blocks.dropLast().allSatisfy { $0 >= least }, what)
            #expect(zip(blocks, blocks.dropFirst()).allSatisfy { $0 >= $1 }, what)
            #expect(tiles == 0 || uk_shrinking_blocks(tiles, most, least, threads).count == blocks.count, what)
        }
    }

    /// What they are for: no thread waits for longer than a small block, though one of them is slower.
    @Test(arguments: [[1.0, 1.0], [1.0, 0.8], [1, 1, 1, 0.5]]) func endTogether(_ speeds: [Double]) throws {
        let blocks = sizes(uk_shrinking_blocks(84, 11, 2, Int32(speeds.count)))
        let ends = ends(blocks, speeds: speeds), slowest = try #require(speeds.min())
        #expect(try #require(ends.max()) - #require(ends.min()) <= 2 / slowest + 1e-9, "\(blocks): \(ends)")
    }

    /// As many as fit, and more threads than could be.
    @Test func largest() {
        let most: Int64 = 4096 * 4096
        for threads: Int32 in [2, 1024] {
            let blocks = uk_shrinking_blocks(most, 2, 1, threads)
            #expect(Int64(blocks.count) >= most / 2)
            withUnsafePointer(to: blocks) { b in
                #expect(uk_block_begin(b, Int64(blocks.count)) == most && uk_block_begin(b, Int64(blocks.count) - 1) < most)
            }
        }
        #expect(sizes(uk_shrinking_blocks(5, 11, 2, 1024)) == [2, 2, 1])
    }
}
