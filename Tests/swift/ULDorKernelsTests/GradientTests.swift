import Testing
import ULDorKernels

let gradientShapes: [GradientCase] = [
    .init(height: 1, width: 1, channels: 1, out: 1),
    .init(height: 1, width: 1, channels: 3, out: 17, kernel: 1),
    .init(height: 1, width: 1, channels: 17, out: 3, kernel: 3, hasScale: true),
    .init(height: 7, width: 5, channels: 3, out: 33, kernel: 7, stride: 2, hasScale: true),
    .init(height: 7, width: 5, channels: 17, out: 48, hasScale: true),
    .init(height: 7, width: 5, channels: 33, out: 17, kernel: 1),
    .init(height: 7, width: 5, channels: 33, out: 17, kernel: 1, gap: 5),
    .init(batch: 3, height: 7, width: 5, channels: 48, out: 33, hasBias: false),
    .init(batch: 2, height: 7, width: 5, channels: 17, out: 3, stride: 2, gap: 3),
    .init(batch: 2, height: 6, width: 8, channels: 33, out: 3, stride: 2),
    .init(batch: 3, height: 7, width: 5, channels: 48, out: 19, kernel: 1, stride: 2, hasScale: true),
    .init(batch: 2, height: 8, width: 6, channels: 16, out: 20, kernel: 1, stride: 2, gap: 1),
    .init(batch: 2, height: 8, width: 10, channels: 17, out: 33, kernel: 2, stride: 2),
    .init(batch: 2, height: 7, width: 9, channels: 20, out: 5, kernel: 2, stride: 2, hasBias: false, gap: 2),
    // A phase that is a 1 x 1 convolution to more pixels than it has, of a map that is its own only group of channels.
    .init(batch: 2, height: 7, width: 9, channels: 20, out: 16, kernel: 2, stride: 2, padding: 0),
    .init(batch: 2, height: 7, width: 9, channels: 64, out: 64, kernel: 2, stride: 2, padding: 0),
    .init(batch: 2, height: 7, width: 5, channels: 3, out: 4, kernel: 2, padding: 0),
    .init(height: 9, width: 8, channels: 5, out: 6, kernel: 2, padding: 1),
    .init(height: 9, width: 11, channels: 4, out: 7, kernel: 3, padding: 0),
    .init(height: 5, width: 6, channels: 4, out: 7, kernel: 3, padding: 2),
    .init(batch: 2, height: 9, width: 11, channels: 4, out: 7, stride: 2, padding: 0),
    .init(batch: 5, height: 14, width: 14, channels: 24, out: 24),
    .init(batch: 2, height: 13, width: 29, channels: 33, out: 40, hasScale: true, gap: 7),
    .init(batch: 37, height: 1, width: 1, channels: 1250, out: 21, kernel: 1),
    .init(batch: 300, height: 1, width: 1, channels: 48, out: 130, kernel: 1, hasScale: true),
    // Chains: one product less than a chain, one more, several; more panels and rows than a block has.
    .init(height: 15, width: 17, channels: 17, out: 9, kernel: 1),
    .init(batch: 257, height: 1, width: 1, channels: 16, out: 16, kernel: 1),
    .init(height: 17, width: 61, channels: 16, out: 33),
    .init(batch: 2, height: 23, width: 25, channels: 80, out: 129),
    .init(height: 41, width: 40, channels: 3, out: 64, kernel: 7, stride: 2),
]

/// Where the gradients are taken by Winograd: that of the input, and (all but the second and third) that of the weights.
let winogradGradientShapes: [GradientCase] = [
    .init(height: 32, width: 32, channels: 16, out: 16),
    .init(height: 37, width: 12, channels: 17, out: 48, hasScale: true),
    .init(batch: 3, height: 19, width: 4, channels: 32, out: 32, gap: 4),
    .init(batch: 5, height: 14, width: 14, channels: 64, out: 64),
    .init(height: 31, width: 35, channels: 16, out: 16),
    .init(batch: 2, height: 23, width: 25, channels: 48, out: 144, hasScale: true, gap: 3),
    // Chunks of tiles: one more than one, several.
    .init(height: 64, width: 65, channels: 16, out: 32, hasBias: false),
    .init(batch: 40, height: 13, width: 14, channels: 32, out: 16),
]

/// The gradients of convolutions and fully connected layers.
@Suite struct GradientTests {
    /// A rounding for each of the products, which are of order 1; twice that with a scale.
    private func limit(_ products: Int, _ shape: GradientCase) -> Float {
        (Float(products) * Float.ulpOfOne + 1e-6) * (shape.hasScale ? 2 : 1)
    }

    @Test(arguments: gradientShapes + winogradGradientShapes) func weightsAgreeWithDefinition(_ shape: GradientCase) {
        let gradient = Gradient(shape)
        let expected = gradient.expectedWeightGradient(), limit = limit(shape.weightProducts, shape)
        for table in tables() {
            for threads: Int32 in [1, 3] {
                let difference = largestDifference(gradient.weightGradient(table, threads: threads, by: .direct), expected)
                #expect(difference < limit, "\(name(table)), \(threads) threads")
            }
        }
    }

    @Test(arguments: gradientShapes + winogradGradientShapes, [false, true])
    func inputsAgreeWithDefinition(_ shape: GradientCase, _ adds: Bool) {
        let gradient = Gradient(shape)
        let expected = gradient.expectedInputGradient(adds: adds), limit = limit(shape.inputProducts, shape)
        for table in tables() {
            for threads: Int32 in [1, 3] {
                let got = gradient.inputGradient(table, threads: threads, by: .direct, adds: adds)
                #expect(largestDifference(got, expected) < limit, "\(name(table)), \(threads) threads")
            }
        }
    }

    /// More filters than are packed at a time.
    @Test func inputsOfGroupsAgreeWithDefinition() {
        let shape = GradientCase(height: 1, width: 1, channels: 1700, out: 2100, kernel: 1)
        let gradient = Gradient(shape)
        let got = gradient.inputGradient(uk_table_for(Int32(UK_BEST)), threads: 3, by: .direct)
        #expect(largestDifference(got, gradient.expectedInputGradient()) < limit(shape.inputProducts, shape))
    }

    /// Winograd's errors are larger, but small beside the tensor's largest value.
    @Test(arguments: winogradGradientShapes, [false, true]) func winogradInputsAgreeWithDefinition(
        _ shape: GradientCase, _ adds: Bool
    ) {
        let gradient = Gradient(shape)
        let expected = gradient.expectedInputGradient(adds: adds)
        let largest = expected.reduce(0) { max($0, abs($1)) }
        for table in tables() {
            let direct = gradient.inputGradient(table, by: .direct, adds: adds)
            let gentle = gradient.inputGradient(table, by: .gentle, adds: adds)
            let fast = gradient.inputGradient(table, by: .fast, adds: adds)
            #expect(largestDifference(gentle, expected) < 2e-6 * largest, "\(name(table)), gentle")
            #expect(largestDifference(fast, expected) < 5e-6 * largest, "\(name(table))")
            #expect(fast != direct && gentle != direct && gentle != fast, "\(name(table)): not Winograd")
        }
    }

    @Test(arguments: winogradGradientShapes) func winogradWeightsAgreeWithDefinition(_ shape: GradientCase) {
        let gradient = Gradient(shape)
        let expected = gradient.expectedWeightGradient()
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let tiles = shape.batch * ((shape.height + 3) / 4) * ((shape.width + 3) / 4)
        for table in tables() {
            let direct = gradient.weightGradient(table, by: .direct), got = gradient.weightGradient(table, by: .fast)
            #expect(gradient.weightGradient(table, by: .gentle) == direct, "\(name(table)): gentle is direct")
            #expect(largestDifference(got, expected) < 5e-6 * largest, "\(name(table))")
            #expect((got != direct) == (tiles >= 64 && shape.channels % 16 == 0), "\(name(table)): Winograd or not")
        }
    }

    @Test(arguments: gradientShapes + winogradGradientShapes) func sameBitsForAnyThreadsAndVectors(_ shape: GradientCase) {
        let gradient = Gradient(shape)
        for group in tablesOfEqualBits() {
            let weights = Algorithms.allCases.map { gradient.weightGradient(group[0], by: $0) }
            let inputs = Algorithms.allCases.map { gradient.inputGradient(group[0], by: $0) }
            for table in group {
                for threads: Int32 in [1, 3, 16] {
                    for (algorithms, weight) in zip(Algorithms.allCases, weights) {
                        let got = gradient.weightGradient(table, threads: threads, by: algorithms)
                        #expect(bits(got) == bits(weight), "\(name(table)), \(threads) threads, \(algorithms)")
                    }
                    for (algorithms, input) in zip(Algorithms.allCases, inputs) {
                        let got = gradient.inputGradient(table, threads: threads, by: algorithms)
                        #expect(bits(got) == bits(input), "\(name(table)), \(threads) threads, \(algorithms)")
                    }
                }
            }
        }
    }

    /// A pass is planned for the most regions it may have; fewer must not need more.
    @Test(arguments: gradientShapes + winogradGradientShapes) func scratchGrowsWithBatch(_ shape: GradientCase) {
        for table in tables() {
            for threads: Int32 in [1, 2, 3, 16] {
                var last = [Int](repeating: 0, count: 2 * Algorithms.allCases.count)
                for batch in 0..<70 {
                    var larger = shape
                    larger.batch = batch
                    let floats = Algorithms.allCases.flatMap {
                        [
                            larger.weightFloats(table, threads: threads, by: $0),
                            larger.inputFloats(table, threads: threads, by: $0),
                        ]
                    }
                    #expect(zip(last, floats).allSatisfy { $0 <= $1 }, "\(name(table)), \(threads) threads, batch \(batch)")
                    last = floats
                }
            }
        }
    }

    @Test func noImagesHaveNoGradient() {
        var shape = GradientCase(height: 7, width: 5, channels: 3, out: 4)
        shape.batch = 0
        for table in tables() {
            let gradient = Gradient(shape)
            #expect(gradient.weightGradient(table, by: .fast) == gradient.expectedWeightGradient())
            #expect(gradient.inputGradient(table, by: .direct).isEmpty)
        }
    }

    @Test func cancelledGradientsSaySo() {
        for shape in [gradientShapes[4], gradientShapes[8], gradientShapes[21], winogradGradientShapes[3]] {
            let gradient = Gradient(shape)
            for table in tables() {
                for threads: Int32 in [1, 3] {
                    for algorithms in Algorithms.allCases { gradient.expectStopped(table, threads: threads, by: algorithms) }
                }
            }
        }
    }
}
