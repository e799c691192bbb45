/// Where bytes go: a file, or memory.
protocol ByteSink: AnyObject {
    func write(_ bytes: UnsafeRawBufferPointer) throws(ULDorError)
}

/// Keeps nothing of the bytes but what tells them from others.
final class FingerprintSink: ByteSink {
    private(set) var fingerprint = Fingerprint()

    func write(_ bytes: UnsafeRawBufferPointer) { fingerprint.add(bytes) }
}

/// Bytes in memory of a size that is known before.
final class MemorySink: ByteSink {
    let buffer: Buffer<UInt8>
    private var used = 0

    init(bytes: Int, allocator: Allocator) throws(ULDorError) {
        buffer = try Buffer(count: bytes, allocator: allocator)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(ULDorError) {
        guard let base = bytes.baseAddress else { return }
        guard bytes.count <= buffer.count - used else {
            throw ULDorError(.internal, "\(bytes.count) bytes are written, there is room for \(buffer.count - used)")
        }
        UnsafeMutableRawPointer(buffer.base + used).copyMemory(from: base, byteCount: bytes.count)
        used += bytes.count
    }
}

/// Bytes in memory that grow.
final class GrowingSink: ByteSink {
    private(set) var bytes: GrowableBuffer<UInt8>

    init(allocator: Allocator) { bytes = GrowableBuffer(allocator: allocator) }

    /// Sets how many there are; new ones are 0.
    func resize(_ count: Int) throws(ULDorError) {
        let old = bytes.count
        try bytes.resize(count)
        for index in Swift.min(old, count)..<count { bytes.elements[index] = 0 }
    }

    func write(_ piece: UnsafeRawBufferPointer) throws(ULDorError) {
        guard let base = piece.baseAddress else { return }
        let old = bytes.count
        try bytes.resize(old + piece.count)
        guard let to = bytes.elements.baseAddress else { return }
        UnsafeMutableRawPointer(to + old).copyMemory(from: base, byteCount: piece.count)
    }
}
