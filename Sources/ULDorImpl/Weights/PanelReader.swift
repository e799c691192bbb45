import ULDorKernels

/// Reads a tensor's rows (one an output channel), a panel's at a time, and packs them, on all threads.
///
/// Each piece goes through a small buffer of its thread's own, which a near cache holds: the file is copied once, and no tensor is
/// in memory as a whole beside the packed weights.
final class PanelReader {
    private let source: ByteSource
    private let record: TensorRecord
    private let layer: Convolution
    private let first, rows, rowLength, cells: Int
    private let scale, bias: UnsafePointer<Float>?
    private var staging: UnsafeMutablePointer<Float>?
    private var outcomes: UnsafeMutablePointer<Outcome>?

    /// What became of a piece.
    private struct Outcome: BitwiseCopyable {
        var failure: ByteSource.Failure?
        var bad: Bad?
    }

    /// A value that is not finite.
    struct Bad: BitwiseCopyable {
        var element: Int
        var value: Float
    }

    private static let panel = Int(UK_PANEL)

    /// The record's rows, `layer.channels` x kernel x kernel each, become output channels [first, first + rows). With `cells`
    /// above 1 a row is stored as channels x cells and packed as cells x channels: a fully connected layer behind a feature map.
    init(
        _ source: ByteSource, _ record: TensorRecord, _ layer: Convolution, first: Int, scale: UnsafePointer<Float>?,
        bias: UnsafePointer<Float>, cells: Int
    ) {
        self.source = source
        self.record = record
        self.layer = layer
        self.first = first
        self.scale = scale
        self.bias = bias
        self.cells = cells
        rows = record.dim(0)
        rowLength = record.elements / record.dim(0)
    }

    /// Pieces end where panels of the layer do, so that no two write the same one.
    private var pieces: Int { (first + rows - 1) / Self.panel - first / Self.panel + 1 }
    private var pieceFloats: Int { Swift.min(rows, Self.panel) * rowLength }

    private func rows(of piece: Int) -> Range<Int> {
        let begin = (first / Self.panel + piece) * Self.panel - first
        return Swift.max(begin, 0)..<Swift.min(begin + Self.panel, rows)
    }

    /// As float32, and once more as stored or in the file's order.
    private var workerFloats: Int { pieceFloats * 2 }

    func stagingFloats(threads: Int32) -> Int { Swift.min(Int(threads), pieces) * workerFloats }

    /// `staging`: as many as ``stagingFloats(threads:)`` says. Returns the first value that is not finite, if one is.
    func read(
        _ staging: UnsafeMutableBufferPointer<Float>, _ execution: uk_exec, _ allocator: Allocator
    ) throws(ULDorError) -> Bad? {
        let outcomes = try Buffer<Outcome>(count: pieces, allocator: allocator)
        outcomes.elements.update(repeating: Outcome())
        self.staging = staging.baseAddress
        self.outcomes = outcomes.base
        var execution = execution
        _ = uk_parallel_for(
            &execution, Int64(pieces),
            { context, piece, worker in
                guard let context else { return }
                Unmanaged<PanelReader>.fromOpaque(context).takeUnretainedValue().read(piece: Int(piece), worker: Int(worker))
            }, Unmanaged.passUnretained(self).toOpaque())
        for outcome in outcomes.elements {
            if let failure = outcome.failure { throw source.error(failure) }
            if let bad = outcome.bad { return bad }
        }
        return nil
    }

    private func read(piece: Int, worker: Int) {
        guard let staging, let outcomes else { return }
        let range = rows(of: piece), row = range.lowerBound, floats = range.count * rowLength
        let values = staging + worker * workerFloats, other = values + pieceFloats
        let isFloat = record.type == UK_F32, bytes = isFloat ? 4 : 2
        let stored = isFloat ? values : other
        if let failure = source.copy(at: record.offset + row * rowLength * bytes, length: floats * bytes, into: stored) {
            outcomes[piece].failure = failure
            return
        }
        let bad = Int(uk_to_float(record.type, stored, Int64(floats), values))
        guard bad < 0 else {
            outcomes[piece].bad = Bad(element: row * rowLength + bad, value: values[bad])
            return
        }
        if cells > 1 { transpose(values, into: other, rows: range.count) }
        layer.pack(
            cells > 1 ? other : values, scale: scale.map { $0 + row }, bias: bias.map { $0 + row }, first: first + row,
            count: range.count, execution: uk_exec(threads: 1, state: nil))
    }

    private func transpose(_ from: UnsafePointer<Float>, into to: UnsafeMutablePointer<Float>, rows: Int) {
        let order = CellRow(channels: rowLength / cells, cells: cells)
        for row in 0..<rows { order.fromFile(from + row * rowLength, to: to + row * rowLength) }
    }
}
