import ULDorKernels

/// What a file of packed weights begins with: 64 bytes, little-endian (docs/weights.md, "Packed weights").
///
///      0  magic            8  format version    12  byte order     16  UK_PANEL      20  alignment of a layer's values
///     24  fingerprint     32  bytes of the list of tensors         40  bytes of the configuration
///     48  bytes of the image                   56  bytes that the list's tensors would take as float32
///
/// The list, the configuration and zeros up to a whole page follow, then the image.
struct PackedHeader: BitwiseCopyable {
    /// To be increased with every change of the order in which layers take their memory or of how they are packed
    /// (Tests/python/test_packed.py notices one).
    static let version: UInt32 = 1
    static let bytes = 64
    static let page = 4096
    private static let magic: StaticString = "uldorpak"
    /// 1, 2, 3, 4: the order of the bytes of a value. Others would have another mark.
    private static let byteOrder: UInt32 = 0x0403_0201

    var fingerprint: UInt64
    var listBytes, configBytes, imageBytes, tensorBytes: Int

    /// Where the image begins. The parts are within a file's size or in memory: their sum does not overflow.
    var imageOffset: Int { (Self.bytes + listBytes + configBytes + Self.page - 1) / Self.page * Self.page }

    /// Whether a file begins like one; `beginning` has 8 bytes.
    static func isMagic(_ beginning: UInt64) -> Bool {
        var value: UInt64 = 0
        for index in (0..<8).reversed() { value = value << 8 | UInt64(magic.utf8Start[index]) }
        return beginning == value
    }

    /// Checked against the size of the file.
    init(_ source: ByteSource) throws(ULDorError) {
        func bad(_ what: String) -> ULDorError { ULDorError(.format, "\(source.name): damaged packed weights: \(what)") }
        guard source.count >= Self.bytes else { throw bad("\(source.count) bytes are too few") }
        var words = InlineArray<8, UInt64>(repeating: 0)
        try withUnsafeMutableBytesOf(&words) { (bytes) throws(ULDorError) in
            try source.read(at: 0, length: Self.bytes, into: bytes)
        }
        func half(_ offset: Int) -> UInt32 {
            UInt32(truncatingIfNeeded: UInt64(littleEndian: words[offset / 8]) >> (offset % 8 == 0 ? 0 : 32))
        }
        func size(_ offset: Int, _ limit: Int, _ what: String) throws(ULDorError) -> Int {
            let value = UInt64(littleEndian: words[offset / 8])
            guard value <= UInt64(limit) else { throw bad("\(value) bytes of \(what)") }
            return Int(value)
        }
        let found = [half(8), half(12), half(16), half(20)]
        guard found == Self.layout else {
            throw ULDorError(
                .unsupported,
                "\(source.name): packed by another version of libuldor: make it again with uldor pack "
                    + "(its layout is \(found), this library's \(Self.layout))")
        }
        fingerprint = UInt64(littleEndian: words[3])
        let rest = source.count - Self.bytes
        listBytes = try size(32, Swift.min(rest, Safetensors.maximalHeader), "a list of tensors")
        configBytes = try size(40, Swift.min(rest, Safetensors.maximalHeader), "a configuration")
        imageBytes = try size(48, rest, "weights")
        // A batch norm has four values a channel, of which one is left beside at least one weight.
        tensorBytes = try size(56, checkedProduct(imageBytes, 4), "tensors")
        let end = imageOffset + imageBytes
        guard end == source.count else { throw bad("\(source.count) bytes instead of \(end)") }
        guard imageBytes % Allocator.alignment == 0 else { throw bad("\(imageBytes) bytes of weights") }
    }

    init(fingerprint: Fingerprint, list: borrowing PackedTensorList, config: Int, image: Int) {
        self.fingerprint = fingerprint.value
        listBytes = list.text.count
        configBytes = config
        imageBytes = image
        tensorBytes = list.tensorBytes
    }

    /// What must be the same for the library to use the image as it is.
    private static var layout: [UInt32] { [version, byteOrder, UInt32(UK_PANEL), UInt32(Allocator.alignment)] }

    func write(to bytes: inout GrowableBuffer<UInt8>) throws(ULDorError) {
        for index in 0..<8 { try bytes.append(Self.magic.utf8Start[index]) }
        for number in Self.layout {
            for shift in 0..<4 { try bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt32(shift)))) }
        }
        for number in [fingerprint] + [listBytes, configBytes, imageBytes, tensorBytes].map({ UInt64($0) }) {
            for shift in 0..<8 { try bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt64(shift)))) }
        }
    }
}
