import ULDorKernels

/// A mask pasted at its box in the image (method, section 8; docs/weights.md, `mask.paste`).
struct MaskPaste {
    let mask: UnsafePointer<Float>
    let size: Int32
    let box: Box
    let isContinuous: Bool
    let region: uk_region

    init(mask: UnsafePointer<Float>, box: Box, model: Model, width: Int, height: Int) {
        self.init(
            mask: mask, size: model.mask.size, box: box, isContinuous: model.config.paste == .continuous, width: width,
            height: height)
    }

    init(mask: UnsafePointer<Float>, size: Int, box: Box, isContinuous: Bool, width: Int, height: Int) {
        self.mask = mask
        self.size = Int32(size)
        self.box = box
        self.isContinuous = isContinuous
        region = uk_paste_region(Int32(size), box.corners, isContinuous, Int32(height), Int32(width))
    }

    var width: Int { Swift.max(0, Int(region.x1 - region.x0)) }
    var height: Int { Swift.max(0, Int(region.y1 - region.y0)) }
    var area: Int { width * height }

    /// Probabilities of the region's pixels, row by row.
    func fill(_ pixels: UnsafeMutablePointer<Float>) { fill(region, pixels) }

    /// The same for some of its rows.
    func fill(rows: Range<Int>, _ pixels: UnsafeMutablePointer<Float>) {
        let y = region.y0 + Int32(rows.lowerBound)
        fill(uk_region(x0: region.x0, y0: y, x1: region.x1, y1: y + Int32(rows.count)), pixels)
    }

    /// The same for a part of the region.
    func fill(_ region: uk_region, _ pixels: UnsafeMutablePointer<Float>) {
        uk_paste(mask, size, box.corners, isContinuous, region, pixels)
    }
}

extension Box {
    var corners: uk_box { uk_box(x1: x1, y1: y1, x2: x2, y2: y2) }
}
