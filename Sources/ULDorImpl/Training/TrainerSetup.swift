import Glibc

extension Trainer {
    /// uldor_trainer_create. `validation` nil: the same data set.
    public convenience init(train: Dataset, validation: Dataset?, options: TrainerOptions) throws(ULDorError) {
        let options = try options.validated()
        try options.checkInputs(train, validation)
        try options.checkFiles()
        let start = try options.start()
        let settings = ExampleSettings(start.config.config.input)
        let examples = DatasetExamples(train, settings)
        let trainImages = try ImageList(examples, split: options.trainSplit, limit: 0, allocator: options.allocator)
        guard trainImages.count > 0 else {
            throw .invalidArgument("\(train.title): no image of split \(options.trainSplit.rawValue) to train on")
        }
        let other = validation.map { DatasetExamples($0, settings) } ?? examples
        let validationImages = try ImageList(
            other, split: options.validationSplit, limit: options.validationImages, allocator: options.allocator)
        let identity = options.identity(config: start.config.string, trainImages, validationImages)
        var state = TrainingState()
        (state.trainableLayers, state.calibrationImages) = (start.trainableLayers, start.calibrationImages)
        state.initialWeights = start.initialFingerprint?.hex
        var mined: HardNegatives?
        if let checkpoint = start.checkpoint {
            state = try CheckpointText.read(
                checkpoint.training, of: checkpoint.file.source.name, identity, allocator: options.allocator)
            try start.checkInitial(of: state, options)
            mined = try options.mined(inCheckpoint: checkpoint.file, trainImages, train)
        } else if let path = options.minedPath {
            mined = try options.mined(path, model: start.initModel, trainImages, train)
        }
        let learner = try Learner(
            start.file, config: start.config.bytes, options: options.learnerOptions(layers: state.trainableLayers),
            allocator: options.allocator)
        try options.checkRoom(for: learner.parameters)
        if let checkpoint = start.checkpoint { try Checkpoint.readOptimiser(checkpoint.file, into: learner.parameters) }
        for line in start.report where start.hasNotes { options.inform(line) }
        try self.init(
            options, learner, train: trainImages, validation: validationImages, config: start.config.string, identity: identity,
            state: state, isResumed: start.checkpoint != nil, report: start.report, mined: mined)
    }
}

/// What a run begins or goes on with.
private struct TrainingStart: ~Copyable {
    let file: Safetensors
    let config: TrainingConfig
    /// Keeps the memory that `file` reads.
    let initial: InitialWeights?
    let report: [String]
    let hasNotes: Bool
    let trainableLayers, calibrationImages: Int
    /// Of the file at `init_path` as a model.
    let initModel: Fingerprint?
    /// Of all that is in it; nil where it is not there any more, or was replaced by what is learnt.
    let initialFingerprint: Fingerprint?
    let checkpoint: (file: Safetensors, training: UnsafeBufferPointer<UInt8>)?

    /// A run that began with other weights is another run.
    func checkInitial(of state: TrainingState, _ options: TrainerOptions) throws(ULDorError) {
        let mine = initialFingerprint?.hex
        guard options.initPath == nil ? state.initialWeights != nil : mine != nil && mine != state.initialWeights else { return }
        throw CheckpointText.otherRun(options.checkpointPath ?? "", "init", state.initialWeights ?? "null", mine ?? "null")
    }
}

extension TrainerOptions {
    fileprivate func start() throws(ULDorError) -> TrainingStart {
        guard let path = try checkpointToResume() else { return try freshStart() }
        return try resumedStart(path)
    }

    /// nil where there is no checkpoint to go on from.
    private func checkpointToResume() throws(ULDorError) -> String? {
        guard resume != .never, let checkpointPath else {
            guard resume != .always else {
                throw .invalidArgument("options.resume is ULDOR_RESUME_ALWAYS, options.checkpoint_path is NULL")
            }
            return nil
        }
        var status = stat()
        let isMissing = stat(checkpointPath, &status) != 0 && errno == ENOENT
        return isMissing && resume == .ifThere ? nil : checkpointPath
    }

    private func open(_ path: String) throws(ULDorError) -> Safetensors {
        try Safetensors(try ByteSource.open(path), allocator: allocator)
    }

    private func resumedStart(_ checkpointPath: String) throws(ULDorError) -> TrainingStart {
        let file = try open(checkpointPath)
        guard let training = file.training else {
            throw ULDorError(.format, "\(checkpointPath): not a checkpoint: it says nothing of a run")
        }
        var initialFingerprint: Fingerprint?
        if isWriter, let initPath, !replacesInitial, FilePath.exists(initPath) {
            initialFingerprint = try fingerprintOfAll(try open(initPath))
        }
        return TrainingStart(
            file: file,
            config: try TrainingConfig(
                given: config, file: file, isNewNetwork: false, classes: wantedClasses, allocator: allocator),
            initial: nil, report: [], hasNotes: false, trainableLayers: 0, calibrationImages: 0, initModel: nil,
            initialFingerprint: initialFingerprint, checkpoint: (file, training))
    }

    /// Names of other networks' tensors count, too.
    private func fingerprintOfAll(_ file: Safetensors) throws(ULDorError) -> Fingerprint { try file.fingerprint { _ in true } }

    private func freshStart() throws(ULDorError) -> TrainingStart {
        var file: Safetensors?
        if let initPath { file = try open(initPath) }
        var network: Architecture?
        if let architecture { network = try Architecture(architecture) }
        let config = try TrainingConfig(
            given: config, file: file, isNewNetwork: network != nil, classes: wantedClasses, allocator: allocator)
        let initial = try InitialWeights(
            file, architecture: network, slices: config.config.input.slices, anchors: config.anchorsPerLocation,
            classes: config.config.classes.count, seed: seed, allocator: allocator)
        let isRandom = initial.isBackboneRandom
        var initModel: Fingerprint?
        if minedPath != nil, let file { initModel = try file.fingerprint() }
        return TrainingStart(
            file: try Safetensors(initial.source, allocator: allocator), config: config, initial: initial,
            report: initial.lines(source: initPath), hasNotes: !initial.notes.isEmpty,
            trainableLayers: trainableLayers ?? (isRandom ? 5 : 3), calibrationImages: calibrationImages ?? (isRandom ? 16 : 0),
            initModel: initModel, initialFingerprint: try file.map(fingerprintOfAll), checkpoint: nil)
    }

    fileprivate func learnerOptions(layers: Int) -> LearnerOptions {
        var learning = LearnerOptions()
        learning.trainableLayers = layers
        (learning.anchors, learning.anchorFraction) = (anchorSamples, anchorFraction)
        (learning.regions, learning.regionFraction) = (regionSamples, regionFraction)
        learning.proposals = proposals
        learning.usesMasks = usesMasks
        learning.keepsSquares = optimiser == .adamw
        learning.isExact = isExact
        learning.threads = threads
        learning.instructions = instructions
        return learning
    }

    /// Everything that the weights depend on. Not the number of threads, nor how long the run is to be where no rate depends on it.
    func identity(config: String, _ train: ImageList, _ validation: ImageList) -> CheckpointText.Identity {
        func text(_ value: String?) -> String { value.map(JSONText.quoted) ?? "null" }
        func number(_ value: Double) -> String { JSONText.number(value) }
        return [
            ("architecture", text(architecture)), ("config", text(Fingerprint.of(config).hex)), ("seed", "\(seed)"),
            ("processes", "\(size)"), ("batch", "\(batch)"), ("accumulation", "\(accumulation)"), ("lr", number(rate)),
            ("momentum", number(momentum)), ("weight_decay", number(weightDecay)), ("lr_factor", number(rateFactor)),
            ("lr_epochs", "\(rateEpochs)"), ("warmup_steps", "\(warmupSteps)"), ("clip_norm", number(clipNorm)),
            ("epoch_images", "\(epochImages)"), ("validation_images", "\(validationImages)"),
            ("train_split", "\(trainSplit.rawValue)"), ("validation_split", "\(validationSplit?.rawValue ?? 0)"),
            ("trainable_layers", "\(trainableLayers ?? -1)"), ("calibration_images", "\(calibrationImages ?? -1)"),
            ("rpn_samples", "\(anchorSamples)"), ("roi_samples", "\(regionSamples)"), ("rpn_positive", number(anchorFraction)),
            ("roi_positive", number(regionFraction)), ("proposals", "\(proposals)"), ("no_mask_loss", usesMasks ? "0" : "1"),
            ("on_bad_image", skipsBadImages ? "1" : "0"), ("exact", isExact ? "1" : "0"),
            // The others give the same bits.
            ("portable", instructions == 1 ? "1" : "0"),
            ("scale_low", number(augmentation.scaleLow)), ("scale_high", number(augmentation.scaleHigh)),
            ("position_px", "\(augmentation.position)"), ("slice_part", number(augmentation.slicePart)),
            ("flip_x", number(augmentation.flipX)), ("flip_y", number(augmentation.flipY)),
            ("optimiser", "\(optimiser.rawValue)"), ("second_momentum", number(secondMomentum)),
            ("lr_schedule", "\(rateSchedule.rawValue)"),
            // A cosine ends with the last epoch.
            ("epochs", rateSchedule == .cosine ? "\(epochs)" : "null"),
            ("images to train on", "\(train.count)"), ("images to validate on", "\(validation.count)"),
            ("mining", text(mining?.identity)), ("mined examples", text(minedPath)),
            ("training data", text(train.fingerprint.hex)), ("validation data", text(validation.fingerprint.hex)),
        ]
    }
}

// MARK: What a host may ask

extension Trainer {
    public struct Info {
        public let state: Int32
        public let isResumed: Bool
        public let epoch, epochs, step, steps, totalSteps, trainImages, validationImages, skippedImages: Int
        public let parameters, trainedParameters, memoryBytes: Int
        /// NaN: none yet.
        public let validationLoss, bestLoss: Double
        public let bestEpoch: Int
        public let threads: Int32
    }

    public var info: Info {
        let store = learner.parameters
        return Info(
            state: state.outcome.rawValue, isResumed: isResumed, epoch: state.epoch, epochs: options.epochs, step: state.step,
            steps: schedule.steps, totalSteps: state.totalSteps, trainImages: schedule.epochImages,
            validationImages: validation.count, skippedImages: state.skippedImages, parameters: store.values.count,
            trainedParameters: store.trainedCount, memoryBytes: learner.memoryBytes, validationLoss: state.validationLoss ?? .nan,
            bestLoss: state.bestLoss ?? .nan, bestEpoch: state.bestEpoch, threads: learner.execution.threads)
    }

    /// Calls `line` until it returns false. Returns whether it never did.
    public func eachReportLine(_ line: (String) -> Bool) -> Bool { report.allSatisfy(line) }
}
