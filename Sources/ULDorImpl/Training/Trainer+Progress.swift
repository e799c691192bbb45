/// What a host is told.
extension Trainer {
    func event(_ kind: TrainingEvent.Kind) -> TrainingEvent {
        var event = TrainingEvent(kind: kind)
        (event.epoch, event.epochs) = (state.epoch, options.epochs)
        (event.step, event.steps, event.totalSteps) = (state.step, schedule.steps, state.totalSteps)
        event.skippedImages = state.skippedImages
        (event.validationLoss, event.bestLoss) = (state.validationLoss ?? .nan, state.bestLoss ?? .nan)
        event.imagesPerSecond = pace.imagesPerSecond
        let ahead = options.epochs - state.epoch
        event.secondsLeft = pace.secondsLeft(
            steps: ahead * schedule.steps - state.step, validationImages: ahead * validation.count,
            imagesPerStep: schedule.wholeBatch * options.accumulation, minings: miningsAhead)
        return event
    }

    func tell(_ event: TrainingEvent) throws(ULDorError) {
        if let progress = options.progress, !progress(event) { throw .cancelled }
    }
}

extension TrainingEvent {
    mutating func set(_ losses: Losses) {
        (objectness, rpnBox, classifier) = (losses.objectness, losses.rpnBox, losses.classifier)
        (box, mask, loss) = (losses.box, losses.mask, losses.total)
    }
}
