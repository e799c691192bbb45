import CULDor
import ULDorImpl

private func view(_ result: OpaquePointer?) throws(ULDorError) -> ResultView {
    let raw = UnsafeRawPointer(try require(result, "result"))
    guard Int(bitPattern: raw) % 8 == 0, raw.load(as: UInt64.self) == ResultBlock.magic else {
        throw .invalidArgument("result is not such a handle, or was freed")
    }
    return ResultView(raw)
}

private func finding(_ result: OpaquePointer?, _ index: Int32) throws(ULDorError) -> (ResultView, Int) {
    let view = try view(result)
    return (view, try requireIndex(index, view.block.count, "index"))
}

@_cdecl("uldor_result_get_info")
public func resultGetInfo(_ result: OpaquePointer?, _ info: UnsafeMutablePointer<uldor_result_info>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let block = try view(result).block
        var value = uldor_result_info()
        value.count = Int32(block.count)
        value.width = Int32(block.width)
        value.height = Int32(block.height)
        value.missing_neighbours = Int32(block.missingNeighbours)
        try writeStruct(value, to: try require(info, "info"), minimum: MemoryLayout<Int>.size, "info")
    }
}

@_cdecl("uldor_result_get")
public func resultGet(
    _ result: OpaquePointer?, _ index: Int32, _ detection: UnsafeMutablePointer<uldor_detection>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let detection = try require(detection, "detection")
        let (view, place) = try finding(result, index)
        let found = view.finding(place)
        var value = uldor_detection()
        value.class_index = found.classIndex
        value.flags =
            (found.hasRecist ? Int32(ULDOR_DETECTION_HAS_RECIST) : 0) | (found.hasMillimetres ? Int32(ULDOR_DETECTION_HAS_MM) : 0)
        value.score = found.score
        value.lesion_probability = found.lesion
        value.false_positive_probability = found.falsePositive
        (value.x1, value.y1, value.x2, value.y2) = (found.x1, found.y1, found.x2, found.y2)
        (value.area_px, value.area_mm2) = (found.area, found.areaMillimetres)
        (value.long_x1, value.long_y1, value.long_x2, value.long_y2) = (
            found.long.a.x, found.long.a.y, found.long.b.x, found.long.b.y
        )
        (value.long_px, value.long_mm) = (found.long.pixels, found.long.millimetres)
        (value.short_x1, value.short_y1, value.short_x2, value.short_y2) = (
            found.short.a.x, found.short.a.y, found.short.b.x, found.short.b.y
        )
        (value.short_px, value.short_mm) = (found.short.pixels, found.short.millimetres)
        try writeStruct(value, to: detection, minimum: MemoryLayout<Int>.size, "detection")
    }
}

@_cdecl("uldor_result_get_mask")
public func resultGetMask(
    _ result: OpaquePointer?, _ index: Int32, _ out: UnsafeMutablePointer<UInt8>?, _ capacity: Int, _ rowStride: Int
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let out = try require(out, "out")
        let (view, place) = try finding(result, index)
        let stride = try bitmapStride(
            width: view.block.width, height: view.block.height, capacity: capacity, rowStride: rowStride)
        view.fillBitmap(place, into: out, rowStride: stride)
    }
}

@_cdecl("uldor_result_get_mask_rle")
public func resultGetMaskRLE(
    _ result: OpaquePointer?, _ index: Int32, _ counts: UnsafeMutablePointer<UInt32>?, _ capacity: Int,
    _ count: UnsafeMutablePointer<Int>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let count = try require(count, "count")
        let (view, place) = try finding(result, index)
        let needed = try view.runLengths(place, into: nil, capacity: 0)
        if try hasRoom(counts, capacity: capacity, needed: needed, "counts") {
            _ = try view.runLengths(place, into: counts, capacity: needed)
        }
        count.pointee = needed
    }
}

@_cdecl("uldor_result_get_contour_count")
public func resultGetContourCount(_ result: OpaquePointer?, _ index: Int32, _ count: UnsafeMutablePointer<Int32>?) -> uldor_status
{
    boundary { () throws(ULDorError) in
        let count = try require(count, "count")
        let (view, place) = try finding(result, index)
        count.pointee = Int32(clamping: view.contourCount(place))
    }
}

@_cdecl("uldor_result_get_contour")
public func resultGetContour(
    _ result: OpaquePointer?, _ index: Int32, _ contour: Int32, _ xy: UnsafeMutablePointer<Double>?, _ capacity: Int,
    _ points: UnsafeMutablePointer<Int>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let points = try require(points, "points")
        let (view, place) = try finding(result, index)
        let outline = view.contour(place, try requireIndex(contour, view.contourCount(place), "contour"))
        if try hasRoom(xy, capacity: capacity, needed: outline.count, "xy"), let xy {
            for (place, point) in outline.enumerated() { (xy[place * 2], xy[place * 2 + 1]) = (point.x, point.y) }
        }
        points.pointee = outline.count
    }
}

@_cdecl("uldor_result_get_mask_probabilities")
public func resultGetMaskProbabilities(
    _ result: OpaquePointer?, _ index: Int32, _ out: UnsafeMutablePointer<Float>?, _ capacity: Int
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let out = try require(out, "out")
        let (view, place) = try finding(result, index)
        let cells = view.block.maskSize * view.block.maskSize
        _ = try hasRoom(out, capacity: capacity, needed: cells, "out")
        out.update(from: view.probabilities(place), count: cells)
    }
}

@_cdecl("uldor_result_free")
public func resultFree(_ result: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in
        guard let result else { return }
        _ = try view(result)
        ResultBlock.free(UnsafeMutableRawPointer(result))
    }
}
