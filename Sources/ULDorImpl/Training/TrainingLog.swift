import Glibc

/// A line for each step and epoch, CSV or JSON lines.
///
/// A resumed run cuts off what was written after its checkpoint: no line stands there twice.
final class TrainingLog {
    private let path: String
    private let isJSON: Bool
    private let file: Int32

    private static let columns = [
        "event", "epoch", "step", "total_steps", "objectness", "rpn_box", "classifier", "box", "mask", "loss", "lr",
        "gradient_norm",
        "images_per_second", "validation_loss", "best",
    ]

    /// `bytes`: what of the file belongs to the run, 0 at its beginning; set to what is there.
    init(_ path: String, bytes: inout Int, warn: (String) -> Void) throws(ULDorError) {
        self.path = path
        isJSON = path.hasSuffix(".jsonl")
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o666)
        guard file >= 0 else { throw ULDorError(.io, "\(path): cannot write: \(systemReason(errno))") }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ULDorError(.io, "\(path): cannot write: not a regular file")
        }
        guard isLog(size: Int(status.st_size)) else {
            throw .invalidArgument("\(path): not a log of training: it is not overwritten")
        }
        let kept = lineEnd(before: Swift.min(bytes, Int(status.st_size)))
        // Taken away, or cut off by a loss of power.
        if kept < bytes { warn("\(path): \(bytes - kept) of \(bytes) bytes are lost; the log goes on without them") }
        bytes = kept
        guard ftruncate(file, off_t(bytes)) == 0 else {
            throw ULDorError(.io, "\(path): cannot write: \(systemReason(errno))")
        }
        if bytes == 0, !isJSON { try append(Self.columns.joined(separator: ","), bytes: &bytes) }
    }

    deinit { close(file) }

    /// To the disk.
    func flush() throws(ULDorError) {
        guard fdatasync(file) == 0 || errno == EINVAL else {
            throw ULDorError(.io, "\(path): cannot write: \(systemReason(errno))")
        }
    }

    /// Whether the file begins as a log does, as far as it goes.
    private func isLog(size: Int) -> Bool {
        let head = Array((isJSON ? "{\"event\": " : Self.columns.joined(separator: ",")).utf8)
        let length = Swift.min(size, head.count)
        var bytes = [UInt8](repeating: 0, count: length)
        return pread(file, &bytes, length, 0) == length && bytes.elementsEqual(head.prefix(length))
    }

    /// How much of the first `size` bytes whole lines are.
    private func lineEnd(before size: Int) -> Int {
        var piece = [UInt8](repeating: 0, count: 4096)
        var end = size
        while end > 0 {
            let first = Swift.max(end - piece.count, 0), count = end - first
            guard pread(file, &piece, count, off_t(first)) == count else { return 0 }
            if let last = piece[..<count].lastIndex(of: UInt8(ascii: "\n")) { return first + last + 1 }
            end = first
        }
        return 0
    }

    func append(_ event: TrainingEvent, bytes: inout Int) throws(ULDorError) {
        let isEpoch = event.kind == .epoch
        func number(_ value: Double) -> String { value.isFinite ? "\(value)" : isJSON ? "null" : "" }
        let kind = isEpoch ? "epoch" : "step"
        let values = [
            isJSON ? JSONText.quoted(kind) : kind, "\(event.epoch)", "\(event.step)", "\(event.totalSteps)",
            number(event.objectness),
            number(event.rpnBox), number(event.classifier), number(event.box), number(event.mask), number(event.loss),
            number(event.rate), number(isEpoch ? .nan : event.gradientNorm), number(event.imagesPerSecond),
            number(isEpoch ? event.validationLoss : .nan), isEpoch ? (event.isBest ? "1" : "0") : isJSON ? "null" : "",
        ]
        guard isJSON else { return try append(values.joined(separator: ","), bytes: &bytes) }
        let fields = zip(Self.columns, values).map { "\(JSONText.quoted($0)): \($1)" }
        try append("{" + fields.joined(separator: ", ") + "}", bytes: &bytes)
    }

    private func append(_ line: String, bytes: inout Int) throws(ULDorError) {
        var text = line + "\n"
        var failure: ULDorError?
        let count = text.utf8.count, offset = bytes
        text.withUTF8 { raw in
            do throws(ULDorError) {
                try SystemWrite.all(file, UnsafeRawBufferPointer(raw), at: offset, path: path)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        bytes += count
    }
}
