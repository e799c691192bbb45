import Testing
import ULDorKernels

/// 1 x 1 convolutions and fully connected layers whose halves can be multiplied by Strassen's seven products: odd numbers of
/// rows, one chain of products and several, less than a whole chain at the end, several passes over the weights, few rows and many.
let strassenShapes: [ConvolutionCase] = [
    .init(height: 1, width: 1, channels: 32, out: 64, kernel: 1),
    .init(batch: 3, height: 1, width: 1, channels: 96, out: 64, kernel: 1, relu: true),
    .init(height: 5, width: 7, channels: 256, out: 128, kernel: 1, relu: true, residual: (5, 7)),
    .init(height: 6, width: 9, channels: 288, out: 64, kernel: 1, residual: (3, 5)),
    .init(batch: 2, height: 9, width: 9, channels: 544, out: 192, kernel: 1, relu: true),
    .init(height: 17, width: 15, channels: 512, out: 64, kernel: 1, stride: 2),
    .init(batch: 3, height: 5, width: 3, channels: 64, out: 64, kernel: 1, relu: true, isStrided: true),
    .init(batch: 61, height: 1, width: 1, channels: 2080, out: 1024, kernel: 1, relu: true),
    .init(batch: 301, height: 1, width: 1, channels: 768, out: 64, kernel: 1),
    .init(height: 23, width: 29, channels: 128, out: 64, kernel: 1, relu: true, residual: (23, 29)),
]

/// Strassen's products (bodies/strassen.h).
@Suite struct StrassenTests {
    @Test(arguments: strassenShapes) func agreesWithReference(_ shape: ConvolutionCase) {
        for table in tables() { #expect(shape.plan(table, by: .strassen).is_strassen) }
        Convolution(shape).expectDirectSums(by: .strassen)
    }

    @Test(arguments: strassenShapes) func sameBitsForAnyThreadsAndVectors(_ shape: ConvolutionCase) {
        Convolution(shape).expectSameBitsForAnyThreadsAndVectors(by: .strassen)
    }

    /// Pairs are read where they lie: an output with more pixels than the input has is left to direct sums.
    @Test(arguments: [(0, 0), (1, 0), (0, 1)]) func needsAPixelForEach(_ more: (height: Int32, width: Int32)) {
        for table in tables() {
            var conv = ConvolutionCase(height: 6, width: 8, channels: 64, out: 64, kernel: 1).sizes
            conv.output.height += more.height
            conv.output.width += more.width
            let plan = uk_plan_convolution(table, &conv, 1, Algorithms.strassen.rawValue)
            #expect(plan.is_strassen == (more == (0, 0)))
        }
    }

    /// A pixel's values depend on its partner and on nothing else: fewer regions give the same ones.
    @Test func pairsStandAlone() {
        var generator = Generator(seed: 31)
        let (channels, out) = (1056, 64)
        let input = generator.floats(40 * channels), weights = generator.floats(out * channels), bias = generator.floats(out)
        func run(_ batch: Int, _ table: UnsafePointer<uk_table>) -> [Float] {
            let shape = ConvolutionCase(batch: batch, height: 1, width: 1, channels: channels, out: out, kernel: 1)
            return Convolution(shape, input: Array(input[..<(batch * channels)]), weights: weights, bias: bias).run(
                table, by: .strassen)
        }
        for table in tables() {
            let all = run(40, table)
            for batch in [2, 7, 24] {
                let whole = batch / 2 * 2 * out
                #expect(bits(Array(run(batch, table)[..<whole])) == bits(Array(all[..<whole])), "\(name(table)), \(batch)")
            }
        }
    }

    /// The network's layers that have it, and those that have not: with few products, few pixels, few channels, odd panels, a kernel of 3 x 3.
    @Test func chosenWhereItPays() {
        for table in tables() {
            func isChosen(_ shape: ConvolutionCase, by algorithms: Algorithms = .fast) -> Bool {
                shape.plan(table, by: algorithms).is_strassen
            }
            let fullyConnected = ConvolutionCase(batch: 1000, height: 1, width: 1, channels: 12544, out: 1024, kernel: 1)
            #expect(isChosen(fullyConnected))
            #expect(!isChosen(fullyConnected, by: .gentle) && !isChosen(fullyConnected, by: .direct))
            #expect(isChosen(.init(batch: 1000, height: 1, width: 1, channels: 1024, out: 1024, kernel: 1)))
            #expect(isChosen(.init(height: 64, width: 64, channels: 512, out: 1024, kernel: 1, stride: 2)))
            #expect(!isChosen(.init(height: 32, width: 32, channels: 1024, out: 512, kernel: 1)))
            #expect(!isChosen(.init(height: 32, width: 32, channels: 256, out: 1024, kernel: 1)))
            #expect(!isChosen(.init(height: 16, width: 16, channels: 2048, out: 512, kernel: 1)))
            #expect(!isChosen(.init(height: 64, width: 64, channels: 512, out: 128, kernel: 1)))
            #expect(!isChosen(.init(height: 64, width: 64, channels: 512, out: 272, kernel: 1), by: .strassen))
            #expect(!isChosen(.init(height: 64, width: 64, channels: 512, out: 256, stride: 2), by: .strassen))
        }
    }

    @Test func cancelledSaysSo() {
        let shape = ConvolutionCase(batch: 50, height: 1, width: 1, channels: 512, out: 64, kernel: 1)
        for table in tables() {
            for threads: Int32 in [1, 3] {
                let stopped = Convolution(shape).runStopped(table, threads: threads, by: .strassen)
                #expect(stopped.status == UK_CANCELLED && stopped.isUntouched, "\(name(table)), \(threads) threads")
            }
        }
    }
}
