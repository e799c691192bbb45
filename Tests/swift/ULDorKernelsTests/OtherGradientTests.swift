import Glibc
import Testing
import ULDorKernels

/// Gradients of what is no convolution, and the step of the optimiser.
@Suite struct OtherGradientTests {
    private func run(_ threads: Int32, _ body: (UnsafePointer<uk_exec>) -> Int32) {
        var exec = uk_exec(threads: threads, state: nil)
        #expect(body(&exec) == UK_OK)
    }

    @Test(arguments: [1, 5, 31, 32, 33, 70], [0, 3]) func biasIsTheSumOfPixels(_ channels: Int, _ gap: Int) {
        var generator = Generator(seed: 5)
        let layout = Layout(batch: 3, height: 7, width: 5, channels: channels, gap: gap)
        let gradient = generator.floats(3 * 35 * channels), start = generator.floats(channels)
        let memory = layout.spread(gradient)
        var expected = start
        for channel in 0..<channels {
            var sum = Double(start[channel])
            for pixel in 0..<3 * 35 { sum += Double(gradient[pixel * channels + channel]) }
            expected[channel] = Float(sum)
        }
        for threads: Int32 in [1, 3] {
            let bias = Guarded(start)
            var map = layout.map(memory.base)
            run(threads) { uk_bias_gradient($0, &map, 3, Int32(channels), bias.base) }
            #expect(largestDifference(bias.values, expected) < 1e-6)
            #expect(bias.isIntact)
        }
    }

    /// Lengths around the pieces that threads share.
    @Test(arguments: [0, 1, 7, 1000, 1 << 15, 1 << 15 + 1, 100_003]) func arraysAgreeWithDefinition(_ count: Int) {
        var generator = Generator(seed: 6)
        let output = generator.floats(count).map { max($0, 0) }, gradient = generator.floats(count)
        for threads: Int32 in [1, 3] {
            let masked = Guarded(gradient), from = Guarded(output)
            run(threads) { uk_relu_gradient($0, from.base, masked.base, Int64(count)) }
            #expect(masked.values == zip(output, gradient).map { $0 > 0 ? $1 : 0 })
            let sum = Guarded(gradient)
            run(threads) { uk_accumulate($0, from.base, Int64(count), sum.base) }
            #expect(sum.values == zip(gradient, output).map { $0 + $1 })
            #expect(masked.isIntact && sum.isIntact)
        }
    }

    /// Where the output is 0, or NaN, there is no gradient, whatever it holds: torch's threshold_backward writes 0.
    @Test func reluCutsOffWhatIsNotANumber() {
        let output: [Float] = [0, -0.0, .nan, 1, .leastNonzeroMagnitude, .infinity]
        var gradient: [Float] = [.nan, .infinity, 3, .nan, 2, -1]
        run(1) { uk_relu_gradient($0, output, &gradient, 6) }
        #expect(Array(gradient[..<3]) == [0, 0, 0] && gradient[3].isNaN && Array(gradient[4...]) == [2, -1])
    }

    @Test(arguments: [(0, 0), (1, 1), (1 << 15, 1), (1 << 15 + 1, 2), (200_001, 7)])
    func sumOfSquares(_ count: Int, _ pieces: Int) {
        var generator = Generator(seed: 7)
        let values = generator.floats(count)
        let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(uk_sum_squares_doubles(Int64(count)) == Int64(pieces))
        var sums: [Double] = []
        for threads: Int32 in [1, 3, 16] {
            var scratch = [Double](repeating: .nan, count: pieces + 1), sum = -1.0
            run(threads) { uk_sum_squares($0, values, Int64(count), &scratch, &sum) }
            #expect(scratch[pieces].isNaN)
            #expect(abs(sum - expected) <= 1e-12 * expected)
            sums.append(sum)
        }
        #expect(Set(sums).count == 1)
    }

    @Test(arguments: [(7, 5, 4, 3), (8, 6, 4, 3), (1, 1, 1, 1), (3, 4, 3, 4), (13, 2, 5, 1)], [0, 2])
    func nearestAgreesWithDefinition(_ size: (height: Int, width: Int, coarseHeight: Int, coarseWidth: Int), _ gap: Int) {
        var generator = Generator(seed: 8)
        let (batch, channels) = (2, 19)
        let fine = Layout(batch: batch, height: size.height, width: size.width, channels: channels, gap: gap)
        let coarse = Layout(batch: batch, height: size.coarseHeight, width: size.coarseWidth, channels: channels, gap: gap)
        let gradient = generator.floats(batch * size.height * size.width * channels)
        let start = generator.floats(batch * size.coarseHeight * size.coarseWidth * channels)
        var expected = start.map(Double.init)
        for (index, value) in gradient.enumerated() {
            let c = index % channels, x = index / channels % size.width, y = index / channels / size.width % size.height
            let n = index / channels / size.width / size.height
            let toY = Int(Float(y) * (Float(size.coarseHeight) / Float(size.height)))
            let toX = Int(Float(x) * (Float(size.coarseWidth) / Float(size.width)))
            expected[((n * size.coarseHeight + toY) * size.coarseWidth + toX) * channels + c] += Double(value)
        }
        let from = fine.spread(gradient)
        for threads: Int32 in [1, 3] {
            let to = coarse.spread(start)
            var fineMap = fine.map(from.base), coarseMap = coarse.map(to.base)
            run(threads) { uk_upsample_gradient($0, &fineMap, &coarseMap, Int32(batch), Int32(channels)) }
            #expect(largestDifference(coarse.dense(to), expected.map(Float.init)) < 2e-6)
            #expect(to.isIntact && coarse.isUntouchedBetween(to))
        }
    }

    @Test(arguments: [(1, 1), (2, 3), (9, 8), (16, 31)], [1, 5, 37])
    func maxPoolAgreesWithDefinition(_ size: (height: Int, width: Int), _ channels: Int) {
        var generator = Generator(seed: 9)
        let (height, width) = size
        // A few different values: windows have several greatest ones.
        let input = generator.floats(height * width * channels).map { ($0 * 2).rounded() }
        let outHeight = (height - 1) / 2 + 1, outWidth = (width - 1) / 2 + 1
        let gradient = generator.floats(outHeight * outWidth * channels)
        var expected = [Double](repeating: 0, count: input.count)
        for (index, value) in gradient.enumerated() {
            let c = index % channels, x = index / channels % outWidth, y = index / channels / outWidth
            var best: Int?
            for yy in max(0, 2 * y - 1)...min(height - 1, 2 * y + 1) {
                for xx in max(0, 2 * x - 1)...min(width - 1, 2 * x + 1) {
                    let at = (yy * width + xx) * channels + c
                    if best.map({ input[at] > input[$0] }) ?? true { best = at }
                }
            }
            if let best { expected[best] += Double(value) }
        }
        let from = Guarded(input), of = Guarded(gradient)
        for table in tables() {
            for threads: Int32 in [1, 3] {
                let to = Guarded(count: input.count)
                run(threads) {
                    uk_max_pool_gradient($0, from.base, Int32(height), Int32(width), Int32(channels), of.base, to.base)
                }
                #expect(largestDifference(to.values, expected.map(Float.init)) < 1e-6, "\(name(table))")
                #expect(to.isIntact)
            }
        }
    }

    /// torch.optim.SGD, step by step in double precision.
    @Test(arguments: [1, 1000, 70_001]) func sgdAgreesWithDefinition(_ count: Int) {
        var generator = Generator(seed: 10)
        let start = generator.floats(count), gradients = (0..<3).map { _ in generator.floats(count) }
        let (rate, factor): (Float, Float) = (0.1, 0.25), (kept, decay): (Float, Float) = (0.9, 0.01)
        var weights = start.map(Double.init), momentum = [Double](repeating: 0, count: count)
        for gradient in gradients {
            for i in 0..<count {
                momentum[i] = Double(kept) * momentum[i] + Double(factor) * Double(gradient[i]) + Double(decay) * weights[i]
                weights[i] -= Double(rate) * momentum[i]
            }
        }
        for threads: Int32 in [1, 3] {
            let own = Guarded(start), moved = Guarded([Float](repeating: 0, count: count))
            for gradient in gradients {
                run(threads) { uk_sgd($0, own.base, gradient, moved.base, Int64(count), rate, kept, decay, factor) }
            }
            #expect(largestDifference(own.values, weights.map(Float.init)) < 1e-6)
            #expect(largestDifference(moved.values, momentum.map(Float.init)) < 1e-6)
            #expect(own.isIntact && moved.isIntact)
        }
    }

    /// torch.optim.AdamW, step by step in double precision; the same bits for any number of threads. Gradients over many orders of
    /// magnitude, and none at all.
    @Test(arguments: [1, 1000, 70_001]) func adamwAgreesWithDefinition(_ count: Int) {
        var generator = Generator(seed: 11)
        let start = generator.floats(count), sizes: [Float] = [1, 1e-3, 1e-9, 1e4]
        var gradients = (0..<3).map { _ in generator.floats(count) }
        for step in 0..<3 {
            for i in 0..<count { gradients[step][i] *= i % 7 == 3 ? 0 : sizes[i % 4] }
        }
        let (rate, kept, second, decay, factor) = (0.1, 0.9, 0.99, 0.01, 0.25)
        let zeros = [Double](repeating: 0, count: count)
        var weights = start.map(Double.init), momentum = zeros, squares = zeros
        for (step, gradient) in gradients.enumerated() {
            let exponent = Double(step + 1)
            for i in 0..<count {
                let d = factor * Double(gradient[i])
                momentum[i] = kept * momentum[i] + (1 - kept) * d
                squares[i] = second * squares[i] + (1 - second) * d * d
                let mean = momentum[i] / (1 - pow(kept, exponent))
                let deviation = (squares[i] / (1 - pow(second, exponent))).squareRoot()
                weights[i] -= rate * decay * weights[i] + rate * mean / (deviation + 1e-8)
            }
        }
        var seen: [[UInt32]] = []
        for threads: Int32 in [1, 3] {
            let none = [Float](repeating: 0, count: count)
            let own = Guarded(start), moved = Guarded(none), spread = Guarded(none)
            for (step, gradient) in gradients.enumerated() {
                var rates = uk_adamw_rates(
                    rate: rate, momentum: kept, squares: second, decay: decay, factor: factor, step: Int64(step + 1))
                run(threads) { uk_adamw($0, own.base, gradient, moved.base, spread.base, Int64(count), &rates) }
            }
            // Each step moves a weight by as much as the rate: rounding is that of 0.1.
            #expect(largestDifference(own.values, weights.map(Float.init)) < 1e-6)
            let ownMomentum = moved.values, ownSquares = spread.values
            #expect((0..<count).allSatisfy { abs(Double(ownMomentum[$0]) - momentum[$0]) <= 1e-6 * Double(sizes[$0 % 4]) })
            #expect((0..<count).allSatisfy { abs(Double(ownSquares[$0]) - squares[$0]) <= 1e-6 * squares[$0] })
            #expect(own.isIntact && moved.isIntact && spread.isIntact)
            seen.append(bits(own.values) + bits(moved.values) + bits(spread.values))
        }
        #expect(seen[0] == seen[1])
    }

    @Test func stoppedCallsSaySo() {
        var flag = Int32(UK_STOPPING)
        withUnsafePointer(to: &flag) { flag in
            var exec = uk_exec(threads: 2, state: flag)
            let ones = [Float](repeating: 1, count: 64)
            var to = [Float](repeating: -1, count: 64), momentum = to, sums = [0.0], sum = -1.0
            let layout = Layout(batch: 1, height: 8, width: 8, channels: 1, gap: 0)
            #expect(uk_relu_gradient(&exec, ones, &to, 64) == UK_CANCELLED)
            #expect(uk_accumulate(&exec, ones, 64, &to) == UK_CANCELLED)
            #expect(uk_sgd(&exec, &to, ones, &momentum, 64, 1, 1, 1, 1) == UK_CANCELLED)
            var rates = uk_adamw_rates(rate: 1, momentum: 0.5, squares: 0.5, decay: 1, factor: 1, step: 1), squares = to
            #expect(uk_adamw(&exec, &to, ones, &momentum, &squares, 64, &rates) == UK_CANCELLED)
            #expect(uk_sum_squares(&exec, ones, 64, &sums, &sum) == UK_CANCELLED)
            let target = Guarded(to)
            var map = layout.map(target.base)
            #expect(uk_bias_gradient(&exec, &map, 1, 1, &to) == UK_CANCELLED)
            #expect(uk_upsample_gradient(&exec, &map, &map, 1, 1) == UK_CANCELLED)
            #expect(uk_max_pool_gradient(&exec, ones, 8, 8, 1, ones, target.base) == UK_CANCELLED)
            #expect(to.allSatisfy { $0 == -1 } && target.values.allSatisfy { $0 == -1 } && sum == -1)
        }
    }
}
