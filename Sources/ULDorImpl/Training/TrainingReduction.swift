/// Sums over processes in which a process that cannot go on takes part once more, to say so: the others would wait for it for ever.
///
/// Every sum of doubles carries a flag behind its values, and has the same length in all of them.
final class Collective {
    private let reduction: Reduction?
    /// A sum failed, or the others stopped, or will by themselves: nobody waits.
    var isBroken = false
    /// Of the values; the longest list that is summed.
    private static let length = 6

    init(_ reduction: Reduction?) {
        self.reduction = reduction.flatMap { $0.size > 1 ? $0 : nil }
    }

    func sum(_ values: [Double]) throws(ULDorError) -> [Double] {
        guard let reduction else { return values }
        isBroken = true
        var all = values + Array(repeating: 0, count: Self.length - values.count + 1)
        try reduction.sum(&all)
        guard all[Self.length] == 0 else { throw ULDorError(.cancelled, "another process stopped") }
        isBroken = false
        return Array(all.prefix(values.count))
    }

    /// Tells the others at their next sum that this process stops.
    func fail() {
        guard let reduction, !isBroken else { return }
        isBroken = true
        var all = Array(repeating: 0.0, count: Self.length + 1)
        all[Self.length] = 1
        // They learn it, or their own sum fails as well.
        do throws(ULDorError) { try reduction.sum(&all) } catch {}
    }

    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws(ULDorError) {
        guard let reduction else { return }
        isBroken = true
        try reduction.sum(values)
        isBroken = false
    }
}
