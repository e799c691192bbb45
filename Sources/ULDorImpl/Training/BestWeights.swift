/// The best weights are in output_path and nowhere else: a checkpoint knows them by their file's fingerprint.
extension Trainer {
    /// What the weights as they are now will be known by; nil where they are not written.
    func bestPrint() throws(ULDorError) -> String? {
        guard options.isWriter, let path = options.outputPath else { return nil }
        let sink = FingerprintSink()
        try Checkpoint.write(
            learner.parameters, into: sink, name: path, config: config, run: nil, isHalf: options.isHalf,
            allocator: options.allocator)
        return sink.fingerprint.hex
    }

    func saveBest() throws(ULDorError) {
        if options.isWriter, let path = options.outputPath { try save(path, isHalf: options.isHalf) }
    }

    /// Of a run that goes on: sees that the best weights are there. While no step was taken since they are those of the checkpoint, and
    /// are written from it.
    func restoreBest() throws(ULDorError) {
        guard isResumed, options.isWriter, let path = options.outputPath, state.bestEpoch >= 0 else { return }
        if let known = state.bestFile, try Self.fingerprint(of: path, options.allocator) == known { return }
        guard state.step == 0, state.bestEpoch == state.epoch - 1 else {
            throw .invalidArgument(
                "\(path) does not hold the best weights so far, those of epoch \(state.bestEpoch + 1): their file is to be put there, "
                    + "or the run begun anew")
        }
        state.bestFile = try bestPrint()
        try saveBest()
    }

    /// nil where there is no file to read.
    private static func fingerprint(of path: String, _ allocator: Allocator) throws(ULDorError) -> String? {
        guard let source = try? ByteSource.open(path) else { return nil }
        let piece = try Buffer<UInt8>(count: Swift.min(source.count, 1 << 20), allocator: allocator)
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
