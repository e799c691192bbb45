/// A CSV file record by record (RFC 4180): quoted fields with commas, newlines and doubled quotes in them, LF, CRLF or CR,
/// a byte order mark; empty lines are passed over. Reads piece by piece, so memory is that of the longest record.
final class CSVReader {
    /// What messages call the file.
    let name: String
    /// Line on which the current record begins, from 1.
    private(set) var line = 0
    private(set) var fieldCount = 0

    /// A longer record is a quote left open: it would swallow the file.
    static let largestRecord = 1 << 20

    private let source: ByteSource
    private var piece: Buffer<UInt8>
    private var offset = 0, first = 0, end = 0
    private var nextLine = 1
    private var text: GrowableBuffer<UInt8>
    /// Where each field ends in `text`.
    private var ends: GrowableBuffer<Int>

    init(path: UnsafePointer<CChar>, allocator: Allocator) throws(ULDorError) {
        source = try ByteSource(path: path, memoryMap: false)
        name = source.name
        piece = try Buffer(count: 1 << 16, allocator: allocator)
        text = GrowableBuffer(allocator: allocator)
        ends = GrowableBuffer(allocator: allocator)
        if try peek() == 0xEF { try skipMark() }
    }

    /// Bytes of a field of the current record, without its quotes; valid until the next record is read. Empty out of range.
    func field(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        guard (0..<fieldCount).contains(index) else { return UnsafeBufferPointer(start: nil, count: 0) }
        let begin = index == 0 ? 0 : ends.elements[index - 1]
        return UnsafeBufferPointer(rebasing: UnsafeBufferPointer(text.elements)[begin..<ends.elements[index]])
    }

    /// "FILE:LINE: what is wrong".
    func error(_ what: String) -> ULDorError { ULDorError(.format, "\(name):\(line): \(what)") }

    /// Reads the next record; false at the end. After a malformed one (thrown, `.format`) the next line can be read; what
    /// cannot be gone on from (I/O, memory, a quote that is never closed) ends the file.
    func next() throws(ULDorError) -> Bool {
        repeat {
            guard try peek() != nil else { return false }
            line = nextLine
            text.removeAll()
            ends.removeAll()
            fieldCount = 0
            try readRecord()
            fieldCount = ends.count
        } while fieldCount == 1 && text.count == 0
        return true
    }

    // MARK: Records

    private static let quote = UInt8(ascii: "\""), comma = UInt8(ascii: ","), lf = UInt8(ascii: "\n"), cr = UInt8(ascii: "\r")

    private func readRecord() throws(ULDorError) {
        while true {
            if try peek() == Self.quote { try readQuoted() } else { try readPlain() }
            try ends.append(text.count)
            switch try take() {
            case Self.comma: continue
            case Self.cr:
                if try peek() == Self.lf { _ = try take() }
                nextLine += 1
                return
            case Self.lf:
                nextLine += 1
                return
            default: return
            }
        }
    }

    private static func endsField(_ byte: UInt8) -> Bool { byte == comma || byte == lf || byte == cr }

    private func readPlain() throws(ULDorError) {
        while let byte = try peek(), !Self.endsField(byte) {
            guard byte != Self.quote else { throw try malformed("a quote within a field that does not begin with one") }
            try keep(byte)
        }
    }

    private func readQuoted() throws(ULDorError) {
        _ = try take()
        while let byte = try take() {
            if byte == Self.lf { nextLine += 1 }
            guard byte == Self.quote else {
                try append(byte)
                continue
            }
            guard let next = try peek(), !Self.endsField(next) else { return }
            guard next == Self.quote else { throw try malformed("text after a closing quote") }
            try keep(next)
        }
        throw error("a quote is never closed")
    }

    private func keep(_ byte: UInt8) throws(ULDorError) {
        _ = try take()
        try append(byte)
    }

    private func append(_ byte: UInt8) throws(ULDorError) {
        guard byte != 0 else { throw try malformed("a byte of value 0") }
        guard text.count < Self.largestRecord else {
            first = end
            offset = source.count
            throw error("a record of more than \(Self.largestRecord) bytes: is a quote left open?")
        }
        try text.append(byte)
    }

    /// Passes over the rest of the line.
    private func malformed(_ what: String) throws(ULDorError) -> ULDorError {
        while let byte = try take() {
            guard byte == Self.lf || byte == Self.cr else { continue }
            if byte == Self.cr, try peek() == Self.lf { _ = try take() }
            nextLine += 1
            break
        }
        return error(what)
    }

    // MARK: Bytes

    private func skipMark() throws(ULDorError) {
        line = 1
        for expected: UInt8 in [0xEF, 0xBB, 0xBF] {
            guard try take() == expected else { throw error("not a text file") }
        }
    }

    private func peek() throws(ULDorError) -> UInt8? {
        if first == end {
            let count = Swift.min(piece.count, source.count - offset)
            guard count > 0 else { return nil }
            try source.read(at: offset, length: count, into: piece.base)
            offset += count
            first = 0
            end = count
        }
        return piece.base[first]
    }

    private func take() throws(ULDorError) -> UInt8? {
        let byte = try peek()
        if byte != nil { first += 1 }
        return byte
    }
}
