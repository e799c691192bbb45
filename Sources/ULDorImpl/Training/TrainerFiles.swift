import Glibc

/// What a run reads and writes, looked at before hours of training.
extension TrainerOptions {
    /// Nothing that the run reads is written over. (But init_path by output_path, where they are the same.)
    func checkInputs(_ train: Dataset, _ validation: Dataset?) throws(ULDorError) {
        let datasets = [train, validation].compactMap { $0 }
        let tables = datasets.flatMap(\.inputFiles) + [minedPath].compactMap { $0 }
        for path in [outputPath, checkpointPath, logPath, minedOutputPath] {
            guard let path, let place = FilePath.resolved(path) else { continue }
            let inputs = tables + (path == outputPath ? [] : [initPath].compactMap { $0 })
            let isInput = inputs.contains { FilePath.resolved($0) == place } || datasets.contains { $0.holdsImage(at: place) }
            if isInput { throw .invalidArgument("\(path): this is an input; it is not overwritten") }
        }
    }

    /// Whether what is learnt takes the place of what it began with.
    var replacesInitial: Bool {
        guard let initPath, let outputPath else { return false }
        return initPath == outputPath || FilePath.resolved(initPath).map { $0 == FilePath.resolved(outputPath) } ?? false
    }

    /// A directory that may not be written is named before hours of training, not after.
    func checkFiles() throws(ULDorError) {
        guard isWriter else { return }
        for path in [outputPath, checkpointPath, minedOutputPath] { if let path { try AtomicFile(path).discard() } }
    }

    /// A disk that has no room for the run's files is named then, too. A file that is there stays until the new one is whole; where none
    /// is there, there will be two of the checkpoint.
    func checkRoom(for store: ParameterStore) throws(ULDorError) {
        guard isWriter else { return }
        var files: [AtomicFile] = []
        defer { for file in files { file.discard() } }
        for (path, bytes, copies) in [
            (outputPath, store.values.bytes / (isHalf ? 2 : 1), 1),
            (checkpointPath, store.values.bytes + store.momentum.bytes + store.squares.bytes, 2),
        ] {
            guard let path else { continue }
            let file = try AtomicFile(path)
            files.append(file)
            try file.reserve(bytes, copies: file.replacesFile ? 1 : copies)
        }
    }
}
