/// Floats between two guards of NaN: what is read beyond the ends spoils the result, what is written there is seen.
final class Guarded {
    private static let guardCount = 4096
    private static let guardBits: UInt32 = 0x7fc0_d0d0
    let count: Int
    private let all: UnsafeMutableBufferPointer<Float>

    init(_ values: [Float]) {
        count = values.count
        all = .allocate(capacity: count + 2 * Self.guardCount)
        all.initialize(repeating: Float(bitPattern: Self.guardBits))
        for (index, value) in values.enumerated() { all[Self.guardCount + index] = value }
    }

    /// Everything NaN.
    init(count: Int) {
        self.count = count
        all = .allocate(capacity: count + 2 * Self.guardCount)
        all.initialize(repeating: Float(bitPattern: Self.guardBits))
    }

    deinit { all.deallocate() }

    var base: UnsafeMutablePointer<Float> { all.baseAddress! + Self.guardCount }
    var values: [Float] { [Float](all[Self.guardCount..<Self.guardCount + count]) }

    /// Nothing was written outside.
    var isIntact: Bool {
        let ends = [all[..<Self.guardCount], all[(Self.guardCount + count)...]]
        return ends.allSatisfy { $0.allSatisfy { $0.bitPattern == Self.guardBits } }
    }

    /// Value `index` is as it was made by `init(count:)`.
    func isUntouched(_ index: Int) -> Bool { base[index].bitPattern == Self.guardBits }
}
