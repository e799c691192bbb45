/// A box of the evaluation, in double precision: x1, y1, x2, y2 in the header's continuous coordinates.
struct OverlapBox: BitwiseCopyable {
    var x1, y1, x2, y2: Double

    static let limit = 1e9

    init(_ corners: UnsafePointer<Double>) { (x1, y1, x2, y2) = (corners[0], corners[1], corners[2], corners[3]) }

    /// What is wrong with it, nil: nothing.
    var fault: String? {
        for value in [x1, y1, x2, y2] where !(abs(value) <= Self.limit) { return "a box with a coordinate of \(value)" }
        guard x2 >= x1, y2 >= y1 else { return "a box of negative size, \(x1) \(y1) \(x2) \(y2)" }
        return nil
    }

    /// Intersection over union. `deepLesion`: as the field's code computes it, from inclusive pixels, 1 added to every side.
    func overlap(_ other: OverlapBox, _ convention: FrocConvention) -> Double {
        let shift: Double = convention == .deepLesion ? 1 : 0
        func side(_ low: Double, _ high: Double) -> Double { (high - shift) - low + shift }
        let width = Swift.max(side(Swift.max(x1, other.x1), Swift.min(x2, other.x2)), 0)
        let height = Swift.max(side(Swift.max(y1, other.y1), Swift.min(y2, other.y2)), 0)
        let shared = width * height
        let union = side(x1, x2) * side(y1, y2) + side(other.x1, other.x2) * side(other.y1, other.y2) - shared
        return union > 0 ? shared / union : 0
    }

    static func isBefore(_ a: OverlapBox, _ b: OverlapBox) -> Bool {
        (a.x1, a.y1, a.x2, a.y2) < (b.x1, b.y1, b.x2, b.y2)
    }
}
