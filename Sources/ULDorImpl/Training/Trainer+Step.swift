import ULDorKernels

/// One step of the optimiser, over all of its batches and processes.
extension Trainer {
    func step() throws(ULDorError) {
        let store = learner.parameters
        store.gradients.update(repeating: 0)
        var losses = Losses(), batches = 0, images = 0, skipped = 0
        pace.begin()
        let loader = try currentLoader()
        let shares = schedule.shares(step: state.step)
        for (index, share) in shares.enumerated() {
            let batch = try addGradients(share.count, loader, isLast: index == shares.count - 1, hasOthers: batches > 0)
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
        if batches > 0 { losses = try total(losses, batches) }
        guard losses.total.isFinite else {
            throw ULDorError(
                .model,
                "the loss is \(losses.total) in \(place): the learning rate may be too high")
        }
        let rate = schedule.rate(epoch: state.epoch, totalSteps: state.totalSteps)
        var norm = 0.0
        if batches > 0 {
            norm = try update(rate: rate, batches: batches)
            state.updates += 1
        }
        state.sums.add(losses)
        state.step += 1
        state.totalSteps += 1
        state.skippedImages += skipped
        feed?.step += 1
        pace.endStep(images: images)
        try finishStep(losses, rate: rate, norm: norm)
    }

    /// Counted from 1, as people do.
    private var place: String { "epoch \(state.epoch + 1), step \(state.step + 1)" }

    private struct BatchResult {
        var losses = Losses()
        /// Over all processes.
        var images = 0, skipped = 0
    }

    /// `hasOthers`: batches of the step that have gradients; where this one has, too, or they have, the last is followed by the
    /// gradients' sum.
    private func addGradients(
        _ count: Int, _ loader: ExampleLoader, isLast: Bool, hasOthers: Bool
    ) throws(ULDorError) -> BatchResult {
        var result = BatchResult()
        let collective = collective, learner = learner
        /// Of this process, then of all.
        func share(_ normalisers: inout Normalisers, _ images: Int, _ skipped: Int) throws(ULDorError) {
            let sums = try collective.sum([
                normalisers.anchors, normalisers.regions, normalisers.masks, Double(images), Double(skipped),
            ])
            (normalisers.anchors, normalisers.regions, normalisers.masks) = (sums[0], sums[1], sums[2])
            (result.images, result.skipped) = (Int(sums[3]), Int(sums[4]))
            if isLast, hasOthers || result.images > 0 { collective.expectGradients(learner.parameters.gradientMemory.elements) }
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

    /// Sums the gradients over all processes. Returns the losses' means over the step's batches, of all processes, too.
    private func total(_ losses: Losses, _ batches: Int) throws(ULDorError) -> Losses {
        var sums = LossSums()
        sums.add(losses)
        let all = try collective.sumGradients([sums.objectness, sums.rpnBox, sums.classifier, sums.box, sums.mask])
        sums.list = all + [Double(batches)]
        return sums.mean
    }

    /// The optimiser's step on all threads, uninterrupted. Returns the gradients' norm before clipping.
    private func update(rate: Double, batches: Int) throws(ULDorError) -> Double {
        let store = learner.parameters
        let mean = 1 / Double(batches)
        // No flag that a cancel could set: half of an update would be no state to go on from.
        var exec = uk_exec(threads: learner.execution.threads, state: nil)
        var squares = 0.0
        for range in ranges {
            var part = 0.0
            _ = uk_sum_squares(&exec, store.gradientMemory.base + range.lowerBound, Int64(range.count), scratch.base, &part)
            squares += part
        }
        let norm = squares.squareRoot() * mean
        guard norm.isFinite else {
            throw ULDorError(.model, "the gradients' norm is \(norm) in \(place)")
        }
        let clip = options.clipNorm > 0 && norm > options.clipNorm ? options.clipNorm / norm : 1
        for range in ranges { move(range, rate: rate, factor: mean * clip, &exec) }
        return norm
    }

    /// torch.optim.SGD (decay, then momentum) or torch.optim.AdamW.
    private func move(_ range: Range<Int>, rate: Double, factor: Double, _ exec: inout uk_exec) {
        let store = learner.parameters, start = range.lowerBound, count = Int64(range.count)
        let weights = store.values.base + start, gradients = store.gradientMemory.base + start
        let momentum = store.momentum.base + start
        switch options.optimiser {
        case .sgd:
            _ = uk_sgd(
                &exec, weights, gradients, momentum, count, Float(rate), Float(options.momentum), Float(options.weightDecay),
                Float(factor))
        case .adamw:
            var rates = uk_adamw_rates(
                rate: rate, momentum: options.momentum, squares: options.secondMomentum, decay: options.weightDecay,
                factor: factor, step: Int64(state.updates) + 1)
            _ = uk_adamw(&exec, weights, gradients, momentum, store.squares.base + start, count, &rates)
        }
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
}
