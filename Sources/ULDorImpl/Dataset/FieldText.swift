/// Text of a CSV's field as numbers and for messages. Nothing depends on the host's locale.
enum FieldText {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    /// For a message: quoted, at most 80 bytes of it.
    static func shown(_ field: Bytes) -> String {
        let text = String(decoding: field.prefix(80), as: UTF8.self)
        return field.count > 80 ? "\"\(text)...\"" : "\"\(text)\""
    }

    static func trimmed(_ field: Bytes) -> Bytes {
        var range = field.indices
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
        while let first = range.first, isSpace(field[first]) { range = range.dropFirst() }
        while let last = range.last, isSpace(field[last]) { range = range.dropLast() }
        return Bytes(rebasing: field[range])
    }

    static func isEmpty(_ field: Bytes) -> Bool { trimmed(field).isEmpty }

    /// A finite decimal number; nil for anything else, such as "nan", "0x10" or "1,5".
    static func number(_ field: Bytes) -> Double? {
        let field = trimmed(field)
        guard (1...40).contains(field.count) else { return nil }
        for byte in field {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                continue
            default: return nil
            }
        }
        // The standard library's conversion: correctly rounded, and with a point in every locale.
        guard let value = Double(String(decoding: field, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    static func integer(_ field: Bytes, _ range: ClosedRange<Int>) -> Int? {
        guard let value = number(field), let exact = Int(exactly: value), range.contains(exact) else { return nil }
        return exact
    }

    /// Exactly `count` numbers with commas between them.
    static func numbers(_ field: Bytes, _ count: Int, into values: UnsafeMutablePointer<Double>) -> Bool {
        var found = 0
        for part in field.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard found < count, let value = number(Bytes(rebasing: part)) else { return false }
            values[found] = value
            found += 1
        }
        return found == count
    }
}

/// Texts that live as long as their pool, each with a 0 behind it, so that a host can be given its address.
struct TextPool: ~Copyable {
    struct Text: BitwiseCopyable {
        var offset = 0, count = 0
    }

    private var bytes: GrowableBuffer<UInt8>

    init(allocator: Allocator) { bytes = GrowableBuffer(allocator: allocator) }

    mutating func add(_ text: UnsafeBufferPointer<UInt8>) throws(ULDorError) -> Text {
        let offset = bytes.count
        try bytes.reserve(bytes.count + text.count + 1)
        for byte in text { try bytes.append(byte) }
        try bytes.append(0)
        return Text(offset: offset, count: text.count)
    }

    /// Valid until the next text is added.
    subscript(_ text: Text) -> UnsafeBufferPointer<UInt8> {
        guard let base = bytes.elements.baseAddress else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: base + text.offset, count: text.count)
    }

    func string(_ text: Text) -> String { String(decoding: self[text], as: UTF8.self) }
}

/// Finds numbers by their texts: a hash table with open addressing. The texts themselves are the caller's.
struct NameTable: ~Copyable {
    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        var index = -1
    }

    private var slots: GrowableBuffer<Slot>
    private var count = 0

    init(allocator: Allocator) { slots = GrowableBuffer(allocator: allocator) }

    /// FNV-1a.
    static func hash(_ text: UnsafeBufferPointer<UInt8>, _ more: Int = 0) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var rest = UInt64(bitPattern: Int64(more))
        for _ in 0..<8 {
            hash = (hash ^ (rest & 255)) &* 0x100_0000_01b3
            rest >>= 8
        }
        return hash ^ (hash >> 29)
    }

    func find(_ hash: UInt64, where matches: (Int) -> Bool) -> Int? {
        guard slots.count > 0 else { return nil }
        var at = Int(hash & UInt64(slots.count - 1))
        while slots.elements[at].index >= 0 {
            let slot = slots.elements[at]
            if slot.hash == hash, matches(slot.index) { return slot.index }
            at = (at + 1) & (slots.count - 1)
        }
        return nil
    }

    mutating func insert(_ hash: UInt64, _ index: Int) throws(ULDorError) {
        if 2 * (count + 1) > slots.count { try grow() }
        place(Slot(hash: hash, index: index))
        count += 1
    }

    mutating func removeAll() {
        slots.elements.update(repeating: Slot())
        count = 0
    }

    private mutating func place(_ slot: Slot) {
        var at = Int(slot.hash & UInt64(slots.count - 1))
        while slots.elements[at].index >= 0 { at = (at + 1) & (slots.count - 1) }
        slots.elements[at] = slot
    }

    private mutating func grow() throws(ULDorError) {
        var larger = GrowableBuffer<Slot>(allocator: slots.allocator)
        try larger.resize(Swift.max(2 * slots.count, 64))
        larger.elements.update(repeating: Slot())
        swap(&slots, &larger)
        for slot in larger.elements where slot.index >= 0 { place(slot) }
    }
}
