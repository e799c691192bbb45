import CULDor
import ULDorImpl

private func pseudoMask(_ recist: UnsafePointer<Double>?) throws(ULDorError) -> PseudoMask {
    try PseudoMask(recist: UnsafeBufferPointer(start: try require(recist, "recist"), count: 8))
}

@_cdecl("uldor_pseudo_mask_get_info")
public func pseudoMaskGetInfo(
    _ recist: UnsafePointer<Double>?, _ info: UnsafeMutablePointer<uldor_pseudo_mask_info>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let info = try require(info, "info")
        let mask = try pseudoMask(recist)
        var value = uldor_pseudo_mask_info()
        value.diameters_cross = mask.diametersCross ? 1 : 0
        value.polygon_points = Int32(clamping: mask.polygonPointCount)
        (value.centre_x, value.centre_y) = (mask.centre.x, mask.centre.y)
        value.area_px = mask.area
        value.angle_degrees = mask.angleDegrees
        (value.x1, value.y1, value.x2, value.y2) = (mask.bounds.x1, mask.bounds.y1, mask.bounds.x2, mask.bounds.y2)
        try writeStruct(value, to: info, minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_pseudo_mask_get_bitmap")
public func pseudoMaskGetBitmap(
    _ recist: UnsafePointer<Double>?, _ width: Int32, _ height: Int32, _ out: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
    _ rowStride: Int
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let out = try require(out, "out")
        for (name, side) in [("width", width), ("height", height)] where !(1...Int32(ImageDescription.maximalSide)).contains(side)
        {
            throw .invalidArgument("\(name) is \(side), not within 1...\(ImageDescription.maximalSide)")
        }
        let mask = try pseudoMask(recist)
        let stride = try bitmapStride(width: Int(width), height: Int(height), capacity: capacity, rowStride: rowStride)
        mask.fillBitmap(width: Int(width), height: Int(height), rowStride: stride, into: out)
    }
}

@_cdecl("uldor_pseudo_mask_get_polygon")
public func pseudoMaskGetPolygon(
    _ recist: UnsafePointer<Double>?, _ xy: UnsafeMutablePointer<Double>?, _ capacity: Int, _ points: UnsafeMutablePointer<Int>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let points = try require(points, "points")
        let mask = try pseudoMask(recist)
        let count = mask.polygonPointCount
        if try hasRoom(xy, capacity: capacity, needed: count, "xy"), let xy {
            for index in 0..<count {
                let point = mask.polygonPoint(index)
                (xy[index * 2], xy[index * 2 + 1]) = (point.x, point.y)
            }
        }
        points.pointee = count
    }
}
