import Testing
import ULDorKernels

/// The comparison with OpenCV and scipy is Tests/python/test_input.py; here are the definitions on odd shapes.
@Suite struct InputKernelTests {
    @Test(arguments: [(1, 1, 3), (5, 9, 3), (20, 31, 7), (6, 40, 7), (4, 4, 1), (71, 50, 5)])
    func openingAgreesWithDefinition(_ height: Int, _ width: Int, _ size: Int) {
        var generator = Generator(seed: UInt64(height))
        for density: Float in [0.3, 0.9, 0.99] {
            let mask: [UInt8] = generator.floats(height * width, 0...1).map { $0 < density ? 1 : 0 }
            func window(_ from: [UInt8], _ all: Bool) -> [UInt8] {
                var to = [UInt8](repeating: 0, count: from.count)
                for y in 0..<height {
                    for x in 0..<width {
                        var set = 0
                        for dy in -(size / 2)...size / 2 {
                            for dx in -(size / 2)...size / 2 {
                                guard (0..<height).contains(y + dy), (0..<width).contains(x + dx) else { continue }
                                set += Int(from[(y + dy) * width + x + dx])
                            }
                        }
                        to[y * width + x] = (all ? set == size * size : set > 0) ? 1 : 0
                    }
                }
                return to
            }
            var opened = mask, scratch = mask
            var exec = uk_exec(threads: 2, state: nil)
            #expect(uk_binary_open(&exec, &opened, Int32(height), Int32(width), Int32(size), &scratch) == UK_OK)
            #expect(opened == window(window(mask, true), false))
        }
    }

    /// A linear ramp stays a linear ramp between the outermost pixel centres, whatever the scale.
    @Test(arguments: [0.37, 1.0, 2.6]) func resizingARampGivesARamp(_ scale: Double) {
        // More columns and rows than are computed together.
        for (height, width) in [(9, 14), (40, 600)] {
            let ramp = (0..<height * width).map { Float($0 / width) * 3 + Float($0 % width) * 2 }
            let outHeight = Int((Double(height) / scale).rounded()), outWidth = Int((Double(width) / scale).rounded())
            let rows = outHeight + 3, columns = outWidth + 5
            var output = [Float](repeating: .nan, count: rows * columns)
            ramp.withUnsafeBufferPointer { ramp in
                output.withUnsafeMutableBufferPointer { output in
                    var resize = uk_resize(
                        from: ramp.baseAddress, height: Int32(height), width: Int32(width), row_stride: Int64(width),
                        scale_y: scale, scale_x: scale, out_height: Int32(outHeight), out_width: Int32(outWidth), mean: 10,
                        std: 2, to: output.baseAddress, rows: Int32(rows), columns: Int32(columns))
                    var exec = uk_exec(threads: 2, state: nil)
                    #expect(uk_resize_bilinear(&exec, &resize) == UK_OK)
                }
            }
            // Four roundings of values of up to this size.
            let tolerance = Double(height * 3 + width * 2) * 0x1p-22
            for y in 0..<rows {
                for x in 0..<columns {
                    let sourceY = min(max((Double(y) + 0.5) * scale - 0.5, 0), Double(height - 1))
                    let sourceX = min(max((Double(x) + 0.5) * scale - 0.5, 0), Double(width - 1))
                    let expected = y < outHeight && x < outWidth ? (sourceY * 3 + sourceX * 2 - 10) / 2 : 0
                    #expect(abs(Double(output[y * columns + x]) - expected) < tolerance)
                }
            }
        }
    }

    @Test func boundsOfAMask() {
        var mask = [UInt8](repeating: 0, count: 20 * 30)
        #expect(uk_bounds(mask, 20, 30).x1 == 0)
        for (y, x) in [(3, 29), (17, 4), (9, 9)] { mask[y * 30 + x] = 1 }
        let bounds = uk_bounds(mask, 20, 30)
        #expect(bounds.x0 == 4 && bounds.x1 == 30 && bounds.y0 == 3 && bounds.y1 == 18)
    }

    /// Of pixels that are not finite the first is named, however the rows are shared out.
    @Test func theFirstBadPixelOfASlice() {
        let (height, width) = (100, 7)
        var pixels = [Float](repeating: 1, count: height * width)
        for (y, x) in [(99, 6), (70, 2), (70, 5), (98, 0)] { pixels[y * width + x] = .nan }
        var hu = [Float](repeating: 0, count: height * width), bad: Int64 = 0
        var exec = uk_exec(threads: 3, state: nil)
        #expect(uk_read_slice(&exec, Int32(UK_PIXEL_FLOAT32), pixels, 28, 4, 100, 7, 2, 1, &hu, &bad) == UK_OK)
        #expect(bad == 70 * 7 + 2 && hu[0] == 3)
    }

    @Test func windowClips() {
        var output = [Float](repeating: 0, count: 5)
        var exec = uk_exec(threads: 1, state: nil)
        #expect(uk_window(&exec, [-5000, -1024, 0, 3071, 9000], 5, -1024, 3071, 0, 255, &output) == UK_OK)
        #expect(output[0] == 0 && output[1] == 0 && output[3] == 255 && output[4] == 255)
        #expect(abs(output[2] - 1024.0 / 4095 * 255) < 1e-4)
    }

    /// A mask of ones fills the box and nothing else, by both rules; boxes may leave the image.
    @Test(arguments: [false, true]) func pastedOnesFillTheBox(_ continuous: Bool) {
        let mask = [Float](repeating: 1, count: 28 * 28)
        for box in [uk_box(x1: 10, y1: 5, x2: 30, y2: 45), uk_box(x1: -20, y1: 30, x2: 20, y2: 90)] {
            let region = uk_paste_region(28, box, continuous, 60, 50)
            let (w, h) = (Int(region.x1 - region.x0), Int(region.y1 - region.y0))
            var pixels = [Float](repeating: .nan, count: w * h)
            uk_paste(mask, 28, box, continuous, region, &pixels)
            for y in 0..<60 {
                for x in 0..<50 {
                    let inRegion = x >= region.x0 && x < region.x1 && y >= region.y0 && y < region.y1
                    let value = inRegion ? pixels[(y - Int(region.y0)) * w + x - Int(region.x0)] : 0
                    let (cx, cy) = (Float(x) + 0.5, Float(y) + 0.5)
                    // torchvision's rule rounds the box to integers: a pixel around the edge is left open.
                    if cx > box.x1 + 1 && cx < box.x2 - 1 && cy > box.y1 + 1 && cy < box.y2 - 1 { #expect(value > 0.5) }
                    if cx < box.x1 - 1 || cx > box.x2 + 1 || cy < box.y1 - 1 || cy > box.y2 + 1 { #expect(value <= 0.5) }
                }
            }
        }
    }

    /// Any piece of a region is pasted as it is in the whole, pixel by pixel too; wider than what is computed together.
    @Test(arguments: [false, true]) func pastedPieces(_ continuous: Bool) {
        var generator = Generator(seed: 8)
        let mask = generator.floats(28 * 28, 0...1)
        for box in [uk_box(x1: 3.3, y1: -5.5, x2: 295.7, y2: 40), uk_box(x1: 20, y1: 10, x2: 27, y2: 12)] {
            let region = uk_paste_region(28, box, continuous, 60, 300)
            let (w, h) = (Int(region.x1 - region.x0), Int(region.y1 - region.y0))
            var whole = [Float](repeating: .nan, count: w * h)
            uk_paste(mask, 28, box, continuous, region, &whole)
            for index in stride(from: 0, to: w * h, by: 7) {
                let (x, y) = (region.x0 + Int32(index % w), region.y0 + Int32(index / w))
                var pixel: Float = .nan
                uk_paste(mask, 28, box, continuous, uk_region(x0: x, y0: y, x1: x + 1, y1: y + 1), &pixel)
                #expect(pixel == whole[index])
            }
        }
    }

    /// Against the definition, on rows of every length around the pieces that are looked at together.
    @Test(arguments: [0, 1, 5, 31, 32, 33, 64, 65, 100]) func edgesAndCounts(_ width: Int) {
        var generator = Generator(seed: UInt64(width))
        for threshold: Float in [0.02, 0.5, 0.98] {
            var row = generator.floats(width, 0...1)
            if width > 3 { row[2] = .nan }
            #expect(uk_count_above(row, Int64(width), threshold) == row.filter { $0 > threshold }.count)
            for first in 0...width {
                let expected = (first..<width).first { row[$0] > threshold && !($0 + 1 < width && row[$0 + 1] > threshold) }
                #expect(uk_next_edge(row, Int64(first), Int64(width), threshold) == expected ?? width)
            }
        }
    }

    /// Boxes that no network should produce do not make it run away.
    @Test(arguments: [false, true]) func hostileBoxes(_ continuous: Bool) {
        for box in [
            uk_box(x1: .nan, y1: 0, x2: 10, y2: 10), uk_box(x1: -.infinity, y1: -.infinity, x2: .infinity, y2: .infinity),
            uk_box(x1: 1e30, y1: 1e30, x2: 2e30, y2: 2e30), uk_box(x1: 5, y1: 5, x2: 5, y2: 5),
        ] {
            let region = uk_paste_region(28, box, continuous, 60, 50)
            #expect(region.x0 >= 0 && region.x1 <= 50 && region.y0 >= 0 && region.y1 <= 60)
            var pixels = [Float](repeating: 0, count: 60 * 50)
            uk_paste([Float](repeating: 1, count: 28 * 28), 28, box, continuous, region, &pixels)
        }
    }
}
