/// A list that grows a block at a time: it never holds more than a block of memory that it does not use, nor copies itself.
struct BlockList<Element: BitwiseCopyable>: ~Copyable {
    private let allocator: Allocator
    private var blocks: GrowableBuffer<UnsafeMutablePointer<Element>>
    private(set) var count = 0
    static var blockBytes: Int { 1 << 16 }
    private static var perBlock: Int { blockBytes / MemoryLayout<Element>.stride }

    init(allocator: Allocator) {
        self.allocator = allocator
        blocks = GrowableBuffer(allocator: allocator)
    }

    deinit { for block in blocks.elements { allocator.deallocate(UnsafeMutableRawPointer(block), bytes: Self.blockBytes) } }

    var bytes: Int { blocks.count * Self.blockBytes + blocks.bytes }

    /// Makes room for so many more, so that ``append(_:)`` of them cannot fail.
    mutating func reserve(_ more: Int) throws(ULDorError) {
        while blocks.count * Self.perBlock < count + more {
            try blocks.reserve(blocks.count + 1)
            let block = try allocator.allocate(bytes: Self.blockBytes)
            try blocks.append(block.bindMemory(to: Element.self, capacity: Self.perBlock))
        }
    }

    /// There must be room.
    mutating func append(_ element: Element) {
        blocks.elements[count / Self.perBlock][count % Self.perBlock] = element
        count += 1
    }

    subscript(index: Int) -> Element { blocks.elements[index / Self.perBlock][index % Self.perBlock] }
}
