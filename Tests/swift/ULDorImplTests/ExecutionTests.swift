import Testing
import ULDorKernels

@testable import ULDorImpl

@Suite struct ExecutionTests {
    private func execution(isExact: Bool, isGentle: Bool) -> Execution {
        Execution(allocator: .system, table: uk_table_for(0)!, threads: 1, isExact: isExact, isGentle: isGentle, progress: nil)
    }

    /// Whatever a forward pass computes again for the backward pass has the same bits: gentleness is the execution's, not a call's.
    @Test func gentleButForGradients() throws {
        let gentle = execution(isExact: false, isGentle: true)
        #expect(gentle.algorithms == Int32(UK_GENTLE) && gentle.gradientAlgorithms == Int32(UK_FAST))
        try gentle.freely { () throws(ULDorError) in #expect(gentle.algorithms == Int32(UK_FAST)) }
        #expect(gentle.algorithms == Int32(UK_GENTLE))
        #expect(throws: ULDorError.self) {
            try gentle.freely { () throws(ULDorError) in throw ULDorError(.internal, "stopped") }
        }
        #expect(gentle.algorithms == Int32(UK_GENTLE))
    }

    /// Maps that only convolutions read: in groups of 16 channels where they fit, dense while learning.
    @Test(arguments: [(false, 48, true), (false, 40, false), (true, 48, false)])
    func hiddenMaps(isGentle: Bool, channels: Int, isInGroups: Bool) throws {
        let execution = execution(isExact: false, isGentle: isGentle)
        let bytes = try execution.measure { () throws(ULDorError) in
            let map = try execution.hiddenMap(3, 5, 7, channels)
            #expect((map.batch, map.height, map.width, map.channels) == (3, 5, 7, channels))
            #expect(map.isDense == !isInGroups && map.dense.isDense && map.dense.data == map.data)
            let rest = map.images(1, 2).map
            #expect(map.images(2, 1).data == map.data + 2 * 35 * (isInGroups ? 16 : channels))
            #expect(rest.pixel_stride == (isInGroups ? 16 : Int64(channels)))
            #expect(isInGroups ? rest.group_stride >= 3 * 35 * 16 : rest.group_stride == 0)
        }
        #expect(bytes >= 3 * 35 * channels * MemoryLayout<Float>.stride)
    }

    @Test(arguments: [false, true]) func exactThroughout(isGentle: Bool) throws {
        let exact = execution(isExact: true, isGentle: isGentle)
        #expect(exact.algorithms == Int32(UK_DIRECT) && exact.gradientAlgorithms == Int32(UK_DIRECT))
        try exact.freely { () throws(ULDorError) in #expect(exact.algorithms == Int32(UK_DIRECT)) }
    }
}
