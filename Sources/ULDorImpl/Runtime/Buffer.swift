/// Memory of a fixed number of elements from an ``Allocator``, freed with its owner.
public struct Buffer<Element: BitwiseCopyable>: ~Copyable {
    let allocator: Allocator
    let base: UnsafeMutablePointer<Element>
    public let count: Int

    init(count: Int, allocator: Allocator) throws(ULDorError) {
        let bytes = try checkedProduct(Swift.max(count, 1), MemoryLayout<Element>.stride)
        self.base = try allocator.allocate(bytes: bytes).bindMemory(to: Element.self, capacity: Swift.max(count, 1))
        self.count = count
        self.allocator = allocator
    }

    deinit { allocator.deallocate(UnsafeMutableRawPointer(base), bytes: bytes) }

    var bytes: Int { Swift.max(count, 1) * MemoryLayout<Element>.stride }

    var elements: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }
}

/// A list that grows through an ``Allocator`` and keeps its memory when emptied, so that warmed-up work allocates nothing.
public struct GrowableBuffer<Element: BitwiseCopyable>: ~Copyable {
    let allocator: Allocator
    private var base: UnsafeMutablePointer<Element>?
    private var capacity = 0
    public private(set) var count = 0

    public init(allocator: Allocator) {
        self.allocator = allocator
    }

    deinit {
        if let base { allocator.deallocate(UnsafeMutableRawPointer(base), bytes: capacity * MemoryLayout<Element>.stride) }
    }

    var bytes: Int { capacity * MemoryLayout<Element>.stride }

    /// The elements; valid until the next mutation.
    public var elements: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }

    public mutating func removeAll() { count = 0 }

    public mutating func append(_ element: Element) throws(ULDorError) {
        if count == capacity { try reserve(count + 1) }
        // There is memory where there is room.
        base.unsafelyUnwrapped[count] = element
        count += 1
    }

    public mutating func append(_ slice: Slice<UnsafeMutableBufferPointer<Element>>) throws(ULDorError) {
        guard slice.count > 0 else { return }
        let old = count
        try resize(count + slice.count)
        if let base, let from = UnsafeMutableBufferPointer(rebasing: slice).baseAddress {
            (base + old).update(from: from, count: slice.count)
        }
    }

    /// Sets the number of elements; new ones are not initialised.
    public mutating func resize(_ newCount: Int) throws(ULDorError) {
        try reserve(newCount)
        count = newCount
    }

    /// Sets the number of elements, none of which keeps its value: room for exactly so many where there was less.
    mutating func renew(_ newCount: Int) throws(ULDorError) {
        count = 0
        if newCount > capacity {
            let bytes = try checkedProduct(newCount, MemoryLayout<Element>.stride)
            if let base { allocator.deallocate(UnsafeMutableRawPointer(base), bytes: capacity * MemoryLayout<Element>.stride) }
            base = nil
            capacity = 0
            base = try allocator.allocate(bytes: bytes).bindMemory(to: Element.self, capacity: newCount)
            capacity = newCount
        }
        count = newCount
    }

    public mutating func reserve(_ needed: Int) throws(ULDorError) {
        guard needed > capacity else { return }
        let grown = Swift.max(needed, Swift.min(capacity, Int.max / 4) * 2, 64)
        let bytes = try checkedProduct(grown, MemoryLayout<Element>.stride)
        let new = try allocator.allocate(bytes: bytes).bindMemory(to: Element.self, capacity: grown)
        if let base {
            new.update(from: base, count: count)
            allocator.deallocate(UnsafeMutableRawPointer(base), bytes: capacity * MemoryLayout<Element>.stride)
        }
        base = new
        capacity = grown
    }
}
