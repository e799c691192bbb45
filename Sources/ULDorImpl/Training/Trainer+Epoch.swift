/// The end of an epoch: validation, the best weights, a checkpoint.
extension Trainer {
    func finishEpoch() throws(ULDorError) {
        // What was learned is kept before minutes of looking at validation images.
        if validation.count > 0 { try writeCheckpoint() }
        let loss = try validate()
        var event = event(.epoch)
        event.set(state.sums.mean)
        event.rate = schedule.rate(epoch: state.epoch, totalSteps: Swift.max(state.totalSteps - 1, 0))
        var next = state
        event.isBest = next.finishEpoch(validationLoss: loss, epochs: options.epochs, patience: options.patience)
        (event.validationLoss, event.bestLoss) = (loss ?? .nan, next.bestLoss ?? .nan)
        if event.isBest { try markBest(&next) }
        try log?.append(event, bytes: &next.logBytes)
        feed = nil
        try take(next, isBest: event.isBest)
        try tell(event)
    }

    /// The checkpoint first: killed before the weights are in their place, the run finds them in it (``restoreBest()``).
    private func take(_ next: TrainingState, isBest: Bool) throws(ULDorError) {
        let before = state
        state = next
        do throws(ULDorError) {
            try writeCheckpoint()
            if isBest { try saveBest() }
        } catch {
            state = before
            throw error
        }
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
}
