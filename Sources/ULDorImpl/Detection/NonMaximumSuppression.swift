/// Greedy non-maximum suppression, torchvision.ops.nms: of boxes in descending order of score, keeps each that no kept one
/// overlaps by more than `threshold`.
///
/// - Parameters:
///   - order: indices into `boxes`, best first; the kept ones are moved to its front.
///   - areas: scratch of `count` values.
/// - Returns: how many were kept, at most `limit`.
func suppress(
    _ boxes: UnsafePointer<Box>, order: UnsafeMutablePointer<Int32>, count: Int, threshold: Float, limit: Int,
    areas: UnsafeMutablePointer<Float>, _ execution: Execution?
) throws(ULDorError) -> Int {
    var kept = 0
    for place in 0..<count where kept < limit {
        if place % 64 == 0 { try execution?.checkCancelled() }
        let candidate = boxes[Int(order[place])]
        let area = candidate.area
        var isFree = true
        for index in 0..<kept {
            let other = boxes[Int(order[index])]
            if candidate.isOverlapping(other, area: area, otherArea: areas[index], above: threshold) {
                isFree = false
                break
            }
        }
        if isFree {
            order[kept] = order[place]
            areas[kept] = area
            kept += 1
        }
    }
    return kept
}
