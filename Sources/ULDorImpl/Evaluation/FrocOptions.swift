/// How detections are counted (docs/evaluation.md).
public enum FrocConvention: Int32, Sendable { case paper = 0, deepLesion }

/// What becomes of detections of the class "false positive".
public enum FalsePositiveRule: Int32, Sendable { case appendByLesionScore = 0, appendByScore, ignore }

/// What a FROC is made with; checked at the boundary.
public struct FrocOptions {
    public var allocator = Allocator.system
    public var convention = FrocConvention.paper
    public var falsePositives = FalsePositiveRule.appendByLesionScore
    public var threshold = 0.5
    public var samples = 0
    public var threads: Int32 = 1
    public var seed: UInt64 = 0
    public var confidence = 0.95
    public var sizes = SizeClasses()

    public init() {}
}

/// Classes of lesions by their long diameter: < 10, 10...30, > 30 mm unless the caller has other bounds.
public struct SizeClasses: Sendable {
    public static let most = 15
    let bounds: [Double]

    /// `bounds`: finite, positive, ascending, ``most`` of them or fewer.
    public init(bounds: [Double] = [10, 30]) { self.bounds = bounds }

    public var count: Int { bounds.count + 1 }

    /// A lesion on a bound belongs to the class above, but to the one below the last of several: "10-30" holds both.
    func index(of size: Double) -> Int {
        var index = 0
        for (number, bound) in bounds.enumerated() {
            let isLastOfSeveral = number > 0 && number == bounds.count - 1
            if isLastOfSeveral ? size > bound : size >= bound { index = number + 1 }
        }
        return index
    }

    public func range(_ index: Int) -> (low: Double, high: Double) {
        (index > 0 ? bounds[index - 1] : 0, index < bounds.count ? bounds[index] : .infinity)
    }
}
