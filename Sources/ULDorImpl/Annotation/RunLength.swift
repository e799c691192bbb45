/// COCO's uncompressed run lengths of a mask: column by column, beginning with a run of zeros (which is 0 long where the first
/// pixel is set). As pycocotools counts: there is always one count at least, and no run of zeros after a last run of ones
/// that reaches the end.
///
/// The mask is that of the whole image; it is given as a region of it. Pixels outside the region are 0, parts of the region
/// outside the image are left out. Time is linear in the region's area and its width.
public enum RunLength {
    /// Where a region lies in an image, in pixels.
    public struct Placement: BitwiseCopyable, Sendable {
        public var width, height: Int
        public var originX, originY: Int
        public var imageWidth, imageHeight: Int

        public init(width: Int, height: Int, originX: Int, originY: Int, imageWidth: Int, imageHeight: Int) {
            self.width = width
            self.height = height
            self.originX = originX
            self.originY = originY
            self.imageWidth = imageWidth
            self.imageHeight = imageHeight
        }
    }

    /// `isSet` is asked for pixels (column, row) of the region, each at most once, in the order of the runs.
    @inline(__always)
    static func encode(
        _ placement: Placement, isSet: (Int, Int) -> Bool, emit: (UInt32) throws(ULDorError) -> Void
    ) throws(ULDorError) {
        let imageWidth = max(placement.imageWidth, 0)
        let imageHeight = max(placement.imageHeight, 0)
        let total = try checkedProduct(imageWidth, imageHeight, of: "run lengths")
        guard total <= Int(UInt32.max) else { throw .tooLarge("run lengths") }
        let columns = inside(placement.originX, placement.width, imageWidth)
        let rows = inside(placement.originY, placement.height, imageHeight)

        // Pixels are numbered column by column; a run ends where the value changes.
        var runStart = 0
        var value = false
        if !rows.isEmpty {
            for x in columns {
                let column = x * imageHeight
                for y in rows where isSet(x - placement.originX, y - placement.originY) != value {
                    try emit(UInt32(column + y - runStart))
                    runStart = column + y
                    value.toggle()
                }
                // Below the region, or above it in the next column, unless the image ends here.
                let below = column + rows.upperBound
                if value, rows.count < imageHeight, below < total {
                    try emit(UInt32(below - runStart))
                    runStart = below
                    value = false
                }
            }
        }
        // So do columns on the right of the region.
        let right = columns.upperBound * imageHeight
        if value, right < total {
            try emit(UInt32(right - runStart))
            runStart = right
        }
        try emit(UInt32(total - runStart))
    }

    /// The part of `origin..<origin + extent` that is in 0..<limit.
    private static func inside(_ origin: Int, _ extent: Int, _ limit: Int) -> Range<Int> {
        guard extent > 0 else { return 0..<0 }
        let (sum, overflow) = origin.addingReportingOverflow(extent)
        let low = max(0, min(limit, origin))
        let high = overflow ? limit : max(low, min(limit, sum))
        return low..<high
    }
}
