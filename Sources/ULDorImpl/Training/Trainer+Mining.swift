import ULDorKernels

/// Hard negatives between epochs (the paper's section 2.2; method, section 5).
extension Trainer {
    /// Minings that the rest of the run has.
    var miningsAhead: Int {
        guard let mining = options.mining else { return 0 }
        return (state.minedEpochs..<Swift.max(options.epochs, state.minedEpochs)).count { mining.isDue(epoch: $0) }
    }

    /// Mines with the weights as they are, where this epoch begins with it. A run that is interrupted in it mines anew, or goes on
    /// from what mined_output_path has.
    func mineIfDue() throws(ULDorError) {
        guard let mining = options.mining, state.step == 0, state.minedEpochs <= state.epoch else { return }
        guard mining.isDue(epoch: state.epoch) else {
            state.minedEpochs = state.epoch + 1
            return
        }
        feed = nil
        pace.begin()
        mined = try mine(mining)
        pace.endMining()
        state.minedEpochs = state.epoch + 1
        try writeCheckpoint()
    }

    private func mine(_ mining: MiningOptions) throws(ULDorError) -> HardNegatives {
        guard let examples = train.source as? DatasetExamples else {
            throw ULDorError(.internal, "mining needs the images of a data set")
        }
        var settings = mining
        settings.allocator = options.allocator
        (settings.log, settings.logUser) = (options.log, options.logUser)
        (settings.seed, settings.epoch, settings.split) = (options.seed, state.epoch, options.trainSplit)
        settings.skipsBadImages = options.skipsBadImages
        (settings.threads, settings.instructions) = (options.threads, options.instructions)
        settings.resume = .ifThere
        var told = -1
        settings.progress = { [self] done, count, _ in
            do throws(ULDorError) {
                try learner.execution.checkCancelled()
                guard done != told else { return true }
                told = done
                var event = event(.mining)
                (event.step, event.steps) = (done, count)
                try tell(event)
                return true
            } catch {
                return false
            }
        }
        let model = try currentModel()
        let miner = try Miner(model, train, examples, settings)
        let mined = options.size > 1 ? try mineTogether(model, examples, settings) : try mineAlone(miner)
        let text = GrowingSink(allocator: options.allocator)
        try miner.write(mined, to: text)
        if options.size > 1, options.isWriter, let path = options.minedOutputPath {
            let file = try AtomicFile(path)
            try file.write(UnsafeRawBufferPointer(text.bytes.elements))
            try file.commit()
        }
        return HardNegatives(set: mined, text: text)
    }

    private func mineAlone(_ miner: Miner) throws(ULDorError) -> MinedSet {
        if let path = options.minedOutputPath { return try miner.mineAnew(to: path) }
        let mined = MinedSet(allocator: options.allocator)
        try miner.look(into: mined)
        try miner.finish(mined)
        return mined
    }

    /// Each process looks at its share of the images; all then draw from all candidates.
    private func mineTogether(
        _ model: Model, _ examples: DatasetExamples, _ settings: MiningOptions
    ) throws(ULDorError) -> MinedSet {
        let miner = try Miner(model, train, examples, settings, first: options.rank, step: options.size)
        let own = MinedSet(allocator: options.allocator)
        try miner.look(into: own)
        let text = GrowingSink(allocator: options.allocator)
        for image in own.images.elements {
            try MinedText.write(MinedText.line(image, of: own, name: examples.name(of: image.index)), to: text)
        }
        let all = try collective.gather(text, allocator: options.allocator)
        var shares: [(set: MinedSet, next: Int)] = []
        for (rank, share) in all.enumerated() {
            let bytes = UnsafeBufferPointer(share.bytes.elements)
            var reader = MinedReader(
                bytes, name: "what process \(rank) mined", dataset: examples.dataset, split: options.trainSplit,
                allocator: options.allocator)
            let set = MinedSet(allocator: options.allocator)
            while try reader.next(into: set, isWhole: false) == .image {}
            shares.append((set, 0))
        }
        let mined = MinedSet(allocator: options.allocator)
        // In the data set's order.
        while let rank = shares.indices.filter({ shares[$0].next < shares[$0].set.images.count }).min(by: {
            shares[$0].set.images.elements[shares[$0].next].index < shares[$1].set.images.elements[shares[$1].next].index
        }) {
            try mined.append(shares[rank].set.images.elements[shares[rank].next], of: shares[rank].set)
            shares[rank].next += 1
        }
        try miner.finish(mined)
        return mined
    }

    /// The weights as a model of inference.
    private func currentModel() throws(ULDorError) -> Model {
        let file = try Checkpoint.inMemory(learner.parameters, config: config, allocator: options.allocator)
        return try Model(
            bytes: UnsafeRawBufferPointer(file.buffer.elements), config: nil, threads: learner.execution.threads,
            allocator: options.allocator)
    }
}

/// A mined set that is learnt from, and the same as a mined file, for checkpoints.
struct HardNegatives {
    let set: MinedSet
    let text: GrowingSink
}

extension TrainerOptions {
    /// The examples that a run begins with. `model`: of init_path.
    func mined(
        _ path: String, model: Fingerprint?, _ images: ImageList, _ dataset: Dataset
    ) throws(ULDorError) -> HardNegatives {
        if model == nil, !acceptsAnyModelsMined {
            throw .invalidArgument("\(path) was mined with a model, and the run begins with random weights")
        }
        let bytes = try MinedFile.read(path, allocator: allocator)
        let set = try MinedFile.parse(
            UnsafeBufferPointer(bytes.elements), name: path, data: images.fingerprint, model: acceptsAnyModelsMined ? nil : model,
            dataset: dataset, split: trainSplit, allocator: allocator)
        let text = GrowingSink(allocator: allocator)
        try text.write(UnsafeRawBufferPointer(bytes.elements))
        return HardNegatives(set: set, text: text)
    }

    /// Those that a run goes on with; nil where it has none yet.
    func mined(
        inCheckpoint file: Safetensors, _ images: ImageList, _ dataset: Dataset
    ) throws(ULDorError) -> HardNegatives? {
        guard let text = try Checkpoint.readMined(file) else { return nil }
        let set = try MinedFile.parse(
            UnsafeBufferPointer(text.bytes.elements), name: "\(file.source.name): \(Checkpoint.minedName)",
            data: images.fingerprint, model: nil, dataset: dataset, split: trainSplit, allocator: allocator)
        return HardNegatives(set: set, text: text)
    }
}
