import Glibc
import Testing
import ULDorKernels

/// Fully connected layers are 1 x 1 convolutions of one-pixel maps; OpenBLAS (Debian's libopenblas0) is what they are
/// compared with.
@Suite struct LinearTests {
    typealias Gemm =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32, Float,
            UnsafeMutablePointer<Float>, Int32
        ) -> Void

    @Test(arguments: [(1, 1, 1), (3, 5, 7), (128, 256, 33), (97, 257, 1031), (300, 20, 100)])
    func agreesWithOpenBLAS(_ rows: Int, _ columns: Int, _ inner: Int) throws {
        let library = try #require(dlopen("libopenblas.so.0", RTLD_NOW), "libopenblas0 is not installed")
        let gemm = unsafeBitCast(try #require(dlsym(library, "cblas_sgemm")), to: Gemm.self)
        var generator = Generator(seed: 5)
        var input = generator.floats(rows * inner)
        let weights = generator.floats(columns * inner)
        var expected = [Float](repeating: .nan, count: rows * columns)
        // Row-major, weights transposed.
        gemm(
            101, 111, 112, Int32(rows), Int32(columns), Int32(inner), 1, input, Int32(inner), weights, Int32(inner), 0,
            &expected, Int32(columns))
        var exec = uk_exec(threads: 2, state: nil)
        var packed = [Float](repeating: 0, count: Int(uk_packed_floats(Int32(columns), Int32(inner), 1, 1)))
        #expect(uk_pack_conv(&exec, weights, nil, Int32(columns), Int32(inner), 1, 1, 0, &packed) == UK_OK)
        let bias = [Float](repeating: 0, count: (columns + 15) / 16 * 16)
        func map(_ data: UnsafeMutablePointer<Float>?, _ channels: Int) -> uk_map {
            uk_map(
                data: data, image_stride: Int64(channels), row_stride: Int64(channels), pixel_stride: Int64(channels),
                height: 1, width: 1, group_stride: 0)
        }
        for table in tables() {
            var output = [Float](repeating: .nan, count: rows * columns)
            input.withUnsafeMutableBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    packed.withUnsafeBufferPointer { packed in
                        bias.withUnsafeBufferPointer { bias in
                            var work = uk_conv()
                            (work.input, work.output) = (map(input.baseAddress, inner), map(output.baseAddress, columns))
                            (work.packed, work.bias) = (packed.baseAddress, bias.baseAddress)
                            (work.batch, work.channels, work.out_channels) = (Int32(rows), Int32(inner), Int32(columns))
                            (work.kernel_h, work.kernel_w, work.stride, work.pad) = (1, 1, 1, 0)
                            var plan = uk_plan_convolution(table, &work, exec.threads, Int32(UK_FAST))
                            let scratch = Guarded(count: Int(plan.scratch_floats))
                            #expect(uk_convolve(&exec, table, &work, &plan, scratch.base) == UK_OK)
                            #expect(scratch.isIntact)
                        }
                    }
                }
            }
            // A rounding for each of the products on both sides, which are of order 1.
            #expect(largestDifference(output, expected) < Float(inner) * Float.ulpOfOne + 1e-6, "\(name(table))")
        }
    }
}
