import Testing
import ULDorKernels

/// A convolution with everything that the kernel folds in, on owned memory.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
    var batch = 1
    var height, width, channels, out: Int
    var kernel = 3, stride = 1
    var pad: Int { kernel / 2 }
    var relu = false
    /// Size of the residual, nil for none.
    var residual: (height: Int, width: Int)?

    var testDescription: String {
        "\(batch)x\(height)x\(width)x\(channels) -> \(out), \(kernel)x\(kernel)/\(stride)\(relu ? " relu" : "")\(residual.map { " + \($0)" } ?? "")"
    }

    var outHeight: Int { (height + 2 * pad - kernel) / stride + 1 }
    var outWidth: Int { (width + 2 * pad - kernel) / stride + 1 }

    private func map(_ data: UnsafeMutablePointer<Float>?, _ height: Int, _ width: Int, _ channels: Int) -> uk_map {
        uk_map(
            data: data, image_stride: Int64(height * width * channels), row_stride: Int64(width * channels),
            pixel_stride: Int64(channels), height: Int32(height), width: Int32(width))
    }

    /// Output by the table on `threads` threads, or by the reference where there is no table.
    func run(_ table: UnsafePointer<uk_table>?, threads: Int32 = 1) -> [Float] {
        var generator = Generator(seed: UInt64(height * 31 + width * 7 + channels))
        var input = generator.floats(batch * height * width * channels)
        let weights = generator.floats(out * channels * kernel * kernel)
        let panels = (out + 15) / 16 * 16
        let bias = generator.floats(out) + [Float](repeating: 0, count: panels - out)
        var added = generator.floats((residual?.height ?? 0) * (residual?.width ?? 0) * out * batch)
        var output = [Float](repeating: .nan, count: batch * outHeight * outWidth * out)
        var packed = [Float](
            repeating: 0, count: Int(uk_packed_floats(Int32(out), Int32(channels), Int32(kernel), Int32(kernel))))
        var exec = uk_exec(threads: threads, state: nil)
        #expect(uk_pack_conv(&exec, weights, nil, Int32(out), Int32(channels), Int32(kernel), Int32(kernel), 0, &packed) == UK_OK)
        input.withUnsafeMutableBufferPointer { input in
            added.withUnsafeMutableBufferPointer { added in
                output.withUnsafeMutableBufferPointer { output in
                    packed.withUnsafeBufferPointer { packed in
                        bias.withUnsafeBufferPointer { bias in
                            var work = uk_conv()
                            work.input = map(input.baseAddress, height, width, channels)
                            work.output = map(output.baseAddress, outHeight, outWidth, out)
                            work.packed = packed.baseAddress
                            work.bias = bias.baseAddress
                            work.batch = Int32(batch)
                            (work.channels, work.out_channels) = (Int32(channels), Int32(out))
                            (work.kernel_h, work.kernel_w) = (Int32(kernel), Int32(kernel))
                            (work.stride, work.pad) = (Int32(stride), Int32(pad))
                            if let residual { work.residual = map(added.baseAddress, residual.height, residual.width, out) }
                            work.relu = relu
                            if let table {
                                #expect(uk_convolve(&exec, table, &work) == UK_OK)
                            } else {
                                uk_convolve_reference(&work, weights)
                            }
                        }
                    }
                }
            }
        }
        return output
    }
}

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
]

@Suite struct ConvolutionTests {
    @Test(arguments: oddShapes) func agreesWithReference(_ shape: ConvolutionCase) {
        let expected = shape.run(nil)
        for table in tables() {
            let got = shape.run(table)
            // A rounding for each of the products, which are of order 1.
            let products = Float(shape.channels * shape.kernel * shape.kernel)
            #expect(largestDifference(got, expected) < products * Float.ulpOfOne + 1e-6, "\(name(table))")
        }
    }

    @Test(arguments: oddShapes) func doesNotDependOnThreads(_ shape: ConvolutionCase) {
        for table in tables() {
            let one = shape.run(table)
            for threads: Int32 in [2, 3, 8] { #expect(shape.run(table, threads: threads) == one, "\(name(table)), \(threads)") }
        }
    }

    /// torch's interpolate(mode="nearest") source index, which the FPN's odd sizes depend on.
    @Test func nearestResidualOfOddSizes() {
        let shape = ConvolutionCase(height: 7, width: 5, channels: 1, out: 1, kernel: 1, residual: (4, 3))
        let plain = ConvolutionCase(height: 7, width: 5, channels: 1, out: 1, kernel: 1)
        var generator = Generator(seed: UInt64(7 * 31 + 5 * 7 + 1))
        _ = generator.floats(7 * 5 + 1 + 1)
        let added = generator.floats(4 * 3)
        for table in tables() {
            let difference = zip(shape.run(table), plain.run(table)).map { $0 - $1 }
            for y in 0..<7 {
                for x in 0..<5 {
                    let source = added[Int(Float(y) * (4 / 7)) * 3 + Int(Float(x) * (3 / 5))]
                    #expect(abs(difference[y * 5 + x] - source) < 1e-6)
                }
            }
        }
    }

    @Test func cancelledWorkSaysSo() {
        var flag = Int32(UK_STOPPING)
        withUnsafePointer(to: &flag) { flag in
            var exec = uk_exec(threads: 2, state: flag)
            var planes = [Float](repeating: 1, count: 64), output = [Float](repeating: -1, count: 16)
            #expect(uk_max_pool(&exec, uk_table_for(Int32(UK_PORTABLE.rawValue)), &planes, 8, 8, 1, &output) == UK_CANCELLED)
            #expect(output.allSatisfy { $0 == -1 })
        }
    }
}
