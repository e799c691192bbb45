import Testing
import ULDorKernels

let oddShapes: [ConvolutionCase] = [
    .init(height: 1, width: 1, channels: 1, out: 1),
    .init(height: 1, width: 1, channels: 3, out: 17, kernel: 1),
    .init(height: 7, width: 5, channels: 3, out: 8, kernel: 7, stride: 2, relu: true),
    .init(height: 13, width: 29, channels: 5, out: 16),
    .init(height: 8, width: 97, channels: 16, out: 15, kernel: 1, relu: true),
    .init(height: 19, width: 6, channels: 7, out: 33, stride: 2),
    .init(height: 11, width: 11, channels: 9, out: 40, kernel: 1, stride: 2),
    .init(batch: 5, height: 14, width: 14, channels: 24, out: 24, relu: true),
    .init(batch: 100, height: 1, width: 1, channels: 31, out: 10, kernel: 1),
    .init(height: 9, width: 10, channels: 12, out: 20, relu: true, residual: (9, 10)),
    .init(height: 16, width: 20, channels: 6, out: 18, kernel: 1, residual: (8, 10)),
    .init(height: 32, width: 24, channels: 64, out: 64, relu: true, residual: (32, 24)),
    // Chains: one product less than a chain, one more, several.
    .init(batch: 3, height: 1, width: 1, channels: 255, out: 16, kernel: 1),
    .init(batch: 3, height: 1, width: 1, channels: 257, out: 33, kernel: 1),
    .init(batch: 2, height: 3, width: 5, channels: 272, out: 31, kernel: 1, relu: true),
    .init(batch: 2, height: 5, width: 3, channels: 48, out: 17, stride: 2, residual: (2, 1)),
    // More products than 4096: larger jobs.
    .init(batch: 230, height: 1, width: 1, channels: 4100, out: 3, kernel: 1),
    .init(batch: 2, height: 7, width: 9, channels: 32, out: 32, kernel: 1, relu: true, isStrided: true),
]

/// The direct algorithm.
@Suite struct ConvolutionTests {
    @Test(arguments: oddShapes) func agreesWithReference(_ shape: ConvolutionCase) {
        Convolution(shape).expectDirectSums(by: .direct)
    }

    @Test(arguments: oddShapes) func sameBitsForAnyThreadsAndVectors(_ shape: ConvolutionCase) {
        Convolution(shape).expectSameBitsForAnyThreadsAndVectors(by: .direct)
    }

    @Test func directIsNeverWinograd() {
        for table in tables() {
            for shape in oddShapes + winogradShapes { #expect(shape.plan(table, by: .direct).winograd_side == 0) }
        }
    }

    /// torch's interpolate(mode="nearest") source index, which the FPN's odd sizes depend on.
    @Test func nearestResidualOfOddSizes() {
        let plain = ConvolutionCase(height: 7, width: 5, channels: 1, out: 1, kernel: 1)
        var shape = plain
        shape.residual = (4, 3)
        var generator = Generator(seed: 4)
        let input = generator.floats(7 * 5), weights = generator.floats(1), bias = generator.floats(1)
        let added = generator.floats(4 * 3)
        for table in tables() {
            let with = Convolution(shape, input: input, weights: weights, bias: bias, added: added).run(table)
            let without = Convolution(plain, input: input, weights: weights, bias: bias).run(table)
            for y in 0..<7 {
                for x in 0..<5 {
                    let source = added[Int(Float(y) * (4 / 7)) * 3 + Int(Float(x) * (3 / 5))]
                    #expect(abs(with[y * 5 + x] - without[y * 5 + x] - source) < 1e-6)
                }
            }
        }
    }

    @Test(arguments: Algorithms.allCases) func cancelledConvolutionSaysSo(_ algorithms: Algorithms) {
        let shape = ConvolutionCase(batch: 2, height: 12, width: 12, channels: 32, out: 33)
        let convolution = Convolution(shape)
        for table in tables() {
            #expect(shape.plan(table, by: algorithms).winograd_side == algorithms.side)
            for threads: Int32 in [1, 3] {
                let stopped = convolution.runStopped(table, threads: threads, by: algorithms)
                #expect(stopped.status == UK_CANCELLED && stopped.isUntouched, "\(name(table)), \(threads) threads")
            }
        }
    }

    @Test func cancelledPoolingSaysSo() {
        var flag = Int32(UK_STOPPING)
        withUnsafePointer(to: &flag) { flag in
            var exec = uk_exec(threads: 2, state: flag)
            var planes = [Float](repeating: 1, count: 64), output = [Float](repeating: -1, count: 16)
            #expect(uk_max_pool(&exec, uk_table_for(Int32(UK_PORTABLE)), &planes, 8, 8, 1, &output) == UK_CANCELLED)
            #expect(output.allSatisfy { $0 == -1 })
        }
    }
}
