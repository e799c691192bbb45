/// How places of an image and of the network's input belong together: crop, scale and flips (method, section 3).
struct InputTransform {
    let left, top, scaleX, scaleY: Double
    /// Of the input, before padding.
    let width, height: Int
    let flipsX, flipsY: Bool

    init(_ geometry: InputGeometry, flipsX: Bool, flipsY: Bool) {
        (left, top) = (Double(geometry.cropLeft), Double(geometry.cropTop))
        (scaleX, scaleY) = (geometry.scaleX, geometry.scaleY)
        (width, height) = (geometry.width, geometry.height)
        (self.flipsX, self.flipsY) = (flipsX, flipsY)
    }

    func x(_ x: Double) -> Double {
        let moved = (x - left) * scaleX
        return flipsX ? Double(width) - moved : moved
    }

    func y(_ y: Double) -> Double {
        let moved = (y - top) * scaleY
        return flipsY ? Double(height) - moved : moved
    }

    func imageX(_ x: Double) -> Double { (flipsX ? Double(width) - x : x) / scaleX + left }
    func imageY(_ y: Double) -> Double { (flipsY ? Double(height) - y : y) / scaleY + top }

    /// In pixels of the input, not clipped; corners in order whatever flips there are.
    func box(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> (x1: Double, y1: Double, x2: Double, y2: Double) {
        let (a, b) = (x(x1), x(x2)), (c, d) = (y(y1), y(y2))
        return (Swift.min(a, b), Swift.min(c, d), Swift.max(a, b), Swift.max(c, d))
    }

    func recist(_ recist: InlineArray<8, Double>) -> InlineArray<8, Double> {
        var moved = recist
        for index in 0..<8 { moved[index] = index % 2 == 0 ? x(recist[index]) : y(recist[index]) }
        return moved
    }

    /// Pixels of the input whose centres lie in the box.
    func region(_ box: (x1: Double, y1: Double, x2: Double, y2: Double)) -> Example.MaskRegion {
        func pixels(_ low: Double, _ high: Double, _ count: Int) -> (first: Int, count: Int) {
            // Clipped before they become integers.
            let first = Swift.min(Swift.max((low - 0.5).rounded(.up), 0), Double(count))
            let end = Swift.min(Swift.max((high - 0.5).rounded(.down) + 1, first), Double(count))
            return (Int(first), Int(end) - Int(first))
        }
        let columns = pixels(box.x1, box.x2, width), rows = pixels(box.y1, box.y2, height)
        return Example.MaskRegion(x: columns.first, y: rows.first, width: columns.count, height: rows.count)
    }
}
