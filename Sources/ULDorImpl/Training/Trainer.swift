import ULDorKernels

/// One training run (uldor_trainer): which images when, the optimiser, validation, what is written; the network's part is a
/// ``Learning``.
///
/// One call at a time. Whatever a call fails with, the trainer stands where its last whole step left it: weights and momentum
/// change in one place (``update(_:)``), which nothing interrupts.
public final class Trainer: @unchecked Sendable {
    // Unchecked: `acquire` admits one thread at a time; `cancel` touches only an atomic state.
    let options: TrainerOptions
    let learner: any Learning
    let schedule: TrainingSchedule
    let train, validation: ImageList
    /// What the weights are written with.
    let config: String
    let identity: CheckpointText.Identity
    var state: TrainingState
    let isResumed: Bool
    /// Whether the best weights so far are known to be in their place.
    var isBestSeen: Bool
    /// What became of the tensors of init_path (uldor_trainer_report).
    let report: [String]
    let collective: Collective
    let pace = TrainingPace()
    let log: TrainingLog?
    let ranges: [Range<Int>]
    /// Of the gradients' norm.
    let scratch: Buffer<Double>
    /// Those that are learnt from; nil: none yet.
    var mined: HardNegatives?
    /// The running epoch's images from a step on, decoded ahead of need.
    var feed: (loader: ExampleLoader, epoch: Int, step: Int)?

    init(
        _ options: TrainerOptions, _ learner: any Learning, train: ImageList, validation: ImageList, config: String,
        identity: CheckpointText.Identity, state: TrainingState, isResumed: Bool, report: [String],
        mined: HardNegatives? = nil
    ) throws(ULDorError) {
        self.options = options
        self.learner = learner
        self.train = train
        self.validation = validation
        self.config = config
        self.identity = identity
        self.isResumed = isResumed
        self.report = report
        self.mined = mined
        schedule = TrainingSchedule(options: options, images: train.count)
        collective = Collective(options.reduction)
        ranges = learner.parameters.trainedRanges(usesMasks: options.usesMasks)
        let longest = ranges.map(\.count).max() ?? 0
        scratch = try Buffer(count: Int(uk_sum_squares_doubles(Int64(longest))), allocator: options.allocator)
        log = try options.isWriter ? options.logPath.map { (path) throws(ULDorError) in try TrainingLog(path) } : nil
        isBestSeen = !isResumed
        self.state = state
        guard state.step <= schedule.steps else {
            throw ULDorError(.format, "the checkpoint stands at step \(state.step) of an epoch of \(schedule.steps)")
        }
        reopen()
    }

    public func acquire() -> Bool { learner.execution.begin() }
    public func release() { learner.execution.end() }
    /// Cancels the call that runs, if one does.
    public func cancel() { learner.execution.cancel() }

    /// A run that was over goes on where it has more epochs or more patience now.
    private func reopen() {
        state.outcome =
            state.epoch >= options.epochs
            ? .finished : options.patience > 0 && state.epochsWithoutBest >= options.patience ? .stopped : .running
    }

    // MARK: The run

    /// At most `limit` further steps; nil: to the end.
    public func run(limit: Int?) throws(ULDorError) {
        try restoreBest()
        guard state.outcome == .running else { return }
        try log?.begin(bytes: &state.logBytes, warn: options.warn)
        collective.begin()
        do throws(ULDorError) {
            try agree()
            try calibrate()
            var left = limit ?? Int.max
            while state.outcome == .running, left > 0 || state.step == schedule.steps {
                try mineIfDue()
                if state.step < schedule.steps {
                    left -= 1
                    try step()
                }
                if state.step == schedule.steps { try finishEpoch() }
            }
            // Whoever cannot end well tells the others here.
            _ = try collective.sum([])
        } catch {
            feed = nil
            collective.fail()
            throw error
        }
    }

    /// Processes that do not stand at the same place would wait for each other for ever.
    private func agree() throws(ULDorError) {
        guard options.size > 1 else { return }
        var print = Fingerprint()
        for (name, value) in identity {
            print.add(name)
            print.add(value)
        }
        let mine = [
            Double(state.epoch), Double(state.step), Double(state.totalSteps), Double(print.value & 0xFFFF_FFFF),
            Double(print.value >> 32),
        ]
        let sums = try collective.sum(mine)
        guard zip(sums, mine).allSatisfy({ $0 == $1 * Double(options.size) }) else {
            throw .invalidArgument("the processes have other options, data or checkpoints than rank \(options.rank)")
        }
    }

    private func calibrate() throws(ULDorError) {
        guard !state.isCalibrated else { return }
        if state.calibrationImages > 0 {
            // The first images of the first epoch as they are; every process takes the same.
            let order = try schedule.order(epoch: 0, allocator: options.allocator)
            var places: [Int] = []
            for place in order.elements where places.count < state.calibrationImages && !places.contains(place) {
                places.append(place)
            }
            let loader = try loader(train, epoch: 0, augmentation: nil) { (add) throws(ULDorError) in
                for place in places { try add(place) }
            }
            var examples: [Example] = []
            for index in places.indices {
                try learner.execution.checkCancelled()
                if let example = try next(loader) { examples.append(example) }
                var event = event(.calibration)
                (event.step, event.steps) = (index + 1, places.count)
                try tell(event)
            }
            guard !examples.isEmpty else { throw ULDorError(.image, "no image to take batch-norm statistics of could be read") }
            try learner.calibrateBatchNorm(examples)
        }
        state.isCalibrated = true
    }

    // MARK: Files

    /// The weights as they are now.
    public func save(_ path: String, isHalf: Bool) throws(ULDorError) {
        try Checkpoint.write(learner.parameters, to: path, config: config, isHalf: isHalf, allocator: options.allocator)
    }

    /// `path` nil: where the options say.
    public func writeCheckpoint(to path: String?) throws(ULDorError) {
        guard let path = path ?? options.checkpointPath else {
            throw .invalidArgument("path is NULL, and options.checkpoint_path was")
        }
        // It counts the log's bytes.
        try log?.flush()
        let run = Checkpoint.Run(training: CheckpointText.write(state, identity), mined: mined?.text)
        try Checkpoint.write(learner.parameters, to: path, config: config, run: run, allocator: options.allocator)
    }

    func writeCheckpoint() throws(ULDorError) {
        if options.isWriter, options.checkpointPath != nil { try writeCheckpoint(to: nil) }
    }

}
