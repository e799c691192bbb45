import ULDorKernels

/// The packed values of a model as they lie in a file: copied from it, or where the file is mapped the mapping itself.
final class PackedImage {
    let base: UnsafeRawPointer
    let bytes: Int
    private let source: ByteSource
    private let offset: Int
    private let memory: Buffer<Float>?
    /// The same where it is to be filled.
    private let destination: UnsafeMutableRawPointer?
    private var outcomes: UnsafeMutablePointer<Outcome>?

    /// What became of a piece.
    private struct Outcome: BitwiseCopyable {
        var failure: ByteSource.Failure?
        /// Of the first value that is not finite.
        var bad: Int?
    }

    /// Small enough for a near cache: what was copied is looked through while it is there.
    private static let piece = 1 << 19

    /// `header` was checked against the source. On all threads. Every value is looked at, mapped or not: a value that is not finite is
    /// an error here, where the file can be named, and not later in some slice's results.
    init(_ source: ByteSource, _ header: PackedHeader, _ execution: uk_exec, allocator: Allocator) throws(ULDorError) {
        self.source = source
        bytes = header.imageBytes
        offset = header.imageOffset
        if let mapped = source.mapped {
            memory = nil
            destination = nil
            base = mapped + offset
        } else {
            let memory = try Buffer<Float>(count: bytes / MemoryLayout<Float>.stride, allocator: allocator)
            destination = UnsafeMutableRawPointer(memory.base)
            base = UnsafeRawPointer(memory.base)
            self.memory = consume memory
        }
        try fill(execution, allocator)
    }

    func error(_ what: String) -> ULDorError {
        ULDorError(.format, "\(source.name): packed weights that are not this network's: \(what)")
    }

    private func fill(_ execution: uk_exec, _ allocator: Allocator) throws(ULDorError) {
        let outcomes = try Buffer<Outcome>(count: (bytes + Self.piece - 1) / Self.piece, allocator: allocator)
        outcomes.elements.update(repeating: Outcome())
        self.outcomes = outcomes.base
        defer { self.outcomes = nil }
        var execution = execution
        _ = uk_parallel_for(
            &execution, Int64(outcomes.count),
            { context, piece, _ in
                guard let context else { return }
                Unmanaged<PackedImage>.fromOpaque(context).takeUnretainedValue().fill(piece: Int(piece))
            }, Unmanaged.passUnretained(self).toOpaque())
        for (piece, outcome) in outcomes.elements.enumerated() {
            if let failure = outcome.failure { throw source.error(failure) }
            guard let bad = outcome.bad else { continue }
            let at = piece * Self.piece + bad * MemoryLayout<Float>.stride
            let value = base.load(fromByteOffset: at, as: Float.self)
            throw ULDorError(.model, "\(source.name): the packed weights hold \(value) at byte \(offset + at)")
        }
    }

    private func fill(piece: Int) {
        let first = piece * Self.piece, count = Swift.min(Self.piece, bytes - first)
        if let destination, let failure = source.copy(at: offset + first, length: count, into: destination + first) {
            outcomes?[piece].failure = failure
            return
        }
        let values = (base + first).assumingMemoryBound(to: Float.self)
        let bad = Int(uk_first_not_finite(values, Int64(count / MemoryLayout<Float>.stride)))
        if bad >= 0 { outcomes?[piece].bad = bad }
    }
}
