import Testing
import ULDorKernels

/// A convolution whose gradients are taken.
struct GradientCase: CustomTestStringConvertible, Sendable {
    var batch = 1
    var height, width, channels, out: Int
    var kernel = 3, stride = 1
    /// nil: half of the kernel.
    var padding: Int?
    var hasScale = false, hasBias = true
    /// Floats that belong to nobody after each pixel; then there is a pixel of them after each row and a row after each image, too.
    var gap = 0

    var pad: Int { padding ?? kernel / 2 }
    var outHeight: Int { (height + 2 * pad - kernel) / stride + 1 }
    var outWidth: Int { (width + 2 * pad - kernel) / stride + 1 }
    var weightCount: Int { out * channels * kernel * kernel }
    /// Products that a weight's and an input's gradient sum up.
    var weightProducts: Int { batch * outHeight * outWidth }
    var inputProducts: Int { out * kernel * kernel }

    var testDescription: String {
        "\(batch)x\(height)x\(width)x\(channels) -> \(out), \(kernel)x\(kernel)/\(stride) pad \(pad)"
            + "\(hasScale ? " scale" : "")\(hasBias ? "" : " no bias")\(gap > 0 ? " gap \(gap)" : "")"
    }

    var inputLayout: Layout { Layout(batch: batch, height: height, width: width, channels: channels, gap: gap) }
    var outputLayout: Layout { Layout(batch: batch, height: outHeight, width: outWidth, channels: out, gap: gap) }

    /// Without addresses: what scratch sizes are asked with.
    var sizes: uk_gradient {
        var work = uk_gradient()
        work.input = inputLayout.map(nil)
        work.input_gradient = inputLayout.map(nil)
        work.output_gradient = outputLayout.map(nil)
        work.batch = Int32(batch)
        (work.channels, work.out_channels) = (Int32(channels), Int32(out))
        (work.kernel, work.stride, work.pad) = (Int32(kernel), Int32(stride), Int32(pad))
        return work
    }

    func weightFloats(_ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms) -> Int {
        var work = sizes
        return Int(uk_weight_gradient_floats(&work, threads, algorithms.rawValue))
    }

    func inputFloats(_ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms) -> Int {
        var work = sizes
        return Int(uk_input_gradient_floats(table, &work, threads, algorithms.rawValue))
    }
}

/// Where a map's pixels lie.
struct Layout {
    var batch, height, width, channels, gap: Int

    private var pixelStride: Int { channels + gap }
    private var rowStride: Int { (width + min(gap, 1)) * pixelStride }
    private var imageStride: Int { (height + min(gap, 1)) * rowStride }
    var count: Int { batch * imageStride }

    func map(_ data: UnsafeMutablePointer<Float>?) -> uk_map {
        uk_map(
            data: data, image_stride: Int64(imageStride), row_stride: Int64(rowStride), pixel_stride: Int64(pixelStride),
            height: Int32(height), width: Int32(width), group_stride: 0)
    }

    /// Calls with the place of each value, densest last.
    private func forEach(_ body: (Int) -> Void) {
        for n in 0..<batch {
            for y in 0..<height {
                for x in 0..<width {
                    let first = n * imageStride + y * rowStride + x * pixelStride
                    for c in first..<first + channels { body(c) }
                }
            }
        }
    }

    /// Dense values at their places, NaN between them.
    func spread(_ values: [Float]) -> Guarded {
        let memory = Guarded(count: count)
        var next = 0
        forEach { place in
            memory.base[place] = values[next]
            next += 1
        }
        return memory
    }

    func dense(_ memory: Guarded) -> [Float] {
        var values: [Float] = []
        forEach { values.append(memory.base[$0]) }
        return values
    }

    /// Nothing was written between the values.
    func isUntouchedBetween(_ memory: Guarded) -> Bool {
        var own = [Bool](repeating: false, count: count)
        forEach { own[$0] = true }
        return (0..<count).allSatisfy { own[$0] || memory.isUntouched($0) }
    }
}

/// A case's numbers, -1...1, and its runs.
struct Gradient {
    let shape: GradientCase
    private let input, output, weights: Guarded
    private let scale: Guarded?
    private let startWeights, startBias, startInput: [Float]

    init(_ shape: GradientCase) {
        var generator = Generator(seed: UInt64(shape.height * 31 + shape.width * 7 + shape.channels))
        let pixels = shape.batch * shape.height * shape.width * shape.channels
        let input = generator.floats(pixels)
        let gradient = generator.floats(shape.weightProducts * shape.out)
        let weights = generator.floats(shape.weightCount)
        self.init(
            shape, input: input, gradient: gradient, weights: weights,
            scale: shape.hasScale ? generator.floats(shape.out, 0.5...2) : nil,
            startWeights: generator.floats(shape.weightCount), startBias: generator.floats(shape.out),
            startInput: generator.floats(pixels))
    }

    /// `start...`: what gradients are added to.
    init(
        _ shape: GradientCase, input: [Float], gradient: [Float], weights: [Float], scale: [Float]? = nil,
        startWeights: [Float]? = nil,
        startBias: [Float]? = nil, startInput: [Float]? = nil
    ) {
        self.shape = shape
        self.input = shape.inputLayout.spread(input)
        output = shape.outputLayout.spread(gradient)
        self.weights = Guarded(weights)
        self.scale = scale.map { Guarded($0) }
        self.startWeights = startWeights ?? [Float](repeating: 0, count: shape.weightCount)
        self.startBias = startBias ?? [Float](repeating: 0, count: shape.out)
        self.startInput = startInput ?? [Float](repeating: 0, count: input.count)
    }

    private var work: uk_gradient {
        var work = shape.sizes
        work.input.data = input.base
        work.output_gradient.data = output.base
        work.input_gradient.data = nil
        work.weights = UnsafePointer(weights.base)
        work.scale = scale.map { UnsafePointer($0.base) }
        return work
    }

    /// Gradients of the weights and, after them, of the bias.
    func weightGradient(_ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms) -> [Float] {
        let to = Guarded(startWeights), bias = Guarded(startBias)
        #expect(runWeights(table, threads: threads, state: nil, by: algorithms, to, bias) == UK_OK)
        return to.values + (shape.hasBias ? bias.values : [])
    }

    private func runWeights(
        _ table: UnsafePointer<uk_table>, threads: Int32, state: UnsafePointer<Int32>?, by algorithms: Algorithms,
        _ to: Guarded, _ bias: Guarded
    ) -> Int32 {
        var work = work
        work.weight_gradient = to.base
        work.bias_gradient = shape.hasBias ? bias.base : nil
        let scratch = Guarded(count: shape.weightFloats(table, threads: threads, by: algorithms))
        var exec = uk_exec(threads: threads, state: state)
        let status = uk_weight_gradient(&exec, table, &work, algorithms.rawValue, scratch.base)
        #expect(scratch.isIntact, "\(name(table)): written outside of \(scratch.count) floats of scratch")
        #expect(to.isIntact && bias.isIntact, "\(name(table)): written outside of the gradients")
        if !shape.hasBias { #expect(bias.values == startBias) }
        return status
    }

    func inputGradient(
        _ table: UnsafePointer<uk_table>, threads: Int32 = 1, by algorithms: Algorithms, adds: Bool = false
    ) -> [Float] {
        let to = target(adds: adds)
        #expect(runInput(table, threads: threads, state: nil, by: algorithms, adds: adds, to) == UK_OK)
        return shape.inputLayout.dense(to)
    }

    /// What is not added to is NaN before.
    private func target(adds: Bool) -> Guarded {
        let layout = shape.inputLayout
        return adds ? layout.spread(startInput) : Guarded(count: layout.count)
    }

    private func runInput(
        _ table: UnsafePointer<uk_table>, threads: Int32, state: UnsafePointer<Int32>?, by algorithms: Algorithms,
        adds: Bool, _ to: Guarded
    ) -> Int32 {
        var work = work
        work.input_gradient.data = to.base
        work.adds = adds
        let scratch = Guarded(count: shape.inputFloats(table, threads: threads, by: algorithms))
        var exec = uk_exec(threads: threads, state: state)
        let status = uk_input_gradient(&exec, table, &work, algorithms.rawValue, scratch.base)
        #expect(scratch.isIntact, "\(name(table)): written outside of \(scratch.count) floats of scratch")
        #expect(to.isIntact, "\(name(table)): written outside of the gradient")
        #expect(shape.inputLayout.isUntouchedBetween(to), "\(name(table)): written between the gradient's pixels")
        return status
    }

    func expectedWeightGradient() -> [Float] {
        let to = Guarded(startWeights), bias = Guarded(startBias)
        var work = work
        work.weight_gradient = to.base
        work.bias_gradient = bias.base
        uk_gradient_reference(&work)
        return to.values + (shape.hasBias ? bias.values : [])
    }

    func expectedInputGradient(adds: Bool = false) -> [Float] {
        let to = target(adds: adds)
        var work = work
        work.input_gradient.data = to.base
        work.adds = adds
        uk_gradient_reference(&work)
        return shape.inputLayout.dense(to)
    }

    /// Statuses, and that nothing was written, where the calls are told to stop before they begin.
    func expectStopped(_ table: UnsafePointer<uk_table>, threads: Int32, by algorithms: Algorithms) {
        var state = Int32(UK_STOPPING)
        let weights = Guarded(startWeights), bias = Guarded(startBias), to = target(adds: false)
        withUnsafePointer(to: &state) { state in
            #expect(runWeights(table, threads: threads, state: state, by: algorithms, weights, bias) == UK_CANCELLED)
            #expect(runInput(table, threads: threads, state: state, by: algorithms, adds: false, to) == UK_CANCELLED)
        }
        #expect(weights.values == startWeights && bias.values == startBias)
        #expect((0..<to.count).allSatisfy { to.isUntouched($0) })
    }
}
