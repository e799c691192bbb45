import Glibc

/// torchvision's project_masks_on_boxes: the true mask under a region, RoIAlign at size x size with an adaptive number of
/// samples, not binarised.
struct MaskTargets {
    let size: Int

    func project(_ lesion: Example.Lesion, of example: Example, on box: Box, into target: UnsafeMutablePointer<Float>) {
        guard let mask = example.mask(lesion) else { return target.update(repeating: 0, count: size * size) }
        let width = Swift.max(box.width, 1), height = Swift.max(box.height, 1)
        let binWidth = width / Float(size), binHeight = height / Float(size)
        // A region is no larger than the input; the bound only keeps a box that is not finite from being counted.
        let across = samples(binWidth), down = samples(binHeight)
        let frame = Frame(mask: mask, region: lesion.region, height: example.size.height, width: example.size.width)
        for row in 0..<size {
            for column in 0..<size {
                var sum: Float = 0
                for y in 0..<down {
                    let yy = box.y1 + Float(row) * binHeight + (Float(y) + 0.5) * binHeight / Float(down)
                    for x in 0..<across {
                        let xx = box.x1 + Float(column) * binWidth + (Float(x) + 0.5) * binWidth / Float(across)
                        sum += frame.value(yy, xx)
                    }
                }
                target[row * size + column] = sum / Float(down * across)
            }
        }
    }

    private func samples(_ bin: Float) -> Int { bin <= 4096 ? Swift.max(Int(bin.rounded(.up)), 1) : 1 }

    /// A mask as the whole image that it is part of.
    private struct Frame {
        let mask: UnsafePointer<UInt8>
        let region: Example.MaskRegion
        let height, width: Int

        func pixel(_ y: Int, _ x: Int) -> Float {
            let row = y - region.y, column = x - region.x
            guard row >= 0, row < region.height, column >= 0, column < region.width else { return 0 }
            return Float(mask[row * region.width + column])
        }

        /// RoIAlign's bilinear_interpolate.
        func value(_ y: Float, _ x: Float) -> Float {
            guard y >= -1, y <= Float(height), x >= -1, x <= Float(width) else { return 0 }
            var y = Swift.max(y, 0), x = Swift.max(x, 0)
            var top = Int(y), left = Int(x), bottom = top + 1, right = left + 1
            if top >= height - 1 {
                (top, bottom) = (height - 1, height - 1)
                y = Float(top)
            }
            if left >= width - 1 {
                (left, right) = (width - 1, width - 1)
                x = Float(left)
            }
            let ly = y - Float(top), lx = x - Float(left), hy = 1 - ly, hx = 1 - lx
            return hy * hx * pixel(top, left) + hy * lx * pixel(top, right) + ly * hx * pixel(bottom, left)
                + ly * lx * pixel(bottom, right)
        }
    }
}
