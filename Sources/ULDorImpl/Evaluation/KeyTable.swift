/// Numbers keys in the order in which they come: an open-addressing hash table of at most 24 bytes a key, twice that while it grows.
struct KeyTable: ~Copyable {
    private var slots: GrowableBuffer<UInt32>
    private(set) var keys: GrowableBuffer<UInt64>
    private let allocator: Allocator

    init(allocator: Allocator) {
        self.allocator = allocator
        slots = GrowableBuffer(allocator: allocator)
        keys = GrowableBuffer(allocator: allocator)
    }

    var count: Int { keys.count }
    var bytes: Int { slots.bytes + keys.bytes }

    /// Makes room for so many more keys, so that ``number(of:)`` cannot fail for them.
    mutating func reserve(_ more: Int) throws(ULDorError) {
        let needed = keys.count + more
        guard needed < Int(UInt32.max) else { throw .tooLarge("a table of keys") }
        try keys.reserve(needed)
        guard needed * 2 > slots.count else { return }
        var size = Swift.max(slots.count, 64)
        while size < needed * 2 { size *= 2 }
        var grown = GrowableBuffer<UInt32>(allocator: allocator)
        try grown.renew(size)
        grown.elements.update(repeating: UInt32.max)
        for number in 0..<keys.count {
            grown.elements[Self.place(keys.elements[number], grown.elements, keys.elements)] = UInt32(number)
        }
        slots = grown
    }

    /// There must be room.
    mutating func number(of key: UInt64) -> Int {
        let place = Self.place(key, slots.elements, keys.elements)
        let found = slots.elements[place]
        if found != UInt32.max { return Int(found) }
        slots.elements[place] = UInt32(keys.count)
        // Reserved: nothing is thrown.
        try? keys.append(key)
        return keys.count - 1
    }

    /// Where the key is, or the free slot where it belongs.
    private static func place(
        _ key: UInt64, _ slots: UnsafeMutableBufferPointer<UInt32>, _ keys: UnsafeMutableBufferPointer<UInt64>
    ) -> Int {
        var hash = (key ^ (key >> 32)) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
        var place = Int(hash & UInt64(slots.count - 1))
        while slots[place] != UInt32.max, keys[Int(slots[place])] != key { place = (place + 1) & (slots.count - 1) }
        return place
    }
}
