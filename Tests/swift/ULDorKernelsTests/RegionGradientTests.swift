import Testing
import ULDorKernels

@Suite struct RegionGradientTests {
    /// The definition of RoIAlign, its bilinear weights turned around: adds to `target`, sample by sample and in double.
    private func scatter(_ roi: uk_roi, _ gradient: ArraySlice<Float>, _ target: inout [Double]) {
        let (height, width, channels, pooled) = (Int(roi.height), Int(roi.width), Int(roi.channels), Int(roi.pooled))
        let shift = roi.aligned ? 0.5 : 0, scale = Double(roi.spatial_scale)
        let x1 = Double(roi.box.0) * scale - shift, y1 = Double(roi.box.1) * scale - shift
        var w = Double(roi.box.2) * scale - shift - x1, h = Double(roi.box.3) * scale - shift - y1
        if !roi.aligned { (w, h) = (max(w, 1), max(h, 1)) }
        let binH = h / Double(pooled), binW = w / Double(pooled)
        let gridH = roi.sampling_ratio > 0 ? Int(roi.sampling_ratio) : Int(binH.rounded(.up))
        let gridW = roi.sampling_ratio > 0 ? Int(roi.sampling_ratio) : Int(binW.rounded(.up))
        for bin in 0..<pooled * pooled {
            for sample in 0..<gridH * gridW {
                var y = y1 + Double(bin / pooled) * binH + (Double(sample / gridW) + 0.5) * binH / Double(gridH)
                var x = x1 + Double(bin % pooled) * binW + (Double(sample % gridW) + 0.5) * binW / Double(gridW)
                guard y >= -1, y <= Double(height), x >= -1, x <= Double(width) else { continue }
                (y, x) = (min(max(y, 0), Double(height - 1)), min(max(x, 0), Double(width - 1)))
                let (fy, fx) = (y - y.rounded(.down), x - x.rounded(.down))
                for (yy, wy) in [(Int(y), 1 - fy), (min(Int(y) + 1, height - 1), fy)] {
                    for (xx, wx) in [(Int(x), 1 - fx), (min(Int(x) + 1, width - 1), fx)] {
                        let weight = wy * wx / Double(gridH * gridW)
                        for c in 0..<channels {
                            target[(yy * width + xx) * channels + c] +=
                                weight * Double(gradient[gradient.startIndex + bin * channels + c])
                        }
                    }
                }
            }
        }
    }

    /// Two maps, several regions on each, no sample exactly on the edge where it would stop counting;
    /// channels: less than a vector, more than a job's. A ratio of 11 is more than is taken at a time.
    @Test(arguments: [2, 0, 3, 11], [false, true]) func agreesWithDefinition(_ samplingRatio: Int32, _ aligned: Bool) {
        for channels in [13, 70] {
            for pooled: Int32 in [7, 14] { agree(samplingRatio, aligned, [(11, 17, 1), (7, 10, 1)], channels, pooled) }
        }
        // An adaptive grid of 9 x 14 samples.
        if samplingRatio == 0 { agree(0, aligned, [(60, 100, 5.7)], 5, 7) }
    }

    private func agree(
        _ samplingRatio: Int32, _ aligned: Bool, _ maps: [(height: Int, width: Int, side: Float)], _ channels: Int,
        _ pooled: Int32
    ) {
        var generator = Generator(seed: 3)
        let boxes: [(Float, Float, Float, Float)] = [
            (0, 0, 68, 44), (3.3, 5.1, 20.7, 9.9), (60, 40, 68, 44), (10, 10, 10.2, 10.1), (0, 0, 0.5, 44), (68, 44, 68, 44),
        ]
        var rois: [uk_roi] = [], levels: [Int] = []
        for box in boxes {
            for (level, map) in maps.enumerated() {
                let side = map.side / Float(1 << level)
                rois.append(
                    uk_roi(
                        features: nil, height: Int32(map.height), width: Int32(map.width), channels: Int32(channels),
                        spatial_scale: 0.25, box: (box.0 * side, box.1 * side, box.2 * side, box.3 * side), pooled: pooled,
                        sampling_ratio: samplingRatio, aligned: aligned))
                levels.append(level)
            }
        }
        let each = Int(pooled * pooled) * channels
        let gradient = generator.floats(each * rois.count)
        let starts = maps.map { generator.floats($0.height * $0.width * channels) }
        var expected = starts.map { $0.map(Double.init) }
        for (index, roi) in rois.enumerated() {
            scatter(roi, gradient[index * each..<(index + 1) * each], &expected[levels[index]])
        }
        // A target that many bins fall on sums up many roundings.
        let wanted = expected.flatMap { $0.map(Float.init) }
        let limit = 2e-6 * wanted.reduce(4) { max($0, abs($1)) }
        for group in tablesOfEqualBits() {
            var first: [Float]?
            for table in group {
                for threads: Int32 in [1, 3] {
                    let targets = starts.map { Guarded($0) }, from = Guarded(gradient)
                    let addresses: [UnsafeMutablePointer<Float>?] = levels.map { targets[$0].base }
                    var exec = uk_exec(threads: threads, state: nil)
                    #expect(uk_roi_align_gradient(&exec, table, rois, Int64(rois.count), from.base, addresses) == UK_OK)
                    #expect(targets.allSatisfy { $0.isIntact })
                    let got = targets.flatMap { $0.values }
                    #expect(largestDifference(got, wanted) < limit, "\(name(table)), \(threads) threads")
                    if let first { #expect(bits(got) == bits(first), "\(name(table)), \(threads) threads") }
                    first = got
                }
            }
        }
    }
}
