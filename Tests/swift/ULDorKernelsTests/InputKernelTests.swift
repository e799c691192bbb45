import Testing
import ULDorKernels

/// The comparison with OpenCV and scipy is Tests/python/test_input.py; here are the definitions on odd shapes.
@Suite struct InputKernelTests {
    @Test(arguments: [(1, 1, 3), (5, 9, 3), (20, 31, 7), (6, 40, 7), (4, 4, 1)])
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
            var counts = [Int32](repeating: 0, count: width)
            var exec = uk_exec(threads: 1, state: nil)
            #expect(uk_binary_open(&exec, &opened, Int32(height), Int32(width), Int32(size), &scratch, &counts) == UK_OK)
            #expect(opened == window(window(mask, true), false))
        }
    }

    /// A linear ramp stays a linear ramp between the outermost pixel centres, whatever the scale.
    @Test(arguments: [0.37, 1.0, 2.6]) func resizingARampGivesARamp(_ scale: Double) {
        let (height, width) = (9, 14)
        let ramp = (0..<height * width).map { Float($0 / width) * 3 + Float($0 % width) * 2 }
        let outHeight = Int((Double(height) / scale).rounded()), outWidth = Int((Double(width) / scale).rounded())
        var output = [Float](repeating: .nan, count: outHeight * outWidth)
        uk_resize_bilinear(
            ramp, Int32(height), Int32(width), Int64(width), scale, scale, Int32(outHeight), Int32(outWidth), &output)
        for y in 0..<outHeight {
            for x in 0..<outWidth {
                let sourceY = min(max((Double(y) + 0.5) * scale - 0.5, 0), Double(height - 1))
                let sourceX = min(max((Double(x) + 0.5) * scale - 0.5, 0), Double(width - 1))
                #expect(abs(Double(output[y * outWidth + x]) - (sourceY * 3 + sourceX * 2)) < 1e-4)
            }
        }
    }

    @Test func windowClips() {
        var output = [Float](repeating: 0, count: 5)
        uk_window([-5000, -1024, 0, 3071, 9000], 5, -1024, 3071, 0, 255, &output)
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
