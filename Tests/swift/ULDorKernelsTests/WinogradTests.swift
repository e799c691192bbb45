import Glibc
import Testing
import ULDorKernels

/// F(4 x 4, 3 x 3) and F(2 x 2, 3 x 3).
private let winograds: [Algorithms] = [.fast, .gentle]

/// Where Winograd is chosen, by every table: sides that are no multiples of a tile's 4 or 2, channels and panels at the edges of
/// vectors, chains and register tiles, everything that the store folds in.
let winogradShapes: [ConvolutionCase] = [
    .init(height: 16, width: 16, channels: 16, out: 16),
    .init(height: 37, width: 37, channels: 16, out: 33, relu: true),
    .init(height: 37, width: 12, channels: 48, out: 17),
    .init(height: 15, width: 23, channels: 48, out: 33, relu: true, residual: (15, 23)),
    .init(height: 23, width: 15, channels: 48, out: 48, residual: (12, 8)),
    .init(height: 26, width: 7, channels: 64, out: 15),
    .init(height: 7, width: 35, channels: 256, out: 16),
    .init(height: 11, width: 12, channels: 256, out: 33, relu: true, residual: (6, 6)),
    .init(height: 12, width: 13, channels: 272, out: 31),
    .init(height: 8, width: 8, channels: 272, out: 256),
    .init(height: 8, width: 11, channels: 512, out: 48, relu: true),
    .init(height: 32, width: 32, channels: 64, out: 1),
    .init(batch: 2, height: 14, width: 14, channels: 64, out: 64, relu: true),
    .init(batch: 3, height: 19, width: 4, channels: 32, out: 32),
    .init(batch: 4, height: 3, width: 21, channels: 96, out: 33),
    .init(batch: 5, height: 14, width: 14, channels: 48, out: 40, relu: true, residual: (14, 14)),
    .init(batch: 5, height: 7, width: 7, channels: 112, out: 80, relu: true, residual: (4, 4)),
    .init(batch: 2, height: 14, width: 14, channels: 32, out: 32, relu: true, isStrided: true),
    .init(batch: 3, height: 10, width: 15, channels: 48, out: 17, residual: (5, 8), isStrided: true),
    // Every remainder of 4 beside every other, jobs that begin within an image and go over several.
    .init(batch: 7, height: 13, width: 13, channels: 32, out: 33, residual: (13, 13)),
    .init(batch: 7, height: 13, width: 14, channels: 32, out: 17, relu: true),
    .init(batch: 7, height: 15, width: 13, channels: 48, out: 31),
    .init(batch: 7, height: 14, width: 15, channels: 32, out: 48, residual: (7, 8)),
    .init(batch: 5, height: 15, width: 15, channels: 32, out: 16, relu: true, isStrided: true),
    .init(batch: 5, height: 16, width: 13, channels: 32, out: 32),
    .init(batch: 5, height: 14, width: 16, channels: 32, out: 15, relu: true, residual: (14, 16)),
    .init(batch: 5, height: 16, width: 15, channels: 32, out: 32),
    // No tile is whole.
    .init(batch: 40, height: 2, width: 2, channels: 64, out: 64, relu: true),
    .init(batch: 40, height: 3, width: 3, channels: 112, out: 79, residual: (3, 3)),
    .init(batch: 30, height: 3, width: 2, channels: 272, out: 40),
    .init(batch: 16, height: 2, width: 13, channels: 64, out: 33),
    .init(batch: 16, height: 15, width: 3, channels: 64, out: 33, relu: true),
    // As many tiles of 4, and of 2, as jobs have panels of, and one row more.
    .init(height: 32, width: 64, channels: 32, out: 47, relu: true, residual: (32, 64)),
    .init(height: 36, width: 64, channels: 32, out: 47),
    .init(height: 36, width: 32, channels: 32, out: 49, relu: true),
    .init(height: 38, width: 32, channels: 32, out: 49),
    .init(batch: 8, height: 14, width: 14, channels: 32, out: 64, relu: true),
    // Filters of several passes: more than 2.6 million floats.
    .init(batch: 1, height: 8, width: 12, channels: 512, out: 176),
    .init(batch: 1, height: 6, width: 6, channels: 512, out: 304),
]

/// Of one row or column: Winograd with tiles of 4 alone.
private let thinShapes: [ConvolutionCase] = [
    .init(batch: 16, height: 1, width: 13, channels: 256, out: 128),
    .init(batch: 16, height: 12, width: 1, channels: 256, out: 120),
]

@Suite struct WinogradTests {
    @Test(arguments: winogradShapes, winograds) func isChosen(_ shape: ConvolutionCase, _ algorithms: Algorithms) {
        for table in tables() {
            for threads: Int32 in [1, 2, 3, 8, 16] {
                let plan = shape.plan(table, threads: threads, by: algorithms)
                #expect(Int(plan.winograd_side) == algorithms.side, "\(name(table))")
            }
        }
    }

    /// By panels and by blocks of tiles: the other tests have both.
    @Test(arguments: winograds) func bothKindsOfJobs(_ algorithms: Algorithms) {
        for table in tablesByPanels() {
            let few = winogradShapes.map { $0.plan(table, threads: 1, by: algorithms).is_by_panels }
            #expect(few.count(where: { $0 }) >= 20 && few.contains(false), "\(name(table))")
            let many = winogradShapes.map { $0.plan(table, threads: 16, by: algorithms).is_by_panels }
            #expect(many.count(where: { !$0 }) >= 20, "\(name(table))")
        }
    }

    /// The finite points that tiles of this side are interpolated at.
    static func points(_ side: Int) -> [Double] { side == 4 ? [0, 0.625, -0.625, 1.5, -1.5] : [0, 1, -1] }

    /// Error of one output of the transformed product, in units of the output's own spread for independent inputs and weights.
    ///
    /// In one dimension output `y` is sum_i A[i][y] (G g)_i (B' d)_i. A rounding error relative to (G g)_i (B' d)_i, summed over
    /// channels like the products, reaches the output with A[i][y]; for unit variances the product at place i has the variance
    /// |G_i|^2 |B_i|^2, so the variance of the errors is gain^2 = sum_i A[i][y]^2 |G_i|^2 |B_i|^2 for a relative error of 1, and that of
    /// the output itself 3. Two dimensions are the square. The rows follow from the points alone (Cook-Toom): A[i][y] = p^y, G_i =
    /// (1, p, p^2) / N_i, B_i = coefficients of the product of the other points' factors.
    static func gains(_ side: Int) -> [Double] {
        let points = points(side)
        func norm2(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 } }
        var squares = [Double](repeating: 0, count: side)
        for (index, point) in points.enumerated() {
            // prod over other points of (x - q), lowest power first; at `point` it is N.
            var factors = [1.0]
            for (other, q) in points.enumerated() where other != index {
                factors = zip([0] + factors, factors.map { -q * $0 } + [0]).map { $0 + $1 }
            }
            let scale = factors.reversed().reduce(0) { $0 * point + $1 }
            let filter = norm2([1, point, point * point]) / (scale * scale)
            for y in 0..<side { squares[y] += pow(point * point, Double(y)) * filter * norm2(factors) }
        }
        // Infinity: the filter's last tap, prod over all points, the last output.
        var all = [1.0]
        for q in points { all = zip([0] + all, all.map { -q * $0 } + [0]).map { $0 + $1 } }
        squares[side - 1] += norm2(all)
        return squares.map { ($0 / 3).squareRoot() }
    }

    /// Root of the mean square, and largest, in units of the output's spread. Roundings are uniform within 2^-24 of what they round, a
    /// deviation of 2^-24 / sqrt(3) where the mantissa is 1 and less elsewhere. A sum of n random products, m <= 256 to a chain, rounds
    /// partial sums that grow to n: variance m/2 in a chain, n/(2m) in adding them up. To these come the transforms' own (six operations
    /// deep in each direction, twice; of F(2 x 2, 3 x 3) three). Measured (ULDOR_PRINT_ERRORS=1): about 0.7 of the rms, as a mean mantissa makes it.
    static func limits(_ side: Int, channels: Int) -> (rms: Double, max: Double) {
        let unit = 0x1p-24 / 3.0.squareRoot(), chain = Double(min(channels, Int(UK_CHAIN))), n = Double(channels)
        let each = unit * (chain / 2 + n / (2 * chain) + (side == 4 ? 24 : 12)).squareRoot()
        let gains = gains(side)
        let mean = gains.reduce(0) { $0 + $1 * $1 } / Double(side)
        let worst = gains.max()! * gains.max()!
        // Six standard deviations: fewer than one of 5e8 values lies beyond, and the largest case here has 2e5.
        return (each * mean, 6 * each * worst)
    }

    @Test(arguments: winogradShapes, winograds) func agreesWithReference(_ shape: ConvolutionCase, _ algorithms: Algorithms) {
        checkErrors(shape, algorithms)
    }

    @Test(arguments: thinShapes) func agreesWithReferenceWhereThin(_ shape: ConvolutionCase) {
        for table in tables() { #expect(shape.plan(table).winograd_side == 4, "\(name(table))") }
        checkErrors(shape, .fast)
    }

    private func checkErrors(_ shape: ConvolutionCase, _ algorithms: Algorithms) {
        let convolution = Convolution(shape)
        let expected = convolution.reference()
        // Inputs and weights are uniform in -1...1: a variance of 1/3 each, 9 products a channel.
        let spread = Double(shape.channels).squareRoot()
        // Tiles shorter than 4 round less than whole ones.
        let limits = Self.limits(algorithms.side, channels: shape.channels)
        // The store's own: a bias and a residual of order 1 added to values of up to 5 spreads.
        let store = 3 * 0x1p-24 * 5.0
        for table in tables() {
            let got = convolution.run(table, by: algorithms)
            let errors = zip(got, expected).map { (Double($0) - Double($1)) / spread }
            let rms = (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
            let largest = errors.reduce(0) { Swift.max($0, $1.isNaN ? .infinity : abs($1)) }
            #expect(rms < limits.rms, "\(name(table)): rms \(rms)")
            #expect(largest < limits.max + store, "\(name(table)): max \(largest)")
            if getenv("ULDOR_PRINT_ERRORS") != nil {
                print(
                    "winograd \(algorithms.side) \(name(table)) \(shape.testDescription): rms \(rms) of \(limits.rms), max \(largest) of \(limits.max)"
                )
            }
        }
    }

    @Test(arguments: winogradShapes, winograds) func sameBitsForAnyThreadsAndVectors(
        _ shape: ConvolutionCase, _ algorithms: Algorithms
    ) {
        Convolution(shape).expectSameBitsForAnyThreadsAndVectors(by: algorithms)
    }

    /// Any combination, on any number of threads: within the limits, the same bits by AVX2 and AVX-512.
    @Test(arguments: winograds) func anyShape(_ algorithms: Algorithms) {
        var generator = Generator(seed: 33), winograd = 0
        for _ in 0..<120 {
            func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &generator)] }
            func side(_ most: Int) -> Int { Int.random(in: 1...most, using: &generator) }
            var shape = ConvolutionCase(
                batch: side(5), height: side(37), width: side(37), channels: pick([16, 48, 256, 272, 512]),
                out: pick([1, 15, 17, 33, 256]), relu: pick([true, false]), isStrided: pick([true, false, false]))
            shape.residual = pick([
                nil, (shape.height, shape.width), ((shape.height + 1) / 2, (shape.width + 1) / 2),
            ])
            // What the reference has time for.
            guard shape.batch * shape.height * shape.width * shape.channels * shape.out < 4_000_000 else { continue }
            let convolution = Convolution(shape)
            let expected = convolution.reference()
            let limit = Float(
                (Self.limits(algorithms.side, channels: shape.channels).max + 15 * 0x1p-24) * Double(shape.channels).squareRoot())
            let direct = Float(9 * shape.channels) * Float.ulpOfOne + 1e-6
            for group in tablesOfEqualBits() {
                var first: [UInt32]?
                for table in group {
                    let isWinograd = shape.plan(table, by: algorithms).winograd_side > 0
                    let got = convolution.run(table, threads: Int32(side(16)), by: algorithms)
                    #expect(
                        largestDifference(got, expected) < (isWinograd ? limit : direct),
                        "\(name(table)), \(shape.testDescription)")
                    if let first { #expect(bits(got) == first, "\(shape.testDescription)") } else { first = bits(got) }
                    if isWinograd { winograd += 1 }
                }
            }
        }
        #expect(winograd >= 30)
    }

    /// Every small size: 1...37 in both directions, edges of tiles in the image's edges.
    @Test(arguments: winograds) func everySide(_ algorithms: Algorithms) {
        var count = 0
        for side in 1...37 {
            let shape = ConvolutionCase(batch: 2, height: side, width: 38 - side, channels: 32, out: 17, relu: side % 2 == 0)
            let convolution = Convolution(shape)
            let expected = convolution.reference()
            let limit = Float(Self.limits(algorithms.side, channels: 32).max * 32.0.squareRoot()) + 1e-6
            var first: [UInt32]?
            for table in tables() {
                if shape.plan(table, by: algorithms).winograd_side > 0 { count += 1 }
                let got = convolution.run(table, threads: 2, by: algorithms)
                #expect(largestDifference(got, expected) < limit, "\(name(table)), \(shape.testDescription)")
                if name(table) == "portable" { continue }
                if let first { #expect(bits(got) == first, "\(shape.testDescription)") } else { first = bits(got) }
            }
        }
        // A side of 1, and with 2 x 2 tiles one of 2, leaves too little of a tile; the others are Winograd.
        #expect(count >= 30 * tables().count)
    }

    /// Correlation is bilinear: right for every pair of one input pixel of a tile and one tap, it is right for all. Impulses at the 36
    /// places of a tile, one tap in each output channel; also what 1-D correlations along rows and columns are. In each direction the
    /// tile is that in the middle of 12 pixels (and the smaller ones within it), or the last of 13, 14 and 15.
    @Test(arguments: winograds, [12, 13, 14, 15]) func everyPairOfPixelAndTap(_ algorithms: Algorithms, height: Int) {
        for width in 12...15 { checkPairs(algorithms, height, width) }
    }

    private func checkPairs(_ algorithms: Algorithms, _ height: Int, _ width: Int) {
        let shape = ConvolutionCase(batch: 36, height: height, width: width, channels: 32, out: 9)
        let top = height == 12 ? 3 : height - 6, left = width == 12 ? 3 : width - 6
        var input = [Float](repeating: 0, count: 36 * height * width * 32)
        for place in 0..<36 {
            let y = top + place / 6, x = left + place % 6
            for c in 0..<9 { input[((place * height + y) * width + x) * 32 + c] = 1 }
        }
        // Output channel t: 1 at tap t of input channel t.
        var weights = [Float](repeating: 0, count: 9 * 32 * 9)
        for tap in 0..<9 { weights[(tap * 32 + tap) * 9 + tap] = 1 }
        let convolution = Convolution(shape, input: input, weights: weights, bias: [Float](repeating: 0, count: 9))
        for table in tables() {
            #expect(Int(shape.plan(table, by: algorithms).winograd_side) == algorithms.side)
            let got = convolution.run(table, by: algorithms)
            var largest: Float = 0
            for place in 0..<36 {
                for y in 0..<height {
                    for x in 0..<width {
                        for tap in 0..<9 {
                            let isHit = y - 1 + tap / 3 == top + place / 6 && x - 1 + tap % 3 == left + place % 6
                            largest = max(largest, abs(got[((place * height + y) * width + x) * 9 + tap] - (isHit ? 1 : 0)))
                        }
                    }
                }
            }
            // Six places in each direction add up terms of up to A B G = (3/2)^3 * 1.07 each, a few roundings every one; with points 0, 1
            // and -1 they are halves.
            #expect(largest <= (algorithms == .fast ? 4e-6 : 0), "\(name(table)), \(height) x \(width): \(largest)")
        }
    }

    /// The transformed filters themselves, against Cook-Toom in double: (1, p, p^2) / N for each point, and the last tap.
    @Test(arguments: winograds) func filtersAreTheirPolynomialsAtThePoints(_ algorithms: Algorithms) {
        let points = Self.points(algorithms.side), width = algorithms.side + 2, places = width * width
        var rows = points.enumerated().map { index, p in
            let n = points.enumerated().reduce(1.0) { $1.offset == index ? $0 : $0 * (p - $1.element) }
            return [1 / n, p / n, p * p / n]
        }
        rows.append([0, 0, 1])
        let shape = ConvolutionCase(height: 8, width: 8, channels: 32, out: 16)
        var generator = Generator(seed: 11)
        let weights = generator.floats(16 * 32 * 9)
        var exec = uk_exec(threads: 1, state: nil)
        let packed = Guarded([Float](repeating: 0, count: 16 * 32 * 9))
        #expect(uk_pack_conv(&exec, weights, nil, 16, 32, 3, 3, 0, packed.base) == UK_OK)
        let plane = 32 * 16 + 16
        for table in tables() {
            let filters = Guarded(count: places * plane)
            var work = shape.sizes
            work.packed = UnsafePointer(packed.base)
            let winograd = algorithms == .fast ? table.pointee.winograd_4 : table.pointee.winograd_2
            winograd.filters(&work, 0, 0, 20, filters.base)
            winograd.filters(&work, 0, 20, 12, filters.base)
            #expect(filters.isIntact)
            var largest = 0.0
            for place in 0..<places {
                for channel in 0..<32 {
                    for out in 0..<16 {
                        var sum = 0.0
                        for tap in 0..<9 {
                            sum +=
                                rows[place / width][tap / 3] * rows[place % width][tap % 3]
                                * Double(weights[(out * 32 + channel) * 9 + tap])
                        }
                        let got = Double(filters.base[place * plane + channel * 16 + out])
                        largest = max(largest, got.isNaN ? .infinity : abs(got - sum))
                    }
                }
            }
            // Sums of nine terms of at most (256/225)^2 in two steps of about four roundings each.
            #expect(largest < 9 * 1.3 * 8 * 0x1p-24, "\(name(table)): \(largest)")
        }
    }
}
