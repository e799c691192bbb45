/// What training takes of a mined set, and its masks as bitmaps; one thread's at a time.
final class MinedExamples {
    private let mined: MinedSet
    /// The last mask's cells, column by column.
    private var cells: GrowableBuffer<UInt8>

    init(_ mined: MinedSet) {
        self.mined = mined
        cells = GrowableBuffer(allocator: mined.allocator)
    }

    /// The negatives of an image.
    func chosen(in index: Int) -> [MinedDetection] {
        guard let image = mined.find(index) else { return [] }
        return mined.detections(of: image).filter { $0.verdict == .chosen }
    }

    /// Fills the cells with a negative's mask; nil where it has none to learn from.
    func mask(of detection: MinedDetection) throws(ULDorError) -> MaskGrid? {
        guard !mined.boxesOnly, !detection.mask.isEmpty else { return nil }
        let grid = detection.mask
        try cells.renew(try checkedProduct(grid.width, grid.height, of: "mask"))
        var cell = 0, value: UInt8 = 0
        for run in mined.runs(of: grid) {
            for _ in 0..<Swift.min(Int(run), cells.count - cell) {
                cells.elements[cell] = value
                cell += 1
            }
            value = 1 - value
        }
        return grid
    }

    /// Whether the last mask holds a point of the image.
    func isSet(_ grid: MaskGrid, _ x: Double, _ y: Double) -> Bool {
        let column = ((x - grid.x) / grid.dx).rounded(.down), row = ((y - grid.y) / grid.dy).rounded(.down)
        guard column >= 0, row >= 0, column < Double(grid.width), row < Double(grid.height) else { return false }
        return cells.elements[Int(column) * grid.height + Int(row)] != 0
    }
}

extension MaskGrid {
    /// The input's pixels that it may set.
    func region(_ transform: InputTransform) -> Example.MaskRegion {
        transform.region(transform.box(x, y, x + Double(width) * dx, y + Double(height) * dy))
    }
}
