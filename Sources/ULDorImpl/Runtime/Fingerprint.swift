/// FNV-1a, 64 bits: tells texts and data apart. No protection against somebody who wants two to look alike.
struct Fingerprint: BitwiseCopyable {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    mutating func add(_ bytes: UnsafeRawBufferPointer) { for byte in bytes { add(byte) } }
    mutating func add(_ text: String) {
        for byte in text.utf8 { add(byte) }
        add(0)
    }
    mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }
    mutating func add(_ number: Double) { add(number.bitPattern) }
    mutating func add(_ bits: UInt64) { for shift in 0..<8 { add(UInt8(truncatingIfNeeded: bits >> (8 * UInt64(shift)))) } }

    static func of(_ text: String) -> Fingerprint {
        var print = Fingerprint()
        print.add(text)
        return print
    }

    var hex: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
