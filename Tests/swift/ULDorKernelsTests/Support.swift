import ULDorKernels

/// Numbers that look random and are the same on every machine.
struct Generator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &+ 0x9e37_79b9_7f4a_7c15 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// The tables that this machine can run.
func tables() -> [UnsafePointer<uk_table>] {
    [UK_PORTABLE, UK_AVX2, UK_AVX512].compactMap { uk_table_for(Int32($0)) }
}

/// With which Winograd's jobs have panels of small maps: it was not run with AVX-512 yet.
func tablesByPanels() -> [UnsafePointer<uk_table>] { tables().filter { name($0) != "avx512" } }

/// What a convolution may be computed by.
enum Algorithms: Int32, CaseIterable {
    case fast, gentle, direct, strassen

    /// Of a tile's output, where Winograd's algorithm is chosen.
    var side: Int {
        switch self {
        case .fast: 4
        case .gentle: 2
        case .direct, .strassen: 0
        }
    }
}

func name(_ table: UnsafePointer<uk_table>) -> String { String(cString: table.pointee.name) }

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { max($0, $1.0.isNaN || $1.1.isNaN ? .infinity : abs($1.0 - $1.1)) }
}

/// The same in groups that give the same bits: AVX2 and AVX-512 both fuse multiply and add.
func tablesOfEqualBits() -> [[UnsafePointer<uk_table>]] {
    [[UK_PORTABLE], [UK_AVX2, UK_AVX512]].map { group in group.compactMap { uk_table_for(Int32($0)) } }.filter { !$0.isEmpty }
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
