/// Sums over processes in which a process that cannot go on takes part once more, to say so: the others would wait for it for ever.
///
/// Every sum of doubles carries a flag behind its values, and has the same length in all of them.
final class Collective {
    private let reduction: Reduction?
    /// A sum failed, or the others stopped, or will by themselves: nobody waits.
    private var isBroken = false
    /// Of the values; the longest list that is summed.
    private static let length = 6
    /// Floats behind the gradients, which go with them: the losses and the flag.
    static let tail = length + 1
    /// What the others sum next, if it is the gradients: a process that stops takes part in that.
    private var awaited: UnsafeMutableBufferPointer<Float>?

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

    /// The step's last normalisers are summed: gradients (with room for ``tail`` numbers behind them) are next.
    func expectGradients(_ gradients: UnsafeMutableBufferPointer<Float>) { awaited = gradients }

    /// The gradients that are awaited, and the step's losses with them.
    func sumGradients(_ losses: [Double]) throws(ULDorError) -> [Double] {
        guard let reduction, let all = awaited else { return losses }
        isBroken = true
        let first = all.count - Self.tail
        for index in first..<all.count { all[index] = index - first < losses.count ? Float(losses[index - first]) : 0 }
        try reduction.sum(all)
        awaited = nil
        guard all[all.count - 1] == 0 else { throw ULDorError(.cancelled, "another process stopped") }
        isBroken = false
        return losses.indices.map { Double(all[first + $0]) }
    }

    /// Tells the others at their next sum that this process stops.
    func fail() {
        guard let reduction, !isBroken else { return }
        isBroken = true
        // They learn it, or their own sum fails as well.
        do throws(ULDorError) {
            if let gradients = awaited {
                gradients.update(repeating: 0)
                gradients[gradients.count - 1] = 1
                try reduction.sum(gradients)
            } else {
                var all = Array(repeating: 0.0, count: Self.length + 1)
                all[Self.length] = 1
                try reduction.sum(&all)
            }
        } catch {}
    }

    /// A run begins, or goes on after it was stopped.
    func begin() { (isBroken, awaited) = (false, nil) }

    /// Everybody's bytes, by rank. Only sums are at hand: each process adds its own to zeros.
    func gather(_ own: GrowingSink, allocator: Allocator) throws(ULDorError) -> [GrowingSink] {
        guard let reduction else { return [own] }
        var counts: [Int] = []
        for rank in 0..<reduction.size {
            let count = try sum([rank == reduction.rank ? Double(own.bytes.count) : 0])[0]
            counts.append(try Self.natural(count, atMost: 1 << 40))
        }
        // All memory is there before the exchange, in which a process that stopped could not be told from one that is slow.
        var all: [GrowingSink] = []
        for count in counts {
            let sink = GrowingSink(allocator: allocator)
            try sink.resize(count)
            all.append(sink)
        }
        _ = try sum([])
        isBroken = true
        for rank in 0..<reduction.size {
            let bytes = all[rank].bytes.elements
            for first in stride(from: 0, to: bytes.count, by: Self.gatheredTogether) {
                let piece = Swift.min(Self.gatheredTogether, bytes.count - first)
                var values = Array(repeating: 0.0, count: piece)
                if rank == reduction.rank { for index in 0..<piece { values[index] = Double(own.bytes.elements[first + index]) } }
                try reduction.sum(&values)
                for index in 0..<piece { bytes[first + index] = UInt8(try Self.natural(values[index], atMost: 255)) }
            }
        }
        isBroken = false
        return all
    }

    private static func natural(_ value: Double, atMost limit: Int) throws(ULDorError) -> Int {
        guard value >= 0, value <= Double(limit) else {
            throw ULDorError(.io, "reduction.sum_doubles gave \(value), not a number of 0...\(limit)")
        }
        return Int(value)
    }

    /// Bytes, one in each double.
    private static let gatheredTogether = 1 << 16
}
