/// A stream of random numbers that belongs to what it is for: (seed, epoch, image, purpose).
///
/// No draw depends on which process or thread made others before, so training is the same for any number of threads, for any
/// split of the images over processes, and after a resume. SplitMix64 (Steele, Lea and Flood 2014) over a mixed key.
struct SeededRandom: RandomNumberGenerator, BitwiseCopyable {
    private var state: UInt64

    /// What a draw is for; each purpose has its own stream.
    enum Purpose: UInt64 {
        case order = 1, augmentation, anchors, regions, mining, weights, bootstrap
    }

    init(seed: UInt64, epoch: Int = 0, image: Int = 0, purpose: Purpose) {
        state = 0
        for part in [seed, UInt64(bitPattern: Int64(epoch)), UInt64(bitPattern: Int64(image)), purpose.rawValue] {
            state = Self.mix(state &+ part &+ 0x9E37_79B9_7F4A_7C15)
        }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// Uniform in [0, 1), 53 bits.
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in 0..<bound (Lemire 2019, without its rejection: the bias is below bound / 2^64); 0 for a bound of 0.
    mutating func below(_ bound: Int) -> Int { Int(UInt64(Swift.max(bound, 0)).multipliedFullWidth(by: next()).high) }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
