import Testing
import ULDorKernels

@Suite struct RegionTests {
    /// The definition of RoIAlign (He et al. 2017, section 3): the mean of bilinear samples, pixel by pixel and in double.
    func reference(_ roi: uk_roi, _ features: [Float]) -> [Float] {
        let (height, width, channels) = (Int(roi.height), Int(roi.width), Int(roi.channels))
        func sample(_ y: Double, _ x: Double, _ c: Int) -> Double {
            guard y >= -1, y <= Double(height), x >= -1, x <= Double(width) else { return 0 }
            let y = min(max(y, 0), Double(height - 1)), x = min(max(x, 0), Double(width - 1))
            let y0 = Int(y), x0 = Int(x), y1 = min(y0 + 1, height - 1), x1 = min(x0 + 1, width - 1)
            func at(_ y: Int, _ x: Int) -> Double { Double(features[(y * width + x) * channels + c]) }
            let fy = y - Double(y0), fx = x - Double(x0)
            return (at(y0, x0) * (1 - fx) + at(y0, x1) * fx) * (1 - fy) + (at(y1, x0) * (1 - fx) + at(y1, x1) * fx) * fy
        }
        let shift = roi.aligned ? 0.5 : 0
        let scale = Double(roi.spatial_scale)
        let x1 = Double(roi.box.0) * scale - shift, y1 = Double(roi.box.1) * scale - shift
        var w = Double(roi.box.2) * scale - shift - x1, h = Double(roi.box.3) * scale - shift - y1
        if !roi.aligned { (w, h) = (max(w, 1), max(h, 1)) }
        let pooled = Int(roi.pooled)
        let binH = h / Double(pooled), binW = w / Double(pooled)
        let gridH = roi.sampling_ratio > 0 ? Int(roi.sampling_ratio) : Int(binH.rounded(.up))
        let gridW = roi.sampling_ratio > 0 ? Int(roi.sampling_ratio) : Int(binW.rounded(.up))
        var result: [Float] = []
        for py in 0..<pooled {
            for px in 0..<pooled {
                for c in 0..<channels {
                    var sum = 0.0
                    for iy in 0..<gridH {
                        for ix in 0..<gridW {
                            let y = y1 + Double(py) * binH + (Double(iy) + 0.5) * binH / Double(gridH)
                            let x = x1 + Double(px) * binW + (Double(ix) + 0.5) * binW / Double(gridW)
                            sum += sample(y, x, c)
                        }
                    }
                    result.append(Float(sum / Double(max(gridH * gridW, 1))))
                }
            }
        }
        return result
    }

    /// Channels: less than a vector, and some of every width with a rest. A ratio of 11 is more than is taken at a time.
    @Test(arguments: [2, 0, 3, 11], [false, true]) func roiAlignAgreesWithDefinition(_ samplingRatio: Int32, _ aligned: Bool) {
        for channels: Int32 in [13, 163] { agree(samplingRatio, aligned, 11, 17, channels, side: 1) }
        // An adaptive grid of 9 x 14 samples.
        if samplingRatio == 0 { agree(0, aligned, 60, 100, 5, side: 5.7) }
    }

    private func agree(
        _ samplingRatio: Int32, _ aligned: Bool, _ height: Int32, _ width: Int32, _ channels: Int32, side: Float
    ) {
        var generator = Generator(seed: 3)
        let features = generator.floats(Int(height * width * channels))
        let boxes: [(Float, Float, Float, Float)] = [
            (0, 0, 68, 44), (3.3, 5.1, 20.7, 9.9), (60, 40, 68, 44), (10, 10, 10.2, 10.1), (0, 0, 0.5, 44), (68, 44, 68, 44),
        ].map { ($0.0 * side, $0.1 * side, $0.2 * side, $0.3 * side) }
        for pooled: Int32 in [7, 14, 19] {
            features.withUnsafeBufferPointer { pixels in
                let rois = boxes.map {
                    uk_roi(
                        features: pixels.baseAddress, height: height, width: width, channels: channels, spatial_scale: 0.25,
                        box: $0, pooled: pooled, sampling_ratio: samplingRatio, aligned: aligned)
                }
                let each = Int(pooled * pooled * channels)
                let expected = rois.flatMap { reference($0, features) }
                var fused: [Float]?
                for table in tables() {
                    for threads: Int32 in [1, 3] {
                        var output = [Float](repeating: .nan, count: each * rois.count)
                        var exec = uk_exec(threads: threads, state: nil)
                        #expect(uk_roi_align(&exec, table, rois, Int64(rois.count), &output) == UK_OK)
                        #expect(largestDifference(output, expected) < 2e-5, "\(name(table))")
                        if name(table) == "avx2" { fused = output }
                        // Fused arithmetic is the same whatever the vectors' width.
                        if name(table) == "avx512", let fused { #expect(output == fused) }
                    }
                }
            }
        }
    }

    @Test(arguments: [(1, 1), (2, 3), (9, 8), (16, 31)]) func maxPoolAgreesWithDefinition(_ height: Int, _ width: Int) {
        for channels in [5, 37] { poolsAgree(height, width, channels) }
    }

    private func poolsAgree(_ height: Int, _ width: Int, _ channels: Int) {
        var generator = Generator(seed: 9)
        let input = generator.floats(height * width * channels)
        let outHeight = (height - 1) / 2 + 1, outWidth = (width - 1) / 2 + 1
        var expected: [Float] = []
        for y in 0..<outHeight {
            for x in 0..<outWidth {
                for c in 0..<channels {
                    var best = -Float.infinity
                    for dy in -1...1 {
                        for dx in -1...1 where (0..<height).contains(2 * y + dy) && (0..<width).contains(2 * x + dx) {
                            best = max(best, input[((2 * y + dy) * width + 2 * x + dx) * channels + c])
                        }
                    }
                    expected.append(best)
                }
            }
        }
        for table in tables() {
            var output = [Float](repeating: .nan, count: expected.count)
            var exec = uk_exec(threads: 2, state: nil)
            #expect(uk_max_pool(&exec, table, input, Int32(height), Int32(width), Int32(channels), &output) == UK_OK)
            #expect(output == expected)
        }
    }
}
