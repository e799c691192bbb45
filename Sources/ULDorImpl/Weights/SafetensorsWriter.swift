/// Writes a safetensors file: first what is in it (`add`), then the bytes of each tensor in that order.
struct SafetensorsWriter: ~Copyable {
    enum Storage {
        case float32, float16, bytes

        var size: Int {
            switch self {
            case .float32: 4
            case .float16: 2
            case .bytes: 1
            }
        }

        fileprivate var name: StaticString {
            switch self {
            case .float32: "F32"
            case .float16: "F16"
            case .bytes: "U8"
            }
        }
    }

    private var header: GrowableBuffer<UInt8>
    private(set) var dataBytes = 0
    private var isFirst = true

    /// `metadata`: texts under `__metadata__`.
    init(metadata: [(key: String, value: String)], allocator: Allocator) throws(ULDorError) {
        header = GrowableBuffer(allocator: allocator)
        try append("{\"__metadata__\":{")
        for (index, entry) in metadata.enumerated() {
            if index > 0 { try append(",") }
            try appendString(entry.key)
            try append(":")
            try appendString(entry.value)
        }
        try append("}")
    }

    mutating func add(_ name: String, _ storage: Storage, dims: [Int]) throws(ULDorError) {
        var count = storage.size
        for dim in dims { count = try checkedProduct(count, dim, of: name) }
        let (end, overflow) = dataBytes.addingReportingOverflow(count)
        guard !overflow else { throw .tooLarge(name) }
        try append(",")
        try appendString(name)
        try append(":{\"dtype\":\"\(storage.name)\",\"shape\":[")
        try append(dims.map(String.init).joined(separator: ","))
        try append("],\"data_offsets\":[\(dataBytes),\(end)]}")
        dataBytes = end
    }

    /// Ends the list, and gives what stands before the data: length and header, padded to 8 bytes as the format advises.
    consuming func finish() throws(ULDorError) -> GrowableBuffer<UInt8> {
        try append("}")
        while header.count % 8 != 0 { try append(" ") }
        var result = GrowableBuffer<UInt8>(allocator: header.allocator)
        let length = UInt64(header.count)
        for shift in 0..<8 { try result.append(UInt8(truncatingIfNeeded: length >> (8 * UInt64(shift)))) }
        try result.append(header.elements[...])
        return result
    }

    private mutating func append(_ text: String) throws(ULDorError) {
        for byte in text.utf8 { try header.append(byte) }
    }

    private mutating func appendString(_ text: String) throws(ULDorError) {
        try append(JSONText.quoted(text))
    }
}

/// Pieces of JSON.
enum JSONText {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 32 || scalar.value == 127:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// The shortest digits that give the same number back; null for what is none.
    static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
}

/// IEEE half precision, rounded to the nearest even; infinity beyond 65504 + 15.
func halfBits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(bits >> 16 & 0x8000)
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
    if magnitude < 0x3880_0000 {
        // Below the least normal half: adding 0.5 lines the bits up, and rounds.
        let shifted = Float(bitPattern: magnitude) + 0.5
        return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- 0x3F00_0000)
    }
    let rounded = magnitude &+ 0xC800_0FFF &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: rounded >> 13)
}
