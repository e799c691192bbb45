import ULDorJSON

/// A JSON text, tokenised; values are token indices into it. The text must outlive the document.
struct JSONDocument: ~Copyable {
    let text: UnsafeBufferPointer<UInt8>
    private let tokens: Buffer<uj_token>

    private init(text: UnsafeBufferPointer<UInt8>, tokens: consuming Buffer<uj_token>) {
        self.text = text
        self.tokens = tokens
    }

    static func parse(
        _ text: UnsafeBufferPointer<UInt8>, allocator: Allocator, what: String, status: Status = .format
    ) throws(ULDorError) -> JSONDocument {
        guard let base = text.baseAddress, text.count < Int(Int32.max) else { throw ULDorError(status, "\(what) is empty") }
        let characters = UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self)
        // Everything below counts on sound JSON; jsmn alone takes a good deal more.
        guard uj_is_valid(characters, text.count) else { throw ULDorError(status, "\(what) is not valid JSON") }
        let count = uj_tokenize(characters, text.count, nil, 0)
        guard count > 0 else { throw ULDorError(status, "\(what) is not valid JSON") }
        let tokens = try Buffer<uj_token>(count: Int(count), allocator: allocator)
        guard uj_tokenize(characters, text.count, tokens.base, UInt32(count)) == count else {
            throw ULDorError(status, "\(what) is not valid JSON")
        }
        return JSONDocument(text: text, tokens: tokens)
    }

    var count: Int { tokens.count }
    static let root = 0

    func isObject(_ value: Int) -> Bool { tokens.base[value].type == UJ_OBJECT }
    func isArray(_ value: Int) -> Bool { tokens.base[value].type == UJ_ARRAY }
    func isString(_ value: Int) -> Bool { tokens.base[value].type == UJ_STRING }
    func childCount(_ value: Int) -> Int { Int(tokens.base[value].size) }

    /// A string's bytes as they stand in the text, escapes and all; also of numbers and literals.
    func raw(_ value: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: text[Int(tokens.base[value].start)..<Int(tokens.base[value].end)])
    }

    /// First child: an array's first element, an object's first key, a key's value.
    func firstChild(_ value: Int) -> Int { value + 1 }

    /// The token after a value and all that is in it: its next sibling, where it has one.
    func next(after value: Int) -> Int {
        let end = tokens.base[value].end
        var index = value + 1
        while index < count, tokens.base[index].start < end { index += 1 }
        // A key's value starts behind the key's own end.
        return index
    }

    /// The token after a key and its value.
    func nextKey(after key: Int) -> Int { next(after: key + 1) }

    func equals(_ value: Int, _ string: StaticString) -> Bool {
        let bytes = raw(value)
        guard bytes.count == string.utf8CodeUnitCount else { return false }
        for index in 0..<bytes.count where bytes[index] != string.utf8Start[index] { return false }
        return true
    }

    /// A JSON number; nil for anything else. Independent of the host's locale.
    func number(_ value: Int) -> Double? {
        let bytes = raw(value)
        guard tokens.base[value].type == UJ_PRIMITIVE, let first = bytes.first, bytes.count <= 64 else { return nil }
        guard first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return nil }
        guard let string = String(validating: bytes, as: UTF8.self), let number = Double(string), number.isFinite else {
            return nil
        }
        return number
    }

    /// A non-negative integer written without sign, fraction or exponent; nil for anything else or where it does not fit.
    func natural(_ value: Int) -> Int? {
        let bytes = raw(value)
        guard tokens.base[value].type == UJ_PRIMITIVE, !bytes.isEmpty else { return nil }
        var result = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (product, overflow1) = result.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) = product.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !overflow1, !overflow2 else { return nil }
            result = sum
        }
        return result
    }

    func boolean(_ value: Int) -> Bool? {
        guard tokens.base[value].type == UJ_PRIMITIVE else { return nil }
        return equals(value, "true") ? true : equals(value, "false") ? false : nil
    }
}

/// Text for messages: at most 80 bytes, what is not UTF-8 replaced.
func printable(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    let cut = String(decoding: bytes.prefix(80), as: UTF8.self)
    let clean = String(cut.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
    return bytes.count > 80 ? clean + "..." : clean
}
