import ULDorKernels

/// A file of packed weights, checked: a network can be made of it without packing anything.
final class PackedFile {
    /// The tensors that the network was made from. Their values are nowhere.
    let tensors: Safetensors
    let fingerprint: Fingerprint
    let image: PackedImage
    private let configText: Buffer<UInt8>

    /// JSON; empty where the weights had no configuration.
    var config: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(configText.elements) }

    static func isOne(_ source: ByteSource) throws(ULDorError) -> Bool {
        guard source.count >= 8 else { return false }
        var beginning: UInt64 = 0
        try withUnsafeMutableBytesOf(&beginning) { (bytes) throws(ULDorError) in
            try source.read(at: 0, length: 8, into: bytes)
        }
        return PackedHeader.isMagic(UInt64(littleEndian: beginning))
    }

    init(_ source: ByteSource, threads: Int32, allocator: Allocator) throws(ULDorError) {
        let header = try PackedHeader(source)
        let list = try Buffer<UInt8>(count: header.listBytes, allocator: allocator)
        try source.read(at: PackedHeader.bytes, length: header.listBytes, into: list.base)
        let config = try Buffer<UInt8>(count: header.configBytes, allocator: allocator)
        try source.read(at: PackedHeader.bytes + header.listBytes, length: header.configBytes, into: config.base)
        configText = config
        try Self.checkPadding(source, header, allocator)
        fingerprint = Fingerprint(value: header.fingerprint)
        tensors = try Safetensors(
            source, header: list, dataBytes: header.tensorBytes, dataOffset: header.imageOffset, allocator: allocator)
        image = try PackedImage(source, header, uk_exec(threads: threads, state: nil), allocator: allocator)
    }

    /// Nothing but zeros stands before the image: the sizes of the texts are not shorter than these are.
    private static func checkPadding(_ source: ByteSource, _ header: PackedHeader, _ allocator: Allocator) throws(ULDorError) {
        let first = PackedHeader.bytes + header.listBytes + header.configBytes
        let padding = try Buffer<UInt8>(count: header.imageOffset - first, allocator: allocator)
        try source.read(at: first, length: padding.count, into: padding.base)
        guard padding.elements.allSatisfy({ $0 == 0 }) else {
            throw ULDorError(.format, "\(source.name): damaged packed weights: bytes from \(first) on belong to nothing")
        }
    }
}
