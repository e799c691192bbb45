import Glibc

/// A line for each step and epoch, CSV or JSON lines.
///
/// A resumed run cuts off what was written after its checkpoint: no line stands there twice.
final class TrainingLog {
    private let path: String
    private let isJSON: Bool
    private let file: Int32
    private var isBegun = false

    private static let columns = [
        "event", "epoch", "step", "total_steps", "objectness", "rpn_box", "classifier", "box", "mask", "loss", "lr",
        "gradient_norm",
        "images_per_second", "validation_loss", "best",
    ]

    /// Opens it, and leaves it as it is.
    init(_ path: String) throws(ULDorError) {
        self.path = path
        isJSON = path.hasSuffix(".jsonl")
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o666)
        guard file >= 0 else { throw failure("write") }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ULDorError(.io, "\(path): cannot write: not a regular file")
        }
        guard try isLog(size: Int(status.st_size)) else {
            throw .invalidArgument("\(path): not a log of training: it is not overwritten")
        }
    }

    /// Before the first line is added. `bytes`: what of the file belongs to the run, 0 at its beginning; set to what is there.
    func begin(bytes: inout Int, warn: (String) -> Void) throws(ULDorError) {
        guard !isBegun else { return }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("read") }
        let kept = try lineEnd(before: Swift.min(bytes, Int(status.st_size)))
        // Taken away, or cut off by a loss of power.
        if kept < bytes { warn("\(path): \(bytes - kept) of \(bytes) bytes are lost; the log goes on without them") }
        guard ftruncate(file, off_t(kept)) == 0 else { throw failure("write") }
        bytes = kept
        isBegun = true
        if bytes == 0, !isJSON { try append(Self.columns.joined(separator: ","), bytes: &bytes) }
    }

    deinit { close(file) }

    /// To the disk.
    func flush() throws(ULDorError) {
        guard fdatasync(file) == 0 || errno == EINVAL else { throw failure("write") }
    }

    private func failure(_ what: String) -> ULDorError { ULDorError(.io, "\(path): cannot \(what): \(systemReason(errno))") }

    private func read(_ count: Int, at offset: Int) throws(ULDorError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count), done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { raw in
                raw.baseAddress.map { pread(file, $0 + done, count - done, off_t(offset + done)) } ?? 0
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw failure("read") }
            done += got
        }
        return bytes
    }

    /// Whether the file begins as a log does, as far as it goes.
    private func isLog(size: Int) throws(ULDorError) -> Bool {
        let head = (isJSON ? "{\"event\": " : Self.columns.joined(separator: ",")).utf8
        return head.starts(with: try read(Swift.min(size, head.count), at: 0))
    }

    /// How much of the first `size` bytes whole lines are.
    private func lineEnd(before size: Int) throws(ULDorError) -> Int {
        var end = size
        while end > 0 {
            let first = Swift.max(end - 4096, 0), piece = try read(end - first, at: first)
            if let last = piece.lastIndex(of: UInt8(ascii: "\n")) { return first + last + 1 }
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
