/// What a host sets on mining (uldor_mining_options); checked by ``validated()``.
public struct MiningOptions {
    public typealias LogFunction = SessionOptions.LogFunction

    public var allocator = Allocator.system
    public var log: LogFunction?
    public var logUser: UnsafeMutableRawPointer?
    /// Images done, of how many, and the last one's name; returns whether to go on.
    public var progress: ((_ done: Int, _ count: Int, _ name: String) -> Bool)?

    public var goodOverlap = 0.3, leastScore = 0.7
    /// The paper's m.
    public var most = 3
    public var boxesOnly = false
    /// 1: nothing is spared.
    public var spareQuantile = 1.0
    public var scoreThreshold = 0.05
    public var seed: UInt64 = 0
    public var epoch = 0
    public var split = Split.train
    /// Of a trainer: the epoch before which it mines first, and after how many it does again (0: never).
    public var firstEpoch = 1, every = 1
    public var resume = TrainerOptions.Resume.ifThere
    public var skipsBadImages = false
    public var threads: Int32 = 0
    /// 0: one a thread, at most 8.
    public var streams = 0
    public var instructions: Int32 = 0
    public var isExact = false

    public init() {}

    /// Throws INVALID_ARGUMENT with the field's name, its value and its range.
    public func validated() throws(ULDorError) -> MiningOptions {
        func check(_ name: StaticString, _ value: Int, _ range: ClosedRange<Int>) throws(ULDorError) {
            guard range.contains(value) else {
                throw .invalidArgument("mining.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
            }
        }
        // Not NaN either.
        func check(_ name: StaticString, _ value: Double) throws(ULDorError) {
            guard (0...1).contains(value) else { throw .invalidArgument("mining.\(name) is \(value), not within 0...1") }
        }
        try check("good_iou", goodOverlap)
        try check("min_score", leastScore)
        try check("most", most, 0...1000)
        try check("spare_quantile", spareQuantile)
        try check("score_threshold", scoreThreshold)
        try check("epoch", epoch, 0...1_000_000_000)
        try check("first_epoch", firstEpoch, 0...100_000)
        try check("every", every, 0...100_000)
        try check("threads", Int(threads), 0...1024)
        try check("streams", streams, 0...64)
        try check("instructions", Int(instructions), 0...3)
        return self
    }

    /// Whether a trainer mines before this epoch.
    func isDue(epoch: Int) -> Bool {
        guard epoch >= firstEpoch else { return false }
        return every == 0 ? epoch == firstEpoch : (epoch - firstEpoch) % every == 0
    }

    /// Of a trainer: everything that its weights depend on.
    var identity: String {
        [
            JSONText.number(goodOverlap), JSONText.number(leastScore), "\(most)", boxesOnly ? "boxes" : "masks",
            JSONText.number(spareQuantile), JSONText.number(scoreThreshold), "\(firstEpoch)", "\(every)",
            isExact ? "exact" : "fast",
        ].joined(separator: " ")
    }

    func warn(_ message: String) { log?(logUser, 1, message) }
}
