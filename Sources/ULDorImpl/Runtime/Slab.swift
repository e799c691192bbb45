/// Memory for many buffers that live and die together: a model's weights.
///
/// They lie next to each other in a few large blocks, which the system can back with huge pages: loading then takes half of the page
/// faults' time, and reading the weights misses fewer address translations (docs/performance.md).
final class Slab {
    private struct Block: BitwiseCopyable {
        var base: UnsafeMutableRawPointer
        var bytes: Int
    }

    private let allocator: Allocator
    private let blockBytes: Int
    private var blocks: GrowableBuffer<Block>
    private var next: UnsafeMutableRawPointer?
    private var left = 0

    /// `expected`: about how many bytes will be taken in all.
    init(expected: Int, allocator: Allocator) {
        self.allocator = allocator
        blockBytes = Swift.min(Swift.max(expected, 1 << 12), 32 << 20)
        blocks = GrowableBuffer(allocator: allocator)
    }

    deinit { for block in blocks.elements { allocator.deallocate(block.base, bytes: block.bytes) } }

    /// Memory of the slab's own life, not initialised.
    func take<Element: BitwiseCopyable>(_ count: Int) throws(ULDorError) -> UnsafeMutableBufferPointer<Element> {
        let bytes = try checkedProduct(Swift.max(count, 1), MemoryLayout<Element>.stride)
        let rounded = try checkedProduct((bytes + Allocator.alignment - 1) / Allocator.alignment, Allocator.alignment)
        let memory: UnsafeMutableRawPointer
        if let next, rounded <= left {
            memory = next
            self.next = next + rounded
            left -= rounded
        } else if rounded > blockBytes / 4 {
            // A large one gets a block of its own; what is left of the current one goes on being used.
            memory = try block(rounded)
        } else {
            memory = try block(blockBytes)
            next = memory + rounded
            left = blockBytes - rounded
        }
        return UnsafeMutableBufferPointer(start: memory.bindMemory(to: Element.self, capacity: Swift.max(count, 1)), count: count)
    }

    private func block(_ bytes: Int) throws(ULDorError) -> UnsafeMutableRawPointer {
        try blocks.reserve(blocks.count + 1)
        let base = try allocator.allocate(bytes: bytes)
        try blocks.append(Block(base: base, bytes: bytes))
        return base
    }
}
