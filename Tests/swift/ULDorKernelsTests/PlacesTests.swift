import Testing
import ULDorKernels

/// Several convolutions as one, and the border that makes a kernel's row one piece.
@Suite struct PlacesTests {
    /// The mask head's transposed convolution: four 1 x 1 convolutions of one input into the pixels of 2 x 2 blocks. Each must give
    /// the bits that it gives alone.
    @Test(arguments: [
        (1, 3, 5, 16, 16), (2, 7, 3, 33, 17), (3, 14, 14, 48, 40), (5, 4, 4, 272, 1), (9, 14, 14, 32, 64), (0, 14, 14, 16, 16),
    ])
    func fourPlacesAreFourConvolutions(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ out: Int) {
        var generator = Generator(seed: UInt64(batch * 100 + out))
        let input = generator.floats(batch * height * width * channels)
        let weights = (0..<4).map { _ in generator.floats(out * channels) }
        let biases = (0..<4).map { _ in generator.floats(out) }
        let shape = ConvolutionCase(
            batch: batch, height: height, width: width, channels: channels, out: out, kernel: 1, relu: true)
        let panels = Int(uk_panels(Int32(out)))
        for table in tables() {
            let alone = (0..<4).map { Convolution(shape, input: input, weights: weights[$0], bias: biases[$0]).run(table) }
            var exec = uk_exec(threads: 1, state: nil)
            let packed = Guarded([Float](repeating: 0, count: 4 * panels * 16 * channels))
            let bias = Guarded([Float](repeating: 0, count: 4 * panels * 16))
            for place in 0..<4 {
                let first = place * panels * 16
                let status = uk_pack_conv(
                    &exec, weights[place], nil, Int32(out), Int32(channels), 1, 1, Int32(first), packed.base)
                #expect(status == UK_OK)
                for index in 0..<out { bias.base[first + index] = biases[place][index] }
            }
            let groups = Groups(pixels: batch * height * width * 4, channels: out)
            for (threads, isGrouped) in [(1, false), (2, false), (3, false), (8, false), (16, false), (1, true), (3, true)]
                as [(Int32, Bool)]
            where !isGrouped || out % 16 == 0 {
                let from = Guarded(input), written = Guarded(count: isGrouped ? groups.count : groups.pixels * out)
                var work = shape.sizes
                work.input.data = from.base
                work.output = shape.map(written.base, height, width, out, step: 2, group: isGrouped ? groups.stride : 0)
                let pixel = isGrouped ? 16 : out, row = 2 * width * pixel
                (work.packed, work.bias) = (UnsafePointer(packed.base), UnsafePointer(bias.base))
                work.places = 4
                work.place = (0, Int64(pixel), Int64(row), Int64(row + pixel))
                var plan = uk_plan_convolution(table, &work, threads, Int32(UK_FAST))
                #expect(plan.winograd_side == 0)
                let scratch = Guarded(count: Int(plan.scratch_floats))
                exec.threads = threads
                #expect(uk_convolve(&exec, table, &work, &plan, scratch.base) == UK_OK)
                #expect(scratch.isIntact && written.isIntact)
                let output = isGrouped ? groups.dense(written) : written
                var wrong = 0
                for index in 0..<batch * height * width {
                    let (line, x) = (index / width, index % width)
                    for place in 0..<4 {
                        let at = ((2 * line + place / 2) * 2 * width + 2 * x + place % 2) * out
                        for c in 0..<out where output.base[at + c].bitPattern != alone[place][index * out + c].bitPattern {
                            wrong += 1
                        }
                    }
                }
                #expect(wrong == 0, "\(name(table)), \(threads) threads")
            }
        }
    }

    @Test(arguments: [(1, 1, 1, 1, 1), (2, 5, 3, 3, 3), (3, 4, 7, 2, 1), (1, 6, 6, 4, 0), (0, 5, 5, 1, 2)])
    func padding(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ pad: Int) {
        var generator = Generator(seed: UInt64(height))
        let values = generator.floats(batch * height * width * channels), input = Guarded(values)
        let (rows, columns) = (height + 2 * pad, width + 2 * pad)
        var expected = [Float](repeating: 0, count: batch * rows * columns * channels)
        for n in 0..<batch {
            for y in 0..<height {
                for i in 0..<width * channels {
                    expected[((n * rows + y + pad) * columns + pad) * channels + i] =
                        values[(n * height + y) * width * channels + i]
                }
            }
        }
        for threads: Int32 in [1, 3] {
            var exec = uk_exec(threads: threads, state: nil)
            let output = Guarded(count: expected.count)
            let status = uk_pad(
                &exec, input.base, Int32(batch), Int32(height), Int32(width), Int32(channels), Int32(pad), output.base)
            #expect(status == UK_OK && output.isIntact && output.values == expected)
        }
    }

    /// The stem: kernel rows as one piece of a padded map, 7 x 1 with seven times the channels, are the 7 x 7 convolution.
    @Test(arguments: [(7, 5, 3, 8), (20, 33, 3, 64), (1, 1, 1, 16), (13, 8, 4, 17)])
    func rowsOfThePaddedMap(_ height: Int, _ width: Int, _ channels: Int, _ out: Int) {
        let shape = ConvolutionCase(height: height, width: width, channels: channels, out: out, kernel: 7, stride: 2, relu: true)
        var generator = Generator(seed: UInt64(height + out))
        let input = generator.floats(height * width * channels), weights = generator.floats(out * channels * 49)
        let bias = generator.floats(out)
        let whole = Convolution(shape, input: input, weights: weights, bias: bias)
        let expected = whole.reference()
        var exec = uk_exec(threads: 1, state: nil)
        let packed = Guarded([Float](repeating: 0, count: Int(uk_packed_floats(Int32(out), Int32(channels), 7, 7))))
        #expect(uk_pack_conv(&exec, weights, nil, Int32(out), Int32(channels), 7, 7, 0, packed.base) == UK_OK)
        let biases = Guarded(bias + [Float](repeating: 0, count: (16 - out % 16) % 16))
        let padded = Guarded(count: (height + 6) * (width + 6) * channels), from = Guarded(input)
        #expect(uk_pad(&exec, from.base, 1, Int32(height), Int32(width), Int32(channels), 3, padded.base) == UK_OK)
        for table in tables() {
            let output = Guarded(count: expected.count)
            var work = shape.sizes
            work.input = shape.map(padded.base, height + 6, width + 6, channels)
            work.output.data = output.base
            (work.packed, work.bias) = (UnsafePointer(packed.base), UnsafePointer(biases.base))
            work.channels *= work.kernel_w
            work.kernel_w = 1
            work.pad = 0
            var plan = uk_plan_convolution(table, &work, 1, Int32(UK_FAST))
            let scratch = Guarded(count: Int(plan.scratch_floats))
            #expect(uk_convolve(&exec, table, &work, &plan, scratch.base) == UK_OK)
            #expect(scratch.isIntact && output.isIntact)
            // A rounding for each of the products, which are of order 1.
            #expect(largestDifference(output.values, expected) < Float(49 * channels) * Float.ulpOfOne + 1e-6, "\(name(table))")
        }
    }
}
