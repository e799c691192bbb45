/// How far a run is: what a checkpoint holds beside weights and momentum. Every draw is keyed, so there is no generator's state.
struct TrainingState: Equatable {
    enum Outcome: Int32 { case running = 0, finished = 1, stopped = 2 }

    var outcome = Outcome.running
    var epoch = 0
    /// Taken in this epoch; as many as it has: its validation is due.
    var step = 0
    var totalSteps = 0
    /// Steps that changed the weights: not those whose images were all skipped.
    var updates = 0
    var skippedImages = 0
    /// Whether the batch norms' statistics were taken, where they are.
    var isCalibrated = false
    /// Of this epoch's steps.
    var sums = LossSums()
    /// nil: none yet.
    var validationLoss, bestLoss: Double?
    var bestEpoch = -1
    var epochsWithoutBest = 0
    /// Fingerprint of the file that the best weights were written to; nil: none yet, or to none.
    var bestFile: String?
    /// Of the file that was there before; nil: none.
    var replacedFile: String?
    /// Of the weights at init_path; nil where there was none.
    var initialWeights: String?
    /// Length of the log that belongs to this state.
    var logBytes = 0
    /// What the run was begun with, where the options left it open.
    var trainableLayers = 3, calibrationImages = 0
    /// Before how many of the run's first epochs mining is done with, where it was due.
    var minedEpochs = 0

    /// Takes an epoch's validation loss. Returns whether it is the least so far. Without validation every epoch is the best.
    mutating func finishEpoch(validationLoss: Double?, epochs: Int, patience: Int) -> Bool {
        let isBest = validationLoss.map { loss in bestLoss.map { loss < $0 } ?? true } ?? true
        if isBest {
            bestLoss = validationLoss
            bestEpoch = epoch
            epochsWithoutBest = 0
        } else {
            epochsWithoutBest += 1
        }
        self.validationLoss = validationLoss
        epoch += 1
        step = 0
        sums = LossSums()
        if patience > 0, epochsWithoutBest >= patience {
            outcome = .stopped
        } else if epoch >= epochs {
            outcome = .finished
        }
        return isBest
    }
}

/// Sums of losses, to be divided by their number.
struct LossSums: Equatable {
    var objectness = 0.0, rpnBox = 0.0, classifier = 0.0, box = 0.0, mask = 0.0
    var count = 0.0

    mutating func add(_ losses: Losses) {
        objectness += losses.objectness
        rpnBox += losses.rpnBox
        classifier += losses.classifier
        box += losses.box
        mask += losses.mask
        count += 1
    }

    var mean: Losses {
        guard count > 0 else { return Losses() }
        return Losses(
            objectness: objectness / count, rpnBox: rpnBox / count, classifier: classifier / count, box: box / count,
            mask: mask / count)
    }

    /// For a reduction over processes.
    var list: [Double] {
        get { [objectness, rpnBox, classifier, box, mask, count] }
        set {
            guard newValue.count == 6 else { return }
            (objectness, rpnBox, classifier) = (newValue[0], newValue[1], newValue[2])
            (box, mask, count) = (newValue[3], newValue[4], newValue[5])
        }
    }
}
