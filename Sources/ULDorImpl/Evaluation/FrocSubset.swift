/// Some of the lesions: all, those of a type, of a size class, of a group.
public struct FrocSubset: BitwiseCopyable, Sendable {
    public enum Kind: Int32, BitwiseCopyable, Sendable { case all = 0, type, size, group }
    public var kind: Kind
    public var value: Int32
}

/// All subsets that there are, in the header's order, and which of them a lesion counts in.
final class FrocSubsets {
    private(set) var list: GrowableBuffer<FrocSubset>
    /// For each stratum, the subsets of its lesions: all, of its type, its size and its group; ``none`` where it has no such.
    let ofStratum: Buffer<InlineArray<4, Int32>>
    static let none: Int32 = -1

    init(_ froc: Froc) throws(ULDorError) {
        let allocator = froc.options.allocator, kinds = froc.kinds.keys.elements
        let sizes = froc.options.sizes.count, slots = froc.sizeSlots
        list = GrowableBuffer(allocator: allocator)
        ofStratum = try Buffer(count: Swift.max(kinds.count * slots, 1), allocator: allocator)
        try list.append(FrocSubset(kind: .all, value: 0))
        let types = try append(.type, kinds) { Int32(truncatingIfNeeded: $0 >> 32) }
        let firstSize = list.count
        var hasSize = false
        for index in 0..<froc.lesions.count where Int(froc.lesions[index].stratum) % slots != sizes { hasSize = true }
        if hasSize { for value in 0..<Int32(sizes) { try list.append(FrocSubset(kind: .size, value: value)) } }
        let groups = try append(.group, kinds) { Int32(truncatingIfNeeded: $0) }
        for stratum in 0..<kinds.count * slots {
            let key = kinds[stratum / slots], size = stratum % slots
            ofStratum.base[stratum] = [
                0, place(Int32(truncatingIfNeeded: key >> 32), in: types),
                hasSize && size < sizes ? Int32(firstSize + size) : Self.none, place(Int32(truncatingIfNeeded: key), in: groups),
            ]
        }
    }

    /// A subset for each value that the keys have. Returns where they stand in the list.
    private func append(
        _ kind: FrocSubset.Kind, _ keys: UnsafeMutableBufferPointer<UInt64>, _ value: (UInt64) -> Int32
    ) throws(ULDorError) -> Range<Int> {
        let values = try Buffer<Int32>(count: keys.count, allocator: list.allocator)
        for (index, key) in keys.enumerated() { values.base[index] = value(key) }
        heapSort(values.elements, by: <)
        let first = list.count
        for value in values.elements where value != ImageMatcher.none {
            guard list.count == first || list.elements[list.count - 1].value != value else { continue }
            try list.append(FrocSubset(kind: kind, value: value))
        }
        return first..<list.count
    }

    private func place(_ value: Int32, in range: Range<Int>) -> Int32 {
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if list.elements[middle].value < value { low = middle + 1 } else { high = middle }
        }
        return low < range.upperBound && list.elements[low].value == value ? Int32(low) : Self.none
    }

    /// Adds counts of strata up to counts of subsets; both have `lines` rows.
    func add(_ strata: UnsafePointer<Int>, count: Int, lines: Int, into subsets: UnsafeMutablePointer<Int>) {
        let width = list.count
        subsets.update(repeating: 0, count: lines * width)
        for line in 0..<lines {
            for stratum in 0..<count {
                let number = strata[line * count + stratum]
                guard number != 0 else { continue }
                for slot in 0..<4 {
                    let subset = ofStratum.base[stratum][slot]
                    if subset >= 0 { subsets[line * width + Int(subset)] += number }
                }
            }
        }
    }
}
