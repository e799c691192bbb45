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
    /// What became of the tensors of init_path (uldor_trainer_report).
    let report: [String]
    let collective: Collective
    let pace = TrainingPace()
    private let log: TrainingLog?
    private let ranges: [Range<Int>]
    /// Of the gradients' norm.
    private let scratch: Buffer<Double>
    /// The running epoch's images from a step on, decoded ahead of need.
    private var feed: (loader: ExampleLoader, epoch: Int, step: Int)?

    init(
        _ options: TrainerOptions, _ learner: any Learning, train: ImageList, validation: ImageList, config: String,
        identity: CheckpointText.Identity, state: TrainingState, isResumed: Bool, report: [String]
    ) throws(ULDorError) {
        self.options = options
        self.learner = learner
        self.train = train
        self.validation = validation
        self.config = config
        self.identity = identity
        self.isResumed = isResumed
        self.report = report
        schedule = TrainingSchedule(options: options, images: train.count)
        collective = Collective(options.reduction)
        ranges = learner.parameters.trainedRanges(usesMasks: options.usesMasks)
        let longest = ranges.map(\.count).max() ?? 0
        scratch = try Buffer(count: Int(uk_sum_squares_doubles(Int64(longest))), allocator: options.allocator)
        var state = state
        log =
            try options.isWriter
            ? options.logPath.map { (path) throws(ULDorError) in try TrainingLog(path, bytes: &state.logBytes) } : nil
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
        guard state.outcome == .running else { return }
        collective.isBroken = false
        do throws(ULDorError) {
            try agree()
            try calibrate()
            var left = limit ?? Int.max
            while state.outcome == .running, left > 0 || state.step == schedule.steps {
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

    // MARK: A step

    private func step() throws(ULDorError) {
        let store = learner.parameters
        store.gradients.elements.update(repeating: 0)
        var losses = Losses(), batches = 0, images = 0, skipped = 0
        pace.begin()
        let loader = try currentLoader()
        for share in schedule.shares(step: state.step) {
            let batch = try addGradients(share.count, loader)
            guard batch.images > 0 else {
                skipped += batch.skipped
                continue
            }
            losses = losses + batch.losses
            batches += 1
            images += batch.images
            skipped += batch.skipped
        }
        // From here on the step is taken, by all processes or by none.
        try learner.execution.checkCancelled()
        losses = try total(losses, batches)
        guard losses.total.isFinite else {
            throw ULDorError(
                .model,
                "the loss is \(losses.total) in epoch \(state.epoch), step \(state.step): the learning rate may be too high")
        }
        let rate = schedule.rate(epoch: state.epoch, totalSteps: state.totalSteps)
        var norm = 0.0
        if batches > 0 {
            try collective.sum(store.gradients.elements)
            norm = try update(rate: rate, batches: batches)
        }
        state.sums.add(losses)
        state.step += 1
        state.totalSteps += 1
        state.skippedImages += skipped
        feed?.step += 1
        pace.endStep(images: images)
        try finishStep(losses, rate: rate, norm: norm)
    }

    private struct BatchResult {
        var losses = Losses()
        /// Over all processes.
        var images = 0, skipped = 0
    }

    private func addGradients(_ count: Int, _ loader: ExampleLoader) throws(ULDorError) -> BatchResult {
        var result = BatchResult()
        let collective = collective, learner = learner
        /// Of this process, then of all.
        func share(_ normalisers: inout Normalisers, _ images: Int, _ skipped: Int) throws(ULDorError) {
            let sums = try collective.sum([
                normalisers.anchors, normalisers.regions, normalisers.masks, Double(images), Double(skipped),
            ])
            (normalisers.anchors, normalisers.regions, normalisers.masks) = (sums[0], sums[1], sums[2])
            (result.images, result.skipped) = (Int(sums[3]), Int(sums[4]))
        }
        var examples: [Example] = []
        for _ in 0..<count {
            try learner.execution.checkCancelled()
            if let example = try next(loader) { examples.append(example) }
        }
        try learner.execution.checkCancelled()
        let own = examples.count, skipped = count - examples.count
        guard own > 0 else {
            var none = Normalisers()
            try share(&none, 0, skipped)
            return result
        }
        result.losses = try learner.addGradients(examples, seed: options.seed, epoch: state.epoch) {
            (normalisers) throws(ULDorError) in try share(&normalisers, own, skipped)
        }
        return result
    }

    /// The means over the step's batches, and over all processes.
    private func total(_ losses: Losses, _ batches: Int) throws(ULDorError) -> Losses {
        var sums = LossSums()
        sums.add(losses)
        let all = try collective.sum([sums.objectness, sums.rpnBox, sums.classifier, sums.box, sums.mask])
        sums.list = all + [Double(Swift.max(batches, 1))]
        return sums.mean
    }

    /// SGD (torch.optim.SGD: decay, then momentum) on all threads, uninterrupted. Returns the gradients' norm before clipping.
    private func update(rate: Double, batches: Int) throws(ULDorError) -> Double {
        let store = learner.parameters
        let mean = 1 / Double(batches)
        // No flag that a cancel could set: half of an update would be no state to go on from.
        var exec = uk_exec(threads: learner.execution.threads, state: nil)
        var squares = 0.0
        for range in ranges {
            var part = 0.0
            _ = uk_sum_squares(&exec, store.gradients.base + range.lowerBound, Int64(range.count), scratch.base, &part)
            squares += part
        }
        let norm = squares.squareRoot() * mean
        guard norm.isFinite else {
            throw ULDorError(.model, "the gradients' norm is \(norm) in epoch \(state.epoch), step \(state.step)")
        }
        let clip = options.clipNorm > 0 && norm > options.clipNorm ? options.clipNorm / norm : 1
        for range in ranges {
            let start = range.lowerBound
            _ = uk_sgd(
                &exec, store.values.base + start, store.gradients.base + start, store.momentum.base + start, Int64(range.count),
                Float(rate), Float(options.momentum), Float(options.weightDecay), Float(mean * clip))
        }
        return norm
    }

    private func finishStep(_ losses: Losses, rate: Double, norm: Double) throws(ULDorError) {
        var event = event(.step)
        event.set(losses)
        (event.rate, event.gradientNorm) = (rate, norm)
        try log?.append(event, bytes: &state.logBytes)
        if options.checkpointSteps > 0, state.totalSteps % options.checkpointSteps == 0, state.step < schedule.steps {
            try writeCheckpoint()
        }
        try tell(event)
    }

    // MARK: An epoch

    private func finishEpoch() throws(ULDorError) {
        // What was learned is kept before minutes of looking at validation images.
        if validation.count > 0 { try writeCheckpoint() }
        let loss = try validate()
        var event = event(.epoch)
        event.set(state.sums.mean)
        event.rate = schedule.rate(epoch: state.epoch, totalSteps: Swift.max(state.totalSteps - 1, 0))
        var next = state
        event.isBest = next.finishEpoch(validationLoss: loss, epochs: options.epochs, patience: options.patience)
        (event.validationLoss, event.bestLoss) = (loss ?? .nan, next.bestLoss ?? .nan)
        if event.isBest, options.isWriter, let path = options.outputPath { try save(path, isHalf: options.isHalf) }
        try log?.append(event, bytes: &next.logBytes)
        state = next
        feed = nil
        try writeCheckpoint()
        try tell(event)
    }

    /// The mean loss of the validation images; nil where there are none.
    private func validate() throws(ULDorError) -> Double? {
        guard validation.count > 0 else { return nil }
        feed = nil
        var sums = LossSums()
        let loader = try loader(validation, epoch: 0, augmentation: nil) { (add) throws(ULDorError) in
            for place in stride(from: options.rank, to: validation.count, by: options.size) { try add(place) }
        }
        let count = (validation.count - options.rank + options.size - 1) / options.size
        for index in 0..<Swift.max(count, 0) {
            pace.begin()
            try learner.execution.checkCancelled()
            if let example = try next(loader) {
                let losses = try learner.losses(example, seed: options.seed)
                guard losses.total.isFinite else {
                    throw ULDorError(
                        .model, "the loss of validation image \(validation.source.name(of: example.index)) is \(losses.total)")
                }
                sums.add(losses)
            }
            pace.endValidation(processes: options.size)
            var event = event(.validation)
            event.set(sums.mean)
            (event.step, event.steps) = (index + 1, count)
            try tell(event)
        }
        sums.list = try collective.sum(sums.list)
        guard sums.count > 0 else { throw ULDorError(.image, "none of the \(validation.count) validation images could be read") }
        return sums.mean.total
    }

    // MARK: Images

    private func currentLoader() throws(ULDorError) -> ExampleLoader {
        if let feed, feed.epoch == state.epoch, feed.step == state.step { return feed.loader }
        feed = nil
        let order = try schedule.order(epoch: state.epoch, allocator: options.allocator)
        let loader = try loader(train, epoch: state.epoch, augmentation: options.augmentation) { (add) throws(ULDorError) in
            for step in state.step..<schedule.steps {
                for share in schedule.shares(step: step) { for place in share { try add(order.elements[place]) } }
            }
        }
        feed = (loader, state.epoch, state.step)
        return loader
    }

    /// Decodes the images at the places of the list that `fill` adds.
    private func loader(
        _ images: ImageList, epoch: Int, augmentation: Augmentation?,
        _ fill: ((Int) throws(ULDorError) -> Void) throws(ULDorError) -> Void
    ) throws(ULDorError) -> ExampleLoader {
        var requests = GrowableBuffer<ExampleLoader.Request>(allocator: options.allocator)
        try fill { (place) throws(ULDorError) in try requests.append(ExampleLoader.Request(index: images[place], epoch: epoch)) }
        return try ExampleLoader(
            images.source, requests: UnsafeBufferPointer(requests.elements), augmentation: augmentation, seed: options.seed,
            threads: options.loaderThreads, ahead: options.batch + options.loaderThreads, allocator: options.allocator)
    }

    /// nil for an image that cannot be read, where those are skipped.
    private func next(_ loader: ExampleLoader) throws(ULDorError) -> Example? {
        do throws(ULDorError) {
            guard let example = try loader.next() else { throw ULDorError(.internal, "there are fewer images than the step has") }
            return example
        } catch {
            let isBad = error.status == .io || error.status == .format || error.status == .image || error.status == .degenerate
            guard options.skipsBadImages, isBad else { throw error }
            options.warn("left out: \(error.message)")
            return nil
        }
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
        let training = CheckpointText.write(state, identity)
        try Checkpoint.write(learner.parameters, to: path, config: config, training: training, allocator: options.allocator)
    }

    private func writeCheckpoint() throws(ULDorError) {
        if options.isWriter, options.checkpointPath != nil { try writeCheckpoint(to: nil) }
    }

    // MARK: Progress

    private func event(_ kind: TrainingEvent.Kind) -> TrainingEvent {
        var event = TrainingEvent(kind: kind)
        (event.epoch, event.epochs) = (state.epoch, options.epochs)
        (event.step, event.steps, event.totalSteps) = (state.step, schedule.steps, state.totalSteps)
        event.skippedImages = state.skippedImages
        (event.validationLoss, event.bestLoss) = (state.validationLoss ?? .nan, state.bestLoss ?? .nan)
        event.imagesPerSecond = pace.imagesPerSecond
        let ahead = options.epochs - state.epoch
        event.secondsLeft = pace.secondsLeft(
            steps: ahead * schedule.steps - state.step, validationImages: ahead * validation.count,
            imagesPerStep: schedule.wholeBatch * options.accumulation)
        return event
    }

    private func tell(_ event: TrainingEvent) throws(ULDorError) {
        if let progress = options.progress, !progress(event) { throw .cancelled }
    }
}

extension TrainingEvent {
    mutating func set(_ losses: Losses) {
        (objectness, rpnBox, classifier) = (losses.objectness, losses.rpnBox, losses.classifier)
        (box, mask, loss) = (losses.box, losses.mask, losses.total)
    }
}
