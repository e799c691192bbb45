/// Some of the lesions: all, those of a type, of a size class, of a group.
public struct FrocSubset: Sendable {
    public enum Kind: Int32, Sendable { case all = 0, type, size, group }
    public var kind: Kind
    public var value: Int32

    /// All subsets that there are, in the header's order.
    static func list(_ froc: Froc) -> [FrocSubset] {
        var types: [Int32] = [], groups: [Int32] = []
        var hasSize = false
        for key in froc.kinds.keys.elements {
            types.append(Int32(truncatingIfNeeded: key >> 32))
            groups.append(Int32(truncatingIfNeeded: key))
        }
        let unknown = froc.options.sizes.count
        for index in 0..<froc.lesions.count where Int(froc.lesions[index].stratum) % froc.sizeSlots != unknown { hasSize = true }
        func distinct(_ values: [Int32], _ kind: Kind) -> [FrocSubset] {
            var found: [FrocSubset] = []
            for value in values.sorted() where value != ImageMatcher.none && found.last?.value != value {
                found.append(FrocSubset(kind: kind, value: value))
            }
            return found
        }
        let sizes = hasSize ? (0..<Int32(unknown)).map { FrocSubset(kind: .size, value: $0) } : []
        return [FrocSubset(kind: .all, value: 0)] + distinct(types, .type) + sizes + distinct(groups, .group)
    }

    /// Whether the lesions of a stratum are in it.
    func contains(_ stratum: Int, _ froc: Froc) -> Bool {
        let key = froc.kinds.keys.elements[stratum / froc.sizeSlots]
        switch kind {
        case .all: return true
        case .type: return Int32(truncatingIfNeeded: key >> 32) == value
        case .size: return stratum % froc.sizeSlots == Int(value)
        case .group: return Int32(truncatingIfNeeded: key) == value
        }
    }
}
