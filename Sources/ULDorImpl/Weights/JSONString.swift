/// Decodes the escapes of a JSON string (RFC 8259, section 7) into UTF-8 that `result` ends with; no NUL is appended.
func decodeJSONString(
    _ raw: UnsafeBufferPointer<UInt8>, into result: inout GrowableBuffer<UInt8>
) throws(ULDorError) {
    var index = 0
    while index < raw.count {
        let byte = raw[index]
        index += 1
        guard byte == UInt8(ascii: "\\") else {
            try result.append(byte)
            continue
        }
        guard index < raw.count else { throw ULDorError(.format, "a JSON string ends in the middle of an escape") }
        let escape = raw[index]
        index += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): try result.append(escape)
        case UInt8(ascii: "b"): try result.append(8)
        case UInt8(ascii: "f"): try result.append(12)
        case UInt8(ascii: "n"): try result.append(10)
        case UInt8(ascii: "r"): try result.append(13)
        case UInt8(ascii: "t"): try result.append(9)
        case UInt8(ascii: "u"): try append(scalar: try scalar(in: raw, at: &index), to: &result)
        default: throw ULDorError(.format, "a JSON string has an unknown escape")
        }
    }
}

/// The scalar of `\uXXXX`, of a surrogate pair where it begins one; `index` stands behind the `u`.
private func scalar(in raw: UnsafeBufferPointer<UInt8>, at index: inout Int) throws(ULDorError) -> UInt32 {
    let first = try hex4(in: raw, at: &index)
    guard (0xD800...0xDFFF).contains(first) else { return first }
    guard first < 0xDC00, index + 1 < raw.count, raw[index] == UInt8(ascii: "\\"), raw[index + 1] == UInt8(ascii: "u") else {
        throw ULDorError(.format, "a JSON string has half of a surrogate pair")
    }
    index += 2
    let second = try hex4(in: raw, at: &index)
    guard (0xDC00...0xDFFF).contains(second) else { throw ULDorError(.format, "a JSON string has half of a surrogate pair") }
    return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
}

private func hex4(in raw: UnsafeBufferPointer<UInt8>, at index: inout Int) throws(ULDorError) -> UInt32 {
    guard index + 4 <= raw.count else { throw ULDorError(.format, "a JSON string ends in the middle of an escape") }
    var value: UInt32 = 0
    for _ in 0..<4 {
        let byte = raw[index]
        index += 1
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
        default: throw ULDorError(.format, "a JSON string has an unknown escape")
        }
    }
    return value
}

private func append(scalar: UInt32, to result: inout GrowableBuffer<UInt8>) throws(ULDorError) {
    switch scalar {
    case 0..<0x80:
        try result.append(UInt8(scalar))
    case 0x80..<0x800:
        try result.append(UInt8(0xC0 | scalar >> 6))
        try result.append(UInt8(0x80 | scalar & 63))
    case 0x800..<0x10000:
        try result.append(UInt8(0xE0 | scalar >> 12))
        try result.append(UInt8(0x80 | scalar >> 6 & 63))
        try result.append(UInt8(0x80 | scalar & 63))
    default:
        try result.append(UInt8(0xF0 | scalar >> 18))
        try result.append(UInt8(0x80 | scalar >> 12 & 63))
        try result.append(UInt8(0x80 | scalar >> 6 & 63))
        try result.append(UInt8(0x80 | scalar & 63))
    }
}
