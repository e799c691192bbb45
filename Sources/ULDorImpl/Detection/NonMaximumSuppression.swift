import ULDorKernels

/// Greedy non-maximum suppression, torchvision.ops.nms: of boxes in descending order of score, keeps each that no kept one
/// overlaps by more than `threshold`.
enum NonMaximumSuppression {
    /// Scratch values for as many boxes as may be kept.
    static func scratchCount(_ kept: Int) -> Int { Int(uk_suppress_floats(Int32(truncatingIfNeeded: kept))) }

    /// - Parameters:
    ///   - boxes: finite; fewer than 2^31, as their number is bounded by that of proposals or anchors.
    ///   - order: indices into `boxes`, best first; the kept ones are moved to its front.
    ///   - scratch: as many values as ``scratchCount(_:)`` says for the lesser of `count` and `limit`.
    /// - Returns: how many were kept, at most `limit`; nil where it was cancelled.
    static func suppress(
        _ boxes: UnsafePointer<Box>, order: UnsafeMutablePointer<Int32>, count: Int, threshold: Float, limit: Int,
        scratch: UnsafeMutablePointer<Float>, _ table: UnsafePointer<uk_table>, _ exec: UnsafePointer<uk_exec>
    ) -> Int? {
        let coordinates = UnsafeRawPointer(boxes).assumingMemoryBound(to: Float.self)
        let kept = uk_suppress(
            exec, table, coordinates, order, Int32(truncatingIfNeeded: count), threshold, Int32(truncatingIfNeeded: limit),
            scratch)
        return kept < 0 ? nil : Int(kept)
    }
}
