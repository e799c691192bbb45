import Foundation
import Testing
import ULDorKernels

/// Tests/fixtures/gradient_kernels.safetensors (tools/make_gradient_kernel_fixture.py): float32 tensors by name.
private struct Fixture {
    private struct Entry: Decodable {
        var data_offsets: [Int]
    }
    private let entries: [String: Entry]
    private let data: Data

    init() throws {
        let path =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/fixtures/gradient_kernels.safetensors"
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        entries = try JSONDecoder().decode([String: Entry].self, from: file[8..<8 + header])
        data = Data(file[(8 + header)...])
    }

    func values(_ name: String) throws -> [Float] {
        let offsets = try #require(entries[name], "the fixture has no \(name)").data_offsets
        return data[offsets[0]..<offsets[1]].withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
    }
}

/// Single layers against torch's autograd in double precision: within 1e-5 of the largest magnitude of each tensor.
@Suite struct TorchGradientTests {
    private func expectClose(_ got: [Float], _ wanted: [Float], _ what: String) {
        let largest = wanted.reduce(0) { max($0, abs($1)) }
        #expect(got.count == wanted.count && largest > 0)
        #expect(largestDifference(got, wanted) < 1e-5 * largest, "\(what)")
    }

    /// The layer of a case and, for the transposed one, that which leads back.
    private func shape(_ fixture: Fixture, _ layer: String) throws -> GradientCase {
        let sizes = try fixture.values("\(layer).sizes").map { Int($0) }
        return GradientCase(
            batch: sizes[0], height: sizes[1], width: sizes[2], channels: sizes[3], out: sizes[4], kernel: sizes[5],
            stride: sizes[6],
            padding: sizes[7])
    }

    @Test(
        arguments: ["conv1", "conv1s2", "conv3", "conv3s2", "conv7s2", "winograd", "winograd_weights", "linear"],
        Algorithms.allCases)
    func convolutions(_ layer: String, _ algorithms: Algorithms) throws {
        let fixture = try Fixture()
        let gradient = Gradient(
            try shape(fixture, layer), input: try fixture.values("\(layer).input"),
            gradient: try fixture.values("\(layer).gradient"),
            weights: try fixture.values("\(layer).weights"))
        let weights = try fixture.values("\(layer).weight_gradient"), bias = try fixture.values("\(layer).bias_gradient")
        let input = try fixture.values("\(layer).input_gradient")
        for table in tables() {
            let got = gradient.weightGradient(table, by: algorithms)
            expectClose([Float](got[..<weights.count]), weights, "\(name(table)): weights")
            expectClose([Float](got[weights.count...]), bias, "\(name(table)): bias")
            expectClose(gradient.inputGradient(table, by: algorithms), input, "\(name(table)): input")
        }
    }

    /// As layers use it: the ordinary convolution from the output back to the input has the same weights.
    @Test func transposedConvolution() throws {
        let fixture = try Fixture()
        let sizes = try shape(fixture, "transposed")
        let back = GradientCase(
            batch: sizes.batch, height: 2 * sizes.height, width: 2 * sizes.width, channels: sizes.out, out: sizes.channels,
            kernel: 2,
            stride: 2, padding: 0, hasBias: false)
        let weights = try fixture.values("transposed.weights"), gradient = try fixture.values("transposed.gradient")
        let product = Gradient(back, input: gradient, gradient: try fixture.values("transposed.input"), weights: weights)
        for table in tables() {
            expectClose(
                product.weightGradient(table, by: .fast), try fixture.values("transposed.weight_gradient"),
                "\(name(table)): weights")
            let input = try forward(table, back, gradient, weights)
            expectClose(input, try fixture.values("transposed.input_gradient"), "\(name(table)): input")
        }
    }

    private func forward(_ table: UnsafePointer<uk_table>, _ shape: GradientCase, _ input: [Float], _ weights: [Float]) throws
        -> [Float]
    {
        let (out, channels) = (Int32(shape.out), Int32(shape.channels))
        var packed = [Float](repeating: 0, count: Int(uk_packed_floats(out, channels, 2, 2)))
        let bias = [Float](repeating: 0, count: Int(uk_panels(out) * Int32(UK_PANEL)))
        let from = Guarded(input), to = Guarded(count: shape.outputLayout.count)
        var exec = uk_exec(threads: 1, state: nil), conv = uk_conv()
        #expect(uk_pack_conv(&exec, weights, nil, out, channels, 2, 2, 0, &packed) == UK_OK)
        conv.input = shape.inputLayout.map(from.base)
        conv.output = shape.outputLayout.map(to.base)
        (conv.batch, conv.channels, conv.out_channels) = (Int32(shape.batch), channels, out)
        (conv.kernel_h, conv.kernel_w, conv.stride) = (2, 2, 2)
        return packed.withUnsafeBufferPointer { packed in
            bias.withUnsafeBufferPointer { bias in
                (conv.packed, conv.bias) = (packed.baseAddress, bias.baseAddress)
                var plan = uk_plan_convolution(table, &conv, 1, Int32(UK_DIRECT))
                let scratch = Guarded(count: Int(plan.scratch_floats))
                #expect(uk_convolve(&exec, table, &conv, &plan, scratch.base) == UK_OK)
                return to.values
            }
        }
    }

    @Test func maxPool() throws {
        let fixture = try Fixture()
        let input = try fixture.values("max_pool.input"), gradient = try fixture.values("max_pool.gradient")
        for table in tables() {
            var exec = uk_exec(threads: 1, state: nil)
            let to = Guarded(count: input.count)
            #expect(uk_max_pool_gradient(&exec, input, 9, 12, 5, gradient, to.base) == UK_OK)
            expectClose(to.values, try fixture.values("max_pool.input_gradient"), name(table))
        }
    }

    @Test func relu() throws {
        let fixture = try Fixture()
        let output = Guarded(try fixture.values("relu.output")), gradient = Guarded(try fixture.values("relu.gradient"))
        var exec = uk_exec(threads: 1, state: nil)
        #expect(uk_relu_gradient(&exec, output.base, gradient.base, Int64(gradient.values.count)) == UK_OK)
        #expect(gradient.values == (try fixture.values("relu.input_gradient")))
    }

    @Test func nearest() throws {
        let fixture = try Fixture()
        let from = Guarded(try fixture.values("nearest.gradient")), wanted = try fixture.values("nearest.input_gradient")
        let to = Guarded([Float](repeating: 0, count: wanted.count))
        var fine = Layout(batch: 2, height: 7, width: 5, channels: 6, gap: 0).map(from.base)
        var coarse = Layout(batch: 2, height: 4, width: 3, channels: 6, gap: 0).map(to.base)
        var exec = uk_exec(threads: 1, state: nil)
        #expect(uk_upsample_gradient(&exec, &fine, &coarse, 2, 6) == UK_OK)
        expectClose(to.values, wanted, "coarse map")
    }

    @Test(arguments: [("roi_align", 2, false), ("roi_align_aligned", 0, true)])
    func roiAlign(_ layer: String, _ samplingRatio: Int32, _ aligned: Bool) throws {
        let fixture = try Fixture()
        let boxes = try fixture.values("roi_align.boxes"), wanted = try fixture.values("\(layer).input_gradient")
        let rois = stride(from: 0, to: boxes.count, by: 4).map { i in
            uk_roi(
                features: nil, height: 12, width: 15, channels: 11, spatial_scale: 0.25,
                box: (boxes[i], boxes[i + 1], boxes[i + 2], boxes[i + 3]), pooled: 4, sampling_ratio: samplingRatio,
                aligned: aligned)
        }
        let gradient = Guarded(try fixture.values("\(layer).gradient"))
        for table in tables() {
            let to = Guarded([Float](repeating: 0, count: wanted.count))
            let targets = [UnsafeMutablePointer<Float>?](repeating: to.base, count: rois.count)
            var exec = uk_exec(threads: 1, state: nil)
            #expect(uk_roi_align_gradient(&exec, table, rois, Int64(rois.count), gradient.base, targets) == UK_OK)
            expectClose(to.values, wanted, name(table))
        }
    }

    @Test func sgd() throws {
        let fixture = try Fixture()
        let own = Guarded(try fixture.values("sgd.weights")), momentum = Guarded([Float](repeating: 0, count: 150))
        for step in 0..<3 {
            // Half of the gradient's double.
            let gradient = try fixture.values("sgd.gradient.\(step)").map { 2 * $0 }
            var exec = uk_exec(threads: 1, state: nil)
            #expect(uk_sgd(&exec, own.base, gradient, momentum.base, 150, 0.03, 0.9, 0.05, 0.5) == UK_OK)
            expectClose(own.values, try fixture.values("sgd.weights.\(step)"), "step \(step)")
        }
    }

    @Test func adamw() throws {
        let fixture = try Fixture()
        let zeros = [Float](repeating: 0, count: 150)
        let own = Guarded(try fixture.values("adamw.weights")), momentum = Guarded(zeros), squares = Guarded(zeros)
        for step in 0..<3 {
            let gradient = try fixture.values("adamw.gradient.\(step)").map { 2 * $0 }
            var exec = uk_exec(threads: 1, state: nil)
            var rates = uk_adamw_rates(
                rate: 0.03, momentum: 0.9, squares: 0.99, decay: 0.05, factor: 0.5, step: Int64(step + 1))
            #expect(uk_adamw(&exec, own.base, gradient, momentum.base, squares.base, 150, &rates) == UK_OK)
            expectClose(own.values, try fixture.values("adamw.weights.\(step)"), "step \(step)")
        }
    }
}
