import CULDor
import ULDorImpl

/// The defaults of the header are those of ``TrainerOptions``.
var trainerDefaults: uldor_trainer_options {
    let known = TrainerOptions()
    var options = uldor_trainer_options()
    options.struct_size = MemoryLayout<uldor_trainer_options>.size
    options.epochs = Int32(known.epochs)
    options.checkpoint_steps = Int64(known.checkpointSteps)
    options.batch = Int32(known.batch)
    options.accumulation = Int32(known.accumulation)
    options.lr = known.rate
    options.momentum = known.momentum
    options.weight_decay = known.weightDecay
    options.lr_factor = known.rateFactor
    options.lr_epochs = Int32(known.rateEpochs)
    options.patience = Int32(known.patience)
    options.trainable_layers = -1
    options.train_split = known.trainSplit.rawValue
    options.validation_split = known.validationSplit?.rawValue ?? 0
    options.rpn_samples = Int32(known.anchorSamples)
    options.roi_samples = Int32(known.regionSamples)
    options.rpn_positive = known.anchorFraction
    options.roi_positive = known.regionFraction
    options.proposals = Int32(known.proposals)
    options.calibration_images = -1
    options.loader_threads = Int32(known.loaderThreads)
    options.second_momentum = known.secondMomentum
    return options
}

/// Ranges are checked by `TrainerOptions.validated()`, which the trainer calls; here is what it cannot see.
func readTrainerOptions(_ pointer: UnsafePointer<uldor_trainer_options>) throws(ULDorError) -> TrainerOptions {
    let raw = try readStruct(pointer, defaults: trainerDefaults, minimum: MemoryLayout<Int>.size, "options")
    func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }
    func choice<Value: RawRepresentable>(
        _ value: Int32, _ name: StaticString, _ range: StaticString
    ) throws(ULDorError) -> Value where Value.RawValue == Int32 {
        guard let choice = Value(rawValue: value) else {
            throw .invalidArgument("options.\(name) is \(value), not within \(range)")
        }
        return choice
    }
    /// -1: left open.
    func open(_ value: Int32) -> Int? { value == -1 ? nil : Int(value) }

    var options = TrainerOptions()
    if let allocator = try readAllocator(raw.allocator) { options.allocator = allocator }
    options.log = raw.log
    options.logUser = raw.log_user
    if let progress = raw.progress {
        let user = raw.progress_user
        options.progress = { event in
            var value = uldor_training_event(event)
            return progress(user, &value) == 0
        }
    }
    options.reduction = try readReduction(raw.reduction)
    if let augmentation = try readAugmentation(raw.augmentation) { options.augmentation = augmentation }

    options.initPath = text(raw.init_path)
    options.architecture = text(raw.architecture)
    options.config = text(raw.config)
    options.classes = raw.classes == 0 ? nil : Int(raw.classes)
    options.epochs = Int(raw.epochs)
    options.outputPath = text(raw.output_path)
    options.checkpointPath = text(raw.checkpoint_path)
    options.logPath = text(raw.log_path)
    options.checkpointSteps = Int(raw.checkpoint_steps)
    options.resume = try choice(raw.resume, "resume", "0...2")
    options.isHalf = raw.half != 0

    options.seed = raw.seed
    options.batch = Int(raw.batch)
    options.accumulation = Int(raw.accumulation)
    options.rate = raw.lr
    options.momentum = raw.momentum
    options.weightDecay = raw.weight_decay
    options.rateFactor = raw.lr_factor
    options.rateEpochs = Int(raw.lr_epochs)
    options.warmupSteps = Int(raw.warmup_steps)
    options.clipNorm = raw.clip_norm
    options.epochImages = Int(raw.epoch_images)
    options.validationImages = Int(raw.validation_images)
    options.patience = Int(raw.patience)
    options.trainableLayers = open(raw.trainable_layers)
    options.trainSplit = try choice(raw.train_split, "train_split", "1...3")
    options.validationSplit = raw.validation_split == 0 ? nil : try choice(raw.validation_split, "validation_split", "0...3")
    options.anchorSamples = Int(raw.rpn_samples)
    options.regionSamples = Int(raw.roi_samples)
    options.anchorFraction = raw.rpn_positive
    options.regionFraction = raw.roi_positive
    options.proposals = Int(raw.proposals)
    options.usesMasks = raw.no_mask_loss == 0
    options.calibrationImages = open(raw.calibration_images)
    guard (0...1).contains(raw.on_bad_image) else {
        throw .invalidArgument("options.on_bad_image is \(raw.on_bad_image), not within 0...1")
    }
    options.skipsBadImages = raw.on_bad_image == Int32(ULDOR_BAD_SKIP)
    options.mining = try raw.mining.map { (mining) throws(ULDorError) in try readMiningOptions(mining) }
    options.minedPath = text(raw.mined_path)
    options.minedOutputPath = text(raw.mined_output_path)
    options.acceptsAnyModelsMined = raw.mined_by_any_model != 0
    guard raw.reserved == 0 else { throw .invalidArgument("options.reserved is \(raw.reserved), not 0") }
    options.threads = raw.threads
    options.loaderThreads = Int(raw.loader_threads)
    options.instructions = raw.instructions
    options.isExact = raw.exact != 0
    options.optimiser = try choice(raw.optimiser, "optimiser", "0...1")
    options.secondMomentum = raw.second_momentum
    options.rateSchedule = try choice(raw.lr_schedule, "lr_schedule", "0...1")
    return options
}

private func readReduction(_ pointer: UnsafePointer<uldor_reduction>?) throws(ULDorError) -> Reduction? {
    guard let pointer else { return nil }
    let size = MemoryLayout<uldor_reduction>.size
    let raw = try readStruct(pointer, defaults: uldor_reduction(), minimum: size, "reduction")
    guard let doubles = raw.sum_doubles, let floats = raw.sum_floats else {
        throw .invalidArgument("reduction.sum_doubles or .sum_floats is NULL")
    }
    return Reduction(rank: Int(raw.rank), size: Int(raw.size), user: raw.user, doubles: doubles, floats: floats)
}

extension uldor_training_event {
    fileprivate init(_ event: TrainingEvent) {
        self.init()
        struct_size = MemoryLayout<uldor_training_event>.size
        kind = event.kind.rawValue
        epoch = Int32(clamping: event.epoch)
        epochs = Int32(clamping: event.epochs)
        is_best = event.isBest ? 1 : 0
        step = Int64(event.step)
        steps = Int64(event.steps)
        total_steps = Int64(event.totalSteps)
        skipped_images = Int64(event.skippedImages)
        (objectness, rpn_box, classifier) = (event.objectness, event.rpnBox, event.classifier)
        (box, mask, loss) = (event.box, event.mask, event.loss)
        lr = event.rate
        gradient_norm = event.gradientNorm
        images_per_second = event.imagesPerSecond
        seconds_left = event.secondsLeft
        validation_loss = event.validationLoss
        best_loss = event.bestLoss
    }
}
