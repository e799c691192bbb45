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

    @Test(arguments: [false, true]) func exactThroughout(isGentle: Bool) throws {
        let exact = execution(isExact: true, isGentle: isGentle)
        #expect(exact.algorithms == Int32(UK_DIRECT) && exact.gradientAlgorithms == Int32(UK_DIRECT))
        try exact.freely { () throws(ULDorError) in #expect(exact.algorithms == Int32(UK_DIRECT)) }
    }
}
