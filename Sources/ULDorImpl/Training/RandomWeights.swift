/// Values of a tensor at a random start, as torchvision's constructors draw them.
enum RandomWeights: BitwiseCopyable, Equatable {
    case constant(Float)
    /// N(0, std).
    case normal(std: Double)
    /// U(-bound, bound).
    case uniform(bound: Double)

    /// torch.nn.init.kaiming_normal_(mode="fan_out", nonlinearity="relu").
    static func kaimingNormal(fanOut: Int) -> RandomWeights { .normal(std: (2 / Double(fanOut)).squareRoot()) }
    /// torch.nn.init.kaiming_uniform_(a=1), the pyramid's.
    static func kaimingUniform(fanIn: Int) -> RandomWeights { .uniform(bound: (3 / Double(fanIn)).squareRoot()) }
    /// What torch.nn.Linear and the biases of its convolutions begin with.
    static func standard(fanIn: Int) -> RandomWeights { .uniform(bound: 1 / Double(fanIn).squareRoot()) }

    /// The stream is the tensor's own: its values depend on the seed and its name alone, not on which other tensors are drawn.
    func fill(_ values: UnsafeMutableBufferPointer<Float>, name: String, seed: UInt64) {
        let place = Int(truncatingIfNeeded: Fingerprint.of(name).value)
        var random = SeededRandom(seed: seed, image: place, purpose: .weights)
        switch self {
        case .constant(let value): values.update(repeating: value)
        case .uniform(let bound):
            for index in values.indices { values[index] = Float((2 * random.uniform() - 1) * bound) }
        case .normal(let std):
            var index = 0
            while index < values.count {
                let (a, b) = Self.normalPair(&random)
                values[index] = Float(a * std)
                if index + 1 < values.count { values[index + 1] = Float(b * std) }
                index += 2
            }
        }
    }

    /// Two standard normal numbers: Marsaglia's polar method (Marsaglia and Bray 1964).
    private static func normalPair(_ random: inout SeededRandom) -> (Double, Double) {
        while true {
            let x = 2 * random.uniform() - 1, y = 2 * random.uniform() - 1
            let s = x * x + y * y
            guard s > 0, s < 1 else { continue }
            let factor = (-2 * logarithm(s) / s).squareRoot()
            return (x * factor, y * factor)
        }
    }

    /// Natural logarithm of a positive number, by arithmetic alone: the C library's takes other instructions on other processors and
    /// then rounds differently, and initial weights must be the same bits everywhere.
    static func logarithm(_ x: Double) -> Double {
        var mantissa = x.significand, exponent = Double(x.exponent)
        if mantissa > 1.4142135623730951 {
            mantissa /= 2
            exponent += 1
        }
        // log m = 2 atanh z; |z| <= 0.1716, so that the 14th term is below 1e-21.
        let z = (mantissa - 1) / (mantissa + 1), square = z * z
        var sum = 0.0
        for k in (0..<13).reversed() { sum = sum * square + 1 / Double(2 * k + 1) }
        return exponent * 0.6931471805599453 + 2 * z * sum
    }
}
