import Testing
import ULDorKernels

/// A convolution with everything that the kernel folds in.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
    var batch = 1
    var height, width, channels, out: Int
    var kernel = 3, stride = 1
    var pad: Int { kernel / 2 }
    var relu = false
    /// Size of the residual, nil for none.
    var residual: (height: Int, width: Int)?
    /// Into every second pixel of a map of twice the size, as the mask head's transposed convolution.
    var isStrided = false

    var testDescription: String {
        "\(batch)x\(height)x\(width)x\(channels) -> \(out), \(kernel)x\(kernel)/\(stride)\(relu ? " relu" : "")"
            + "\(residual.map { " + \($0)" } ?? "")\(isStrided ? " strided" : "")"
    }

    var outHeight: Int { (height + 2 * pad - kernel) / stride + 1 }
    var outWidth: Int { (width + 2 * pad - kernel) / stride + 1 }

    /// `group`: from 16 channels to the next; 0: they lie together.
    func map(
        _ data: UnsafeMutablePointer<Float>?, _ height: Int, _ width: Int, _ channels: Int, step: Int = 1, group: Int = 0
    ) -> uk_map {
        let pixel = group > 0 ? Int(UK_PANEL) : channels
        return uk_map(
            data: data, image_stride: Int64(height * step * width * step * pixel), row_stride: Int64(step * width * step * pixel),
            pixel_stride: Int64(step * pixel), height: Int32(height), width: Int32(width), group_stride: Int64(group))
    }

    /// Without addresses: what a plan needs.
    var sizes: uk_conv {
        var work = uk_conv()
        work.input = map(nil, height, width, channels)
        work.output = map(nil, outHeight, outWidth, out, step: isStrided ? 2 : 1)
        work.batch = Int32(batch)
        (work.channels, work.out_channels) = (Int32(channels), Int32(out))
        (work.kernel_h, work.kernel_w) = (Int32(kernel), Int32(kernel))
        (work.stride, work.pad) = (Int32(stride), Int32(pad))
        if let residual { work.residual = map(nil, residual.height, residual.width, out) }
        work.relu = relu
        return work
    }

    func plan(_ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms = .fast) -> uk_conv_plan {
        var work = sizes
        return uk_plan_convolution(table, &work, threads, algorithms.rawValue)
    }
}

/// A case's numbers, -1...1, and its runs.
struct Convolution {
    let shape: ConvolutionCase
    private let input, packed, bias: Guarded
    private let added: Guarded?
    private let weights: [Float]

    init(_ shape: ConvolutionCase) {
        var generator = Generator(seed: UInt64(shape.height * 31 + shape.width * 7 + shape.channels))
        let (out, channels, kernel) = (shape.out, shape.channels, shape.kernel)
        let input = generator.floats(shape.batch * shape.height * shape.width * channels)
        let weights = generator.floats(out * channels * kernel * kernel)
        let bias = generator.floats(out)
        let added = shape.residual.map { generator.floats($0.height * $0.width * out * shape.batch) }
        self.init(shape, input: input, weights: weights, bias: bias, added: added)
    }

    init(_ shape: ConvolutionCase, input: [Float], weights: [Float], bias: [Float], added: [Float]? = nil) {
        self.shape = shape
        self.input = Guarded(input)
        self.weights = weights
        let (out, channels, kernel) = (Int32(shape.out), Int32(shape.channels), Int32(shape.kernel))
        let count = Int(uk_packed_floats(out, channels, kernel, kernel))
        packed = Guarded([Float](repeating: 0, count: count))
        self.bias = Guarded(bias + [Float](repeating: 0, count: Int(uk_panels(out)) * Int(UK_PANEL) - bias.count))
        self.added = added.map { Guarded($0) }
        var exec = uk_exec(threads: 1, state: nil)
        #expect(uk_pack_conv(&exec, weights, nil, out, channels, kernel, kernel, 0, packed.base) == UK_OK)
    }

    private func work(into output: Guarded) -> uk_conv {
        var work = shape.sizes
        work.input.data = input.base
        work.output.data = output.base
        work.packed = UnsafePointer(packed.base)
        work.bias = UnsafePointer(bias.base)
        work.residual.data = added?.base
        return work
    }

    private func makeOutput() -> Guarded {
        Guarded(count: shape.batch * shape.outHeight * shape.outWidth * shape.out * (shape.isStrided ? 4 : 1))
    }

    /// The pixels that are the convolution's, dense; those between them must be untouched.
    private func pixels(_ output: Guarded) -> [Float] {
        guard shape.isStrided else { return output.values }
        var found: [Float] = []
        for row in 0..<shape.batch * shape.outHeight * 2 {
            for x in 0..<shape.outWidth * 2 {
                let first = (row * shape.outWidth * 2 + x) * shape.out
                if row % 2 == 0 && x % 2 == 0 {
                    found += (0..<shape.out).map { output.base[first + $0] }
                } else {
                    #expect((0..<shape.out).allSatisfy { output.isUntouched(first + $0) }, "row \(row), column \(x) was written")
                }
            }
        }
        return found
    }

    func run(_ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms = .fast) -> [Float] {
        let output = makeOutput()
        var conv = work(into: output)
        var plan = uk_plan_convolution(table, &conv, threads, algorithms.rawValue)
        let scratch = Guarded(count: Int(plan.scratch_floats))
        var exec = uk_exec(threads: threads, state: nil)
        #expect(uk_convolve(&exec, table, &conv, &plan, scratch.base) == UK_OK)
        #expect(scratch.isIntact, "\(name(table)): written outside of \(plan.scratch_floats) floats of scratch")
        #expect(output.isIntact, "\(name(table)): written outside of the output")
        return pixels(output)
    }

    /// Where the residual of an output in groups lies: in groups of its own, in a dense map, or in the output itself.
    enum ResidualPlace: CaseIterable { case groups, dense, output }

    /// The same with maps whose channels lie in groups: the input, or the output. What lies between groups is NaN before, and must be after.
    func runInGroups(
        _ table: UnsafePointer<uk_table>, threads: Int32, by algorithms: Algorithms, input isInput: Bool, output isOutput: Bool,
        residual place: ResidualPlace = .groups
    ) -> [Float] {
        let step = shape.isStrided ? 2 : 1
        let inputs = Groups(pixels: shape.batch * shape.height * shape.width, channels: shape.channels)
        let outputs = Groups(pixels: shape.batch * shape.outHeight * shape.outWidth * step * step, channels: shape.out)
        let from = isInput ? inputs.grouped(input) : input
        let isInPlace = isOutput && place == .output
        let output = isInPlace ? outputs.grouped(added!) : isOutput ? Guarded(count: outputs.count) : makeOutput()
        var conv = work(into: output)
        if isInput { conv.input = shape.map(from.base, shape.height, shape.width, shape.channels, group: inputs.stride) }
        var residual: Guarded?
        if isOutput {
            conv.output = shape.map(output.base, shape.outHeight, shape.outWidth, shape.out, step: step, group: outputs.stride)
            if isInPlace {
                conv.residual = conv.output
            } else if place == .groups, let added, let size = shape.residual {
                let groups = Groups(pixels: shape.batch * size.height * size.width, channels: shape.out)
                residual = groups.grouped(added)
                conv.residual = shape.map(residual?.base, size.height, size.width, shape.out, group: groups.stride)
            }
        }
        var plan = uk_plan_convolution(table, &conv, threads, algorithms.rawValue)
        let scratch = Guarded(count: Int(plan.scratch_floats))
        var exec = uk_exec(threads: threads, state: nil)
        let status = withExtendedLifetime(residual) { uk_convolve(&exec, table, &conv, &plan, scratch.base) }
        #expect(status == UK_OK && scratch.isIntact && output.isIntact)
        guard isOutput else { return pixels(output) }
        #expect(outputs.isBetweenUntouched(output), "\(name(table)): written between the groups")
        return pixels(outputs.dense(output))
    }

    /// Status and output where the call is told to stop before it begins.
    func runStopped(_ table: UnsafePointer<uk_table>, threads: Int32, by algorithms: Algorithms) -> (
        status: Int32, isUntouched: Bool
    ) {
        let output = makeOutput()
        var conv = work(into: output), state = Int32(UK_STOPPING)
        var plan = uk_plan_convolution(table, &conv, threads, algorithms.rawValue)
        let scratch = Guarded(count: Int(plan.scratch_floats))
        let status = withUnsafePointer(to: &state) { state in
            var exec = uk_exec(threads: threads, state: state)
            return uk_convolve(&exec, table, &conv, &plan, scratch.base)
        }
        return (status, (0..<output.count).allSatisfy { output.isUntouched($0) })
    }

    func reference() -> [Float] {
        let output = makeOutput()
        var conv = work(into: output)
        uk_convolve_reference(&conv, weights)
        return pixels(output)
    }

    /// Within a rounding for each of the products, which are of order 1: the limit of direct sums.
    func expectDirectSums(by algorithms: Algorithms) {
        let expected = reference()
        for table in tables() {
            let limit = Float(shape.channels * shape.kernel * shape.kernel) * Float.ulpOfOne + 1e-6
            #expect(largestDifference(run(table, by: algorithms), expected) < limit, "\(name(table))")
        }
    }

    func expectSameBitsForAnyThreadsAndVectors(by algorithms: Algorithms) {
        for group in tablesOfEqualBits() {
            let one = run(group[0], by: algorithms)
            for table in group {
                for threads: Int32 in [1, 2, 3, 8, 16] {
                    let got = run(table, threads: threads, by: algorithms)
                    #expect(bits(got) == bits(one), "\(name(table)), \(threads) threads")
                }
            }
        }
    }
}
