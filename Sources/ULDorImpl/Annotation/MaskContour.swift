import ULDorKernels

/// One closed contour in the points of a ``ContourTracer``.
public struct ContourSpan: BitwiseCopyable, Equatable, Sendable {
    /// Index of the first point.
    public var start: Int
    public var count: Int
    /// Square pixels; positive for outer contours, negative for holes.
    public var signedArea: Double
}

/// Contours of a mask: where its probability crosses the threshold (marching squares).
///
/// A pixel is set when p > threshold (NaN is not). Values sit at pixel centres; outside the region all is unset and counts as 0.
/// A vertex lies on each side between a set and an unset neighbour's centre, where p crosses the threshold linearly,
/// but always strictly inside that side, so the contours enclose (even-odd, or by winding number) exactly the centres of the set
/// pixels. Where set and unset pixels alternate around a corner (saddle), the set ones are joined if the mean of the
/// four exceeds the threshold. Outer contours have positive shoelace area, holes negative (uldor.h).
///
/// Time is linear in the region's area; memory is kept, so that a warmed-up tracer allocates nothing.
public struct ContourTracer: ~Copyable {
    /// All contours one after another, not closed (the first point does not come again); pixels of the image.
    public private(set) var points: GrowableBuffer<Point>
    /// Largest |area| first; of equal ones the one whose uppermost, then leftmost downward edge comes first.
    public private(set) var contours: GrowableBuffer<ContourSpan>
    /// For each pixel of the region: the edge on its right, followed downwards, is in a contour already.
    private var visited: GrowableBuffer<UInt8>

    /// A vertex is at least this far from both centres, in pixels: a power of two, so that float32 keeps it apart up to 8192.
    static let margin = 1.0 / 1024

    public init(allocator: Allocator) {
        points = GrowableBuffer(allocator: allocator)
        contours = GrowableBuffer(allocator: allocator)
        visited = GrowableBuffer(allocator: allocator)
    }

    /// Bytes held.
    var bytes: Int { points.bytes + contours.bytes + visited.bytes }

    public mutating func removeAll() {
        points.removeAll()
        contours.removeAll()
    }

    /// Replaces the contours by those of a region, `height` rows of `width` probabilities, whose first pixel is
    /// (`originX`, `originY`) of the image. No contours, if the region has no pixels. After an error there are none.
    public mutating func trace(
        _ probabilities: UnsafePointer<Float>, width: Int, height: Int, originX: Int, originY: Int, threshold: Float
    ) throws(ULDorError) {
        removeAll()
        guard width > 0, height > 0 else { return }
        let count = try checkedProduct(width, height, of: "mask contours")
        let grid = Grid(
            values: probabilities, width: width, height: height, threshold: threshold,
            origin: Point(x: Double(originX) + 0.5, y: Double(originY) + 0.5))
        do throws(ULDorError) {
            try visited.renew(count)
            visited.elements.update(repeating: 0)
            try followAll(grid)
        } catch {
            removeAll()
            throw error
        }
        heapSort(contours.elements) { a, b in
            let (first, second) = (abs(a.signedArea), abs(b.signedArea))
            return first > second || (first == second && a.start < b.start)
        }
    }

    /// Every contour goes down somewhere, with a set pixel on its left-hand side of the image and an unset one on its right.
    private mutating func followAll(_ grid: Grid) throws(ULDorError) {
        for y in 0..<grid.height {
            var x = grid.nextEdge(0, y)
            while x < grid.width {
                if visited.elements[y * grid.width + x] == 0 { try follow(grid, x, y) }
                x = grid.nextEdge(x + 1, y)
            }
        }
    }

    /// Follows one contour from the side between (x, y), set, and (x + 1, y), unset, downwards.
    private mutating func follow(_ grid: Grid, _ x: Int, _ y: Int) throws(ULDorError) {
        let start = points.count
        let first = Side(setX: x, setY: y, unsetX: x + 1, unsetY: y)
        let anchor = grid.vertex(first)
        var previous = Point.zero
        var doubleArea = 0.0
        var side = first
        repeat {
            if side.goesDown { visited.elements[side.setY * grid.width + side.setX] = 1 }
            let vertex = grid.vertex(side)
            try points.append(grid.origin + vertex)
            // Relative to the first vertex: no digits are lost to where the region is.
            doubleArea += previous.cross(vertex - anchor)
            previous = vertex - anchor
            side = grid.next(after: side)
        } while side != first
        try contours.append(ContourSpan(start: start, count: points.count - start, signedArea: doubleArea / 2))
    }
}

/// A side between the centres of two neighbouring pixels that a contour crosses, with the set one on the side of growing
/// angles (direction of travel turned from +x to +y): that makes the area of outer contours positive.
private struct Side: BitwiseCopyable, Equatable {
    var setX, setY, unsetX, unsetY: Int

    /// Direction of travel.
    var stepX: Int { setY - unsetY }
    var stepY: Int { unsetX - setX }

    var goesDown: Bool { unsetX > setX }
}

/// The region's values as marching squares sees them.
private struct Grid {
    let values: UnsafePointer<Float>
    let width, height: Int
    let threshold: Float
    /// Centre of the region's first pixel.
    let origin: Point

    @inline(__always)
    func value(_ x: Int, _ y: Int) -> Float {
        x >= 0 && x < width && y >= 0 && y < height ? values[y * width + x] : 0
    }

    @inline(__always)
    func isSet(_ x: Int, _ y: Int) -> Bool {
        x >= 0 && x < width && y >= 0 && y < height && values[y * width + x] > threshold
    }

    /// First x from `x` on that is set while the next one is not; `width` where there is none.
    func nextEdge(_ x: Int, _ y: Int) -> Int { Int(uk_next_edge(values + y * width, Int64(x), Int64(width), threshold)) }

    /// Where the contour crosses a side, relative to the centre of the region's first pixel.
    func vertex(_ side: Side) -> Point {
        let set = Double(value(side.setX, side.setY))
        let unset = Double(value(side.unsetX, side.unsetY))
        var part = (set - Double(threshold)) / (set - unset)
        // Not a number next to NaN or with infinite values: the middle.
        if part.isNaN { part = 0.5 }
        part = max(ContourTracer.margin, min(1 - ContourTracer.margin, part))
        return Point(
            x: Double(side.setX) + part * Double(side.unsetX - side.setX),
            y: Double(side.setY) + part * Double(side.unsetY - side.setY))
    }

    /// The side through which the contour leaves the cell of four centres that it enters through `side`.
    func next(after side: Side) -> Side {
        let aheadOfSet = (x: side.setX + side.stepX, y: side.setY + side.stepY)
        let aheadOfUnset = (x: side.unsetX + side.stepX, y: side.unsetY + side.stepY)
        let firstSet = isSet(aheadOfSet.x, aheadOfSet.y)
        let secondSet = isSet(aheadOfUnset.x, aheadOfUnset.y)
        if firstSet && !secondSet {
            return Side(setX: aheadOfSet.x, setY: aheadOfSet.y, unsetX: aheadOfUnset.x, unsetY: aheadOfUnset.y)
        }
        let joined = firstSet || (secondSet && isSaddleJoined(side, aheadOfSet, aheadOfUnset))
        return joined
            ? Side(setX: aheadOfUnset.x, setY: aheadOfUnset.y, unsetX: side.unsetX, unsetY: side.unsetY)
            : Side(setX: side.setX, setY: side.setY, unsetX: aheadOfSet.x, unsetY: aheadOfSet.y)
    }

    /// The mean of the cell's four values exceeds the threshold. A saddle is passed twice, with the pixels of each pair
    /// exchanged: the order of the sum makes sure that both agree.
    private func isSaddleJoined(_ side: Side, _ aheadOfSet: (x: Int, y: Int), _ aheadOfUnset: (x: Int, y: Int)) -> Bool {
        let set = Double(value(side.setX, side.setY)) + Double(value(aheadOfUnset.x, aheadOfUnset.y))
        let unset = Double(value(side.unsetX, side.unsetY)) + Double(value(aheadOfSet.x, aheadOfSet.y))
        return (set + unset) / 4 > Double(threshold)
    }
}
