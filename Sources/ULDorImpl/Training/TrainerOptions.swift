/// What a host sets on a trainer (uldor_trainer_options); checked by ``validated()``.
public struct TrainerOptions {
    public typealias LogFunction = SessionOptions.LogFunction

    public enum Resume: Int32, Sendable { case ifThere = 0, never = 1, always = 2 }
    public enum Optimiser: Int32, Sendable { case sgd = 0, adamw = 1 }
    public enum RateSchedule: Int32, Sendable { case steps = 0, cosine = 1 }

    public var allocator = Allocator.system
    public var log: LogFunction?
    public var logUser: UnsafeMutableRawPointer?
    /// Returns whether to go on.
    public var progress: ((TrainingEvent) -> Bool)?
    public var reduction: Reduction?
    public var augmentation = Augmentation()

    public var initPath, architecture, config: String?
    public var classes: Int?
    public var epochs = 12
    public var outputPath, checkpointPath, logPath: String?
    /// 0: only around validations.
    public var checkpointSteps = 200
    public var resume = Resume.ifThere
    public var isHalf = false

    public var seed: UInt64 = 0
    public var batch = 2, accumulation = 1
    public var optimiser = Optimiser.sgd
    public var rate = 1e-3, momentum = 0.9, secondMomentum = 0.999, weightDecay = 1e-4
    public var rateSchedule = RateSchedule.steps
    public var rateFactor = 0.1
    public var rateEpochs = 4, warmupSteps = 0
    /// 0: gradients are never scaled down.
    public var clipNorm = 0.0
    /// 0: all.
    public var epochImages = 0, validationImages = 0
    /// 0: never stop early.
    public var patience = 4
    /// nil: 3, or 5 at a random start.
    public var trainableLayers: Int?
    public var trainSplit = Split.train
    public var validationSplit: Split? = Split.validation
    public var anchorSamples = 256, regionSamples = 512
    public var anchorFraction = 0.5, regionFraction = 0.25
    public var proposals = 2000
    public var usesMasks = true
    /// nil: 16 at a random start, else none.
    public var calibrationImages: Int?
    public var skipsBadImages = false

    /// nil: no mining.
    public var mining: MiningOptions?
    public var minedPath, minedOutputPath: String?
    public var acceptsAnyModelsMined = false

    public var threads: Int32 = 0
    public var loaderThreads = 1
    public var instructions: Int32 = 0
    public var isExact = false

    public init() {}

    /// Throws INVALID_ARGUMENT with the field's name, its value and its range.
    public func validated() throws(ULDorError) -> TrainerOptions {
        func check(_ name: StaticString, _ value: Int, _ range: ClosedRange<Int>) throws(ULDorError) {
            guard range.contains(value) else {
                throw .invalidArgument("options.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
            }
        }
        // Not NaN either.
        func check(_ name: StaticString, _ value: Double, _ range: ClosedRange<Double>) throws(ULDorError) {
            guard range.contains(value) else {
                throw .invalidArgument("options.\(name) is \(value), not within \(range.lowerBound)...\(range.upperBound)")
            }
        }
        guard initPath != nil || architecture != nil else {
            throw .invalidArgument("options.init_path and options.architecture are both NULL")
        }
        if let classes { try check("classes", classes, 2...3) }
        try check("epochs", epochs, 1...100_000)
        try check("checkpoint_steps", checkpointSteps, 0...1_000_000_000)
        try check("batch", batch, 1...1024)
        try check("accumulation", accumulation, 1...1024)
        try check("lr", rate, 0...1000)
        guard momentum >= 0, momentum < 1 else { throw .invalidArgument("options.momentum is \(momentum), not within 0..<1") }
        guard secondMomentum >= 0, secondMomentum < 1 else {
            throw .invalidArgument("options.second_momentum is \(secondMomentum), not within 0..<1")
        }
        try check("weight_decay", weightDecay, 0...1)
        try check("lr_factor", rateFactor, 0...1)
        try check("lr_epochs", rateEpochs, 0...100_000)
        try check("warmup_steps", warmupSteps, 0...1_000_000_000)
        try check("clip_norm", clipNorm, 0...1e30)
        try check("epoch_images", epochImages, 0...1_000_000_000)
        try check("validation_images", validationImages, 0...1_000_000_000)
        try check("patience", patience, 0...100_000)
        if let trainableLayers { try check("trainable_layers", trainableLayers, 0...5) }
        try check("rpn_samples", anchorSamples, 1...4096)
        try check("roi_samples", regionSamples, 1...4096)
        try check("rpn_positive", anchorFraction, 0...1)
        try check("roi_positive", regionFraction, 0...1)
        try check("proposals", proposals, 1...4096)
        if let calibrationImages { try check("calibration_images", calibrationImages, 0...256) }
        try check("threads", Int(threads), 0...1024)
        try check("loader_threads", loaderThreads, 1...64)
        try check("instructions", Int(instructions), 0...3)
        if let reduction {
            guard (1...65536).contains(reduction.size) else {
                throw .invalidArgument("reduction.size is \(reduction.size), not within 1...65536")
            }
            guard (0..<reduction.size).contains(reduction.rank) else {
                throw .invalidArgument("reduction.rank is \(reduction.rank), not within 0..<\(reduction.size)")
            }
        }
        let named = [
            ("output_path", outputPath), ("checkpoint_path", checkpointPath), ("log_path", logPath), ("mined_path", minedPath),
            ("mined_output_path", minedOutputPath),
        ]
        for (name, path) in named where path == "" { throw .invalidArgument("options.\(name) is empty") }
        if mining == nil, minedOutputPath != nil {
            throw .invalidArgument("options.mined_output_path is given, options.mining is NULL")
        }
        if classes == 2, isMining { throw .invalidArgument("options.classes is 2: false positives are a third") }
        _ = try mining?.validated()
        let paths = [outputPath, checkpointPath, logPath, minedOutputPath, initPath, minedPath].compactMap { $0 }
        // The initial weights may be replaced by the trained ones.
        for (index, path) in paths.enumerated() where path != initPath && paths[..<index].contains(path) {
            throw .invalidArgument("two files of options have the same path, \(path)")
        }
        if checkpointPath != nil, checkpointPath == initPath {
            throw .invalidArgument("options.checkpoint_path is options.init_path, \(initPath ?? "")")
        }
        _ = try augmentation.validated()
        return self
    }

    /// Whether there is a class of false positives to learn.
    var isMining: Bool { mining != nil || minedPath != nil }
    var wantedClasses: Int? { isMining ? 3 : classes }

    var size: Int { reduction?.size ?? 1 }
    var rank: Int { reduction?.rank ?? 0 }
    /// Who writes files.
    var isWriter: Bool { rank == 0 }

    func warn(_ message: String) { log?(logUser, 1, message) }
    func inform(_ message: String) { log?(logUser, 2, message) }
}

/// Sums over processes (uldor_reduction).
public struct Reduction {
    public typealias Doubles = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<Double>?, Int64) -> Int32
    public typealias Floats = @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<Float>?, Int64) -> Int32

    public let rank, size: Int
    private let user: UnsafeMutableRawPointer?
    private let doubles: Doubles
    private let floats: Floats

    public init(rank: Int, size: Int, user: UnsafeMutableRawPointer?, doubles: @escaping Doubles, floats: @escaping Floats) {
        self.rank = rank
        self.size = size
        self.user = user
        self.doubles = doubles
        self.floats = floats
    }

    /// A few numbers, by their sums.
    func sum(_ values: inout [Double]) throws(ULDorError) {
        let count = Int64(values.count)
        let status = values.withUnsafeMutableBufferPointer { doubles(user, $0.baseAddress, count) }
        guard status == 0 else { throw ULDorError(.io, "reduction.sum_doubles returned \(status)") }
    }

    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws(ULDorError) {
        let status = floats(user, values.baseAddress, Int64(values.count))
        guard status == 0 else { throw ULDorError(.io, "reduction.sum_floats returned \(status)") }
    }
}

/// What progress gets (uldor_training_event).
public struct TrainingEvent {
    public enum Kind: Int32, Sendable { case calibration = 0, step = 1, validation = 2, epoch = 3, mining = 4 }

    public var kind: Kind
    public var epoch = 0, epochs = 0, step = 0, steps = 0, totalSteps = 0, skippedImages = 0
    public var isBest = false
    public var objectness = 0.0, rpnBox = 0.0, classifier = 0.0, box = 0.0, mask = 0.0, loss = 0.0
    public var rate = 0.0, gradientNorm = 0.0, imagesPerSecond = 0.0
    /// Negative: not known yet.
    public var secondsLeft = -1.0
    /// NaN: none yet.
    public var validationLoss = Double.nan, bestLoss = Double.nan
}
