/// The best weights are in output_path and nowhere else: a checkpoint knows them by their file's fingerprint.
extension Trainer {
    /// Makes the weights as they are now the best of `next`, which a checkpoint is written of before they are in their place.
    func markBest(_ next: inout TrainingState) throws(ULDorError) {
        next.bestFile = try weightsFingerprint()
        next.replacedFile = nil
        if options.isWriter, let path = options.outputPath { next.replacedFile = try fingerprint(of: path) }
    }

    func saveBest() throws(ULDorError) {
        if options.isWriter, let path = options.outputPath { try save(path, isHalf: options.isHalf) }
    }

    /// Of a run that goes on, before anything else: sees that the best weights are there. While no step was taken since, they are
    /// those of the checkpoint, and are put in their place if that is empty, or was never written to.
    func restoreBest() throws(ULDorError) {
        guard !isBestSeen, options.isWriter, let path = options.outputPath, state.bestEpoch >= 0 else { return }
        // Without validation the next epoch's are better in any case.
        if validation.count == 0, state.outcome == .running { return }
        let found = try fingerprint(of: path), epoch = state.bestEpoch + 1
        if found == nil || found != state.bestFile {
            guard state.step == 0, epoch == state.epoch, found == nil || found == state.replacedFile else {
                throw .invalidArgument(
                    "\(path) does not hold the best weights so far, those of epoch \(epoch): put their file there, go on without "
                        + "output_path, or begin the run anew")
            }
            let known = state.bestFile
            state.bestFile = try weightsFingerprint()
            try saveBest()
            if state.bestFile != known { try writeCheckpoint() }
        }
        isBestSeen = true
    }

    /// Of the file that the weights as they are now would make; nil where they go nowhere.
    private func weightsFingerprint() throws(ULDorError) -> String? {
        guard let path = options.outputPath else { return nil }
        let sink = FingerprintSink()
        try Checkpoint.write(
            learner.parameters, into: sink, name: path, config: config, run: nil, isHalf: options.isHalf,
            allocator: options.allocator)
        return sink.fingerprint.hex
    }

    /// nil where there is no file.
    private func fingerprint(of path: String) throws(ULDorError) -> String? {
        guard FilePath.exists(path) else { return nil }
        let source = try ByteSource.open(path)
        let piece = try Buffer<UInt8>(count: Swift.min(source.count, 1 << 20), allocator: options.allocator)
        var print = Fingerprint(), first = 0
        while first < source.count {
            let count = Swift.min(piece.count, source.count - first)
            try source.read(at: first, length: count, into: UnsafeMutableRawPointer(piece.base))
            print.add(UnsafeRawBufferPointer(start: piece.base, count: count))
            first += count
        }
        return print.hex
    }
}
