/// When what happens: the learning rate, which images an epoch and a step consist of. Pure arithmetic.
struct TrainingSchedule {
    let options: TrainerOptions
    /// Images of the split.
    let images: Int

    /// Of an epoch, over all processes.
    var epochImages: Int { options.epochImages > 0 ? options.epochImages : images }
    /// Images that are looked at together, over all processes.
    var wholeBatch: Int { options.batch * options.size }
    private var batches: Int { (epochImages + wholeBatch - 1) / wholeBatch }
    /// The last step of an epoch may consist of fewer images.
    var steps: Int { (batches + options.accumulation - 1) / options.accumulation }

    /// Warm-up and the cosine count steps from the beginning of the run, 0-based; decay counts epochs.
    func rate(epoch: Int, totalSteps: Int) -> Double {
        var rate = options.rate
        switch options.rateSchedule {
        case .steps:
            if options.rateEpochs > 0 { for _ in 0..<(epoch / options.rateEpochs) { rate *= options.rateFactor } }
        case .cosine:
            rate *= Self.halfCosine(Double(totalSteps) / (Double(steps) * Double(options.epochs)))
        }
        if totalSteps < options.warmupSteps { rate *= Double(totalSteps + 1) / Double(options.warmupSteps) }
        return rate
    }

    /// (1 + cos(pi x)) / 2, from 1 at 0 to 0 at 1. By arithmetic alone, as ``RandomWeights/logarithm(_:)``.
    static func halfCosine(_ x: Double) -> Double {
        // Its sine form has no cancellation at the end: sin^2 of an angle in 0...pi/2, whose 14th term is below 1e-23.
        let angle = (1 - x) * (Double.pi / 2), square = angle * angle
        var sum = 1.0
        for k in (1..<13).reversed() { sum = 1 - sum * square / Double(2 * k * (2 * k + 1)) }
        return angle * sum * (angle * sum)
    }

    /// Places in the epoch's order that a process takes for a step: a range for each of its batches, which may be empty.
    func shares(step: Int) -> [Range<Int>] {
        let first = step * options.accumulation
        return (first..<Swift.min(first + options.accumulation, batches)).map { batch in
            let from = batch * wholeBatch + options.rank * options.batch
            return Swift.min(from, epochImages)..<Swift.min(from + options.batch, epochImages)
        }
    }

    /// The epoch's order: as many places in `0..<images` as it has images, each permutation keyed by (seed, epoch, its number).
    func order(epoch: Int, allocator: Allocator) throws(ULDorError) -> GrowableBuffer<Int> {
        var order = GrowableBuffer<Int>(allocator: allocator)
        var permutation = GrowableBuffer<Int>(allocator: allocator)
        try permutation.resize(images)
        var round = 0
        while order.count < epochImages, images > 0 {
            for index in 0..<images { permutation.elements[index] = index }
            var random = SeededRandom(seed: options.seed, epoch: epoch, image: round, purpose: .order)
            // Fisher and Yates.
            for index in stride(from: images - 1, to: 0, by: -1) {
                permutation.elements.swapAt(index, random.below(index + 1))
            }
            try order.append(permutation.elements.prefix(Swift.min(images, epochImages - order.count)))
            round += 1
        }
        return order
    }
}
