import Testing
import ULDorKernels

@Suite struct PlanTests {
    /// What must hold for any plan; sizes that do not fit would have trapped or gone negative.
    func check(_ shape: ConvolutionCase, _ table: UnsafePointer<uk_table>, _ threads: Int32, by algorithms: Algorithms) {
        let plan = shape.plan(table, threads: threads, by: algorithms)
        let what = Comment(rawValue: "\(name(table)), \(threads) threads, \(shape.testDescription): \(plan)")
        let panels = Int64(uk_panels(Int32(shape.out)))
        let tile = max(Int(plan.winograd_side), 1)
        let tiles = Int64(shape.batch) * Int64((shape.outHeight + tile - 1) / tile) * Int64((shape.outWidth + tile - 1) / tile)
        let rows = plan.is_strassen ? (tiles + 1) / 2 : tiles
        #expect(plan.rows == rows, what)
        let blocks = Int64(plan.blocks.count), height = Int64(table.pointee.tile_rows)
        #expect(blocks >= 1 && blocks <= rows && plan.splits >= 1 && Int64(plan.splits) <= panels, what)
        #expect(plan.blocks.tiles == (rows + height - 1) / height, what)
        let largest = plan.blocks.round > 0 ? Int64(plan.blocks.most) : (plan.blocks.tiles + blocks - 1) / blocks
        let jobRows = min(rows, largest * height)
        if !plan.is_by_panels { #expect(jobRows * (plan.is_strassen ? 2 : 1) <= Int64(UK_MOST_JOB_ROWS), what) }
        let (jobs, jobsOverflow) = blocks.multipliedReportingOverflow(by: Int64(plan.splits))
        let (all, allOverflow) = min(Int64(threads), jobs).multipliedReportingOverflow(by: plan.worker_floats)
        #expect(!jobsOverflow && !allOverflow && plan.worker_floats > 0 && plan.shared_floats >= 0, what)
        #expect(plan.scratch_floats >= plan.shared_floats + plan.kept_floats + all, what)
        // Bytes fit, and each thread's part is that of a job, whatever the map's size.
        #expect(plan.scratch_floats < Int64.max / 8, what)
        #expect(plan.worker_floats <= 256 * 256 + 256 * panels * 16 + 36 * (256 * (Int64(shape.channels) + 32) + 32), what)
        #expect(plan.winograd_side == 0 || Int(plan.winograd_side) == algorithms.side, what)
        if plan.winograd_side > 0 { #expect(plan.pass_panels >= 1, what) }
        if plan.is_by_panels {
            // A panel's products: 128 tiles of 36 places, 288 of 16.
            #expect(plan.rows * Int64(plan.winograd_side == 4 ? 36 : 16) <= 128 * 36, what)
            #expect(
                plan.winograd_side > 0 && plan.blocks.count == 1 && Int64(plan.splits) * Int64(plan.pass_panels) >= panels, what)
        }
    }

    /// The largest that the library admits: 4096 x 4096 inputs, 8192 channels, 1024 threads, 4096 proposals.
    @Test func largest() {
        for table in tables() {
            for threads: Int32 in [1, 2, 64, 1024] {
                for algorithms in Algorithms.allCases {
                    for channels in [16, 8176, 8192] {
                        for out in [1, 16, 8192] {
                            check(.init(height: 4096, width: 4096, channels: channels, out: out), table, threads, by: algorithms)
                            check(.init(height: 4096, width: 1, channels: channels, out: out), table, threads, by: algorithms)
                            check(.init(height: 1, width: 1, channels: channels, out: out), table, threads, by: algorithms)
                            check(
                                .init(batch: 4096, height: 14, width: 14, channels: channels, out: out), table, threads,
                                by: algorithms)
                        }
                    }
                    check(
                        .init(height: 4096, width: 4096, channels: 8192, out: 8192, kernel: 7, stride: 2), table, threads,
                        by: algorithms)
                    check(
                        .init(batch: 4096, height: 1, width: 1, channels: 8192 * 49, out: 8192, kernel: 1), table, threads,
                        by: algorithms)
                }
            }
        }
    }

    /// No proposal, no detection: nothing to do is a plan of no jobs.
    @Test(arguments: Algorithms.allCases) func nothing(_ algorithms: Algorithms) {
        let shape = ConvolutionCase(batch: 0, height: 14, width: 14, channels: 64, out: 64)
        for table in tables() {
            for threads: Int32 in [1, 8] {
                #expect(shape.plan(table, threads: threads, by: algorithms).scratch_floats >= 0)
                #expect(Convolution(shape).run(table, threads: threads, by: algorithms) == [])
            }
        }
    }

    @Test func any() {
        var generator = Generator(seed: 21)
        for _ in 0..<4000 {
            func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
            let shape = ConvolutionCase(
                batch: pick(1...5), height: pick(1...130), width: pick(1...130), channels: 16 * pick(1...40), out: pick(1...600),
                kernel: pick(0...3) == 0 ? 1 : 3)
            for table in tables() {
                for algorithms in Algorithms.allCases { check(shape, table, Int32(pick(1...64)), by: algorithms) }
            }
        }
    }

    /// A pass is planned for the most regions that it may find: fewer must not need more scratch memory.
    @Test func fewerRegionsNeedNoMore() {
        for table in tables() {
            for (side, kernel, channels, out) in [
                (14, 3, 256, 256), (7, 3, 32, 64), (28, 1, 256, 3), (1, 1, 12544, 1024), (1, 1, 1024, 1024),
            ] {
                for threads: Int32 in [1, 2, 8, 64] {
                    for algorithms in Algorithms.allCases {
                        var before: Int64 = 0
                        for batch in 0...130 {
                            let shape = ConvolutionCase(
                                batch: batch, height: side, width: side, channels: channels, out: out, kernel: kernel)
                            let needed = shape.plan(table, threads: threads, by: algorithms).scratch_floats
                            #expect(needed >= before, "\(name(table)), \(threads) threads, \(shape.testDescription)")
                            before = needed
                        }
                    }
                }
            }
        }
    }

    /// Bits do not depend on threads, nor on which of the two wide tables there is: nor must the algorithm.
    @Test func algorithmDependsOnShapeAlone() {
        var generator = Generator(seed: 22)
        for _ in 0..<4000 {
            func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
            let shape = ConvolutionCase(
                batch: pick(1...4), height: pick(1...20), width: pick(1...20), channels: 16 * pick(1...64),
                out: pick(0...1) == 0 ? pick(1...300) : 64 * pick(1...8), kernel: pick(0...1) == 0 ? 1 : 3)
            for group in tablesOfEqualBits() {
                for algorithms in Algorithms.allCases {
                    let chosen = Set(
                        group.flatMap { table in
                            [1, 2, 7, 64].map { shape.plan(table, threads: $0, by: algorithms) }.map {
                                [Int($0.winograd_side), $0.is_strassen ? 1 : 0]
                            }
                        })
                    #expect(chosen.count == 1, "\(shape.testDescription), \(algorithms)")
                }
            }
        }
    }

    /// Of a few tiles each job has panels, of many, or where panels are fewer than threads, it has tiles.
    @Test func panelsOfFewTiles() {
        for table in tablesByPanels() {
            func isByPanels(_ side: Int, out: Int = 256, threads: Int32 = 2, by algorithms: Algorithms = .fast) -> Bool {
                ConvolutionCase(height: side, width: side, channels: 256, out: out).plan(table, threads: threads, by: algorithms)
                    .is_by_panels
            }
            #expect([8, 16, 32, 45, 64].map { isByPanels($0) } == [true, true, true, false, false])
            #expect([8, 16, 32, 34, 45].map { isByPanels($0, by: .gentle) } == [true, true, true, false, false])
            #expect([1, 8, 17].map { isByPanels(32, threads: $0) } == [true, true, false])
            #expect(!isByPanels(32, by: .direct))
            #expect(isByPanels(32, out: 64, threads: 2) && !isByPanels(32, out: 64, threads: 5))
        }
    }

    @Test(arguments: Algorithms.allCases) func onlyWhereItFits(_ algorithms: Algorithms) {
        for table in tables() {
            func side(_ shape: ConvolutionCase) -> Int { Int(shape.plan(table, by: algorithms).winograd_side) }
            #expect(side(ConvolutionCase(height: 64, width: 64, channels: 17, out: 64)) == 0)
            #expect(side(ConvolutionCase(height: 64, width: 64, channels: 64, out: 64, stride: 2)) == 0)
            #expect(side(ConvolutionCase(height: 64, width: 64, channels: 64, out: 64, kernel: 1)) == 0)
            #expect(side(ConvolutionCase(height: 1, width: 1, channels: 64, out: 64)) == 0)
            #expect(side(ConvolutionCase(height: 64, width: 64, channels: 64, out: 64)) == algorithms.side)
        }
    }

    /// Training's forward pass fits where its backward pass does, on few threads: the largest of ResNet-101-FPN's layers decides.
    @Test(arguments: [1, 2]) func gentleNeedsNoMoreThanFast(_ threads: Int32) throws {
        let layers = [(128, 64), (64, 128), (32, 256), (16, 512), (128, 256), (64, 256), (16, 256)].map { side, channels in
            ConvolutionCase(height: side, width: side, channels: channels, out: channels)
        }
        for table in tables() {
            func most(_ algorithms: Algorithms) -> Int64? {
                layers.map { $0.plan(table, threads: threads, by: algorithms).scratch_floats }.max()
            }
            #expect(try #require(most(.gentle)) <= #require(most(.fast)), "\(name(table))")
        }
    }
}
