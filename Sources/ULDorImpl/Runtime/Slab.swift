/// Memory for many buffers that live and die together: a model's weights.
///
/// They lie next to each other in a few large blocks, which the system can back with huge pages: loading then takes half of the page
/// faults' time, and reading the weights misses fewer address translations (docs/performance.md). Or they are there already, as
/// the image that ``write(to:)`` made of another slab (docs/weights.md, "Packed weights").
final class Slab {
    private struct Block: BitwiseCopyable {
        var base: UnsafeMutableRawPointer
        var bytes: Int
    }

    private let allocator: Allocator
    private let blockBytes: Int
    private var blocks: GrowableBuffer<Block>
    /// What was handed out, in order.
    private var taken: GrowableBuffer<Block>
    private var next: UnsafeMutableRawPointer?
    private var left = 0
    private let image: PackedImage?

    /// `expected`: about how many bytes will be taken in all.
    init(expected: Int, allocator: Allocator) {
        self.allocator = allocator
        blockBytes = Swift.min(Swift.max(expected, 1 << 12), 32 << 20)
        blocks = GrowableBuffer(allocator: allocator)
        taken = GrowableBuffer(allocator: allocator)
        image = nil
    }

    /// What is taken is the image's next piece, whose values nobody may change.
    init(_ image: PackedImage, allocator: Allocator) {
        self.allocator = allocator
        self.image = image
        blockBytes = 0
        blocks = GrowableBuffer(allocator: allocator)
        taken = GrowableBuffer(allocator: allocator)
        next = UnsafeMutableRawPointer(mutating: image.base)
        left = image.bytes
    }

    deinit { for block in blocks.elements { allocator.deallocate(block.base, bytes: block.bytes) } }

    /// Whether what is taken has its values.
    var isFilled: Bool { image != nil }

    /// Memory of the slab's own life; not initialised, or where the slab is filled with its values.
    func take<Element: BitwiseCopyable>(_ count: Int) throws(ULDorError) -> UnsafeMutableBufferPointer<Element> {
        let bytes = try checkedProduct(Swift.max(count, 1), MemoryLayout<Element>.stride)
        let rounded = try checkedProduct((bytes + Allocator.alignment - 1) / Allocator.alignment, Allocator.alignment)
        try taken.reserve(taken.count + 1)
        let memory: UnsafeMutableRawPointer
        if let next, rounded <= left {
            memory = next
            self.next = next + rounded
            left -= rounded
        } else if let image {
            throw image.error("they end before the network does")
        } else if rounded > blockBytes / 4 {
            // A large one gets a block of its own; what is left of the current one goes on being used.
            memory = try block(rounded)
        } else {
            memory = try block(blockBytes)
            next = memory + rounded
            left = blockBytes - rounded
        }
        try taken.append(Block(base: memory, bytes: bytes))
        return UnsafeMutableBufferPointer(start: memory.bindMemory(to: Element.self, capacity: Swift.max(count, 1)), count: count)
    }

    private func block(_ bytes: Int) throws(ULDorError) -> UnsafeMutableRawPointer {
        try blocks.reserve(blocks.count + 1)
        let base = try allocator.allocate(bytes: bytes)
        try blocks.append(Block(base: base, bytes: bytes))
        return base
    }

    // MARK: The image

    /// That all of the image was taken, where there is one.
    func checkUsedUp() throws(ULDorError) {
        guard let image, left > 0 else { return }
        throw image.error("\(left) of their \(image.bytes) bytes belong to no layer")
    }

    private static func padding(_ bytes: Int) -> Int {
        (Allocator.alignment - bytes % Allocator.alignment) % Allocator.alignment
    }

    /// Bytes that ``write(to:)`` writes.
    var imageBytes: Int { taken.elements.reduce(0) { $0 + $1.bytes + Self.padding($1.bytes) } }

    /// Everything that was taken, in order, each filled up with zeros to a multiple of the alignment.
    func write(to sink: ByteSink) throws(ULDorError) {
        let zeros = InlineArray<64, UInt8>(repeating: 0)
        for piece in taken.elements {
            try sink.write(UnsafeRawBufferPointer(start: piece.base, count: piece.bytes))
            try sink.write(zeros, count: Self.padding(piece.bytes))
        }
    }
}

extension ByteSink {
    fileprivate func write(_ bytes: InlineArray<64, UInt8>, count: Int) throws(ULDorError) {
        var failure: ULDorError?
        withUnsafeBytes(of: bytes) { all in
            do throws(ULDorError) { try write(UnsafeRawBufferPointer(rebasing: all.prefix(count))) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
