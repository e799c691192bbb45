import Glibc

@testable import ULDorImpl

/// An allocator that counts, and fails from the n-th allocation on (or never).
final class CountingAllocator {
    private(set) var allocations = 0
    private(set) var liveBytes = 0
    private(set) var liveBlocks = 0
    var failingFrom: Int

    init(failingFrom: Int = .max) { self.failingFrom = failingFrom }

    var allocator: Allocator {
        Allocator(
            user: Unmanaged.passUnretained(self).toOpaque(),
            allocate: { user, bytes, alignment in
                guard let user else { return nil }
                let me = Unmanaged<CountingAllocator>.fromOpaque(user).takeUnretainedValue()
                me.allocations += 1
                guard me.allocations < me.failingFrom else { return nil }
                me.liveBytes += bytes
                me.liveBlocks += 1
                var block: UnsafeMutableRawPointer?
                guard posix_memalign(&block, alignment, bytes) == 0 else { return nil }
                return block
            },
            deallocate: { user, block, bytes in
                guard let user else { return }
                let me = Unmanaged<CountingAllocator>.fromOpaque(user).takeUnretainedValue()
                me.liveBytes -= bytes
                me.liveBlocks -= 1
                free(block)
            })
    }
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func uniform(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &self) }
}

func shoelace(_ polygon: [Point]) -> Double {
    var sum = 0.0
    for (index, p) in polygon.enumerated() {
        let q = polygon[(index + 1) % polygon.count]
        sum += p.x * q.y - q.x * p.y
    }
    return sum / 2
}

/// Even-odd, by the sides that a ray towards +x meets.
func isInside(_ polygons: [[Point]], _ x: Double, _ y: Double) -> Bool {
    var inside = false
    for polygon in polygons {
        for (index, p) in polygon.enumerated() {
            let q = polygon[(index + 1) % polygon.count]
            guard (p.y > y) != (q.y > y) else { continue }
            if x < p.x + (y - p.y) * (q.x - p.x) / (q.y - p.y) { inside.toggle() }
        }
    }
    return inside
}

func isClose(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool { abs(a - b) <= tolerance }
func isClose(_ a: Point, _ b: Point, _ tolerance: Double) -> Bool { isClose(a.x, b.x, tolerance) && isClose(a.y, b.y, tolerance) }

/// Run lengths of what tests have at hand: probabilities, bitmaps.
extension RunLength {
    /// Of `height` rows of `width` probabilities: set where p > threshold (NaN is not).
    static func encode(
        probabilities: UnsafePointer<Float>, threshold: Float, _ placement: Placement,
        emit: (UInt32) throws(ULDorError) -> Void
    ) throws(ULDorError) {
        try encode(placement, isSet: { x, y in probabilities[y &* placement.width &+ x] > threshold }, emit: emit)
    }

    /// Of rows of `width` bytes, `rowStride` bytes apart: set where not 0.
    static func encode(
        bitmap: UnsafePointer<UInt8>, rowStride: Int, _ placement: Placement, emit: (UInt32) throws(ULDorError) -> Void
    ) throws(ULDorError) {
        try encode(placement, isSet: { x, y in bitmap[y &* rowStride &+ x] != 0 }, emit: emit)
    }

    /// Replaces `counts` by the run lengths of probabilities.
    static func encode(
        probabilities: UnsafePointer<Float>, threshold: Float, _ placement: Placement,
        into counts: inout GrowableBuffer<UInt32>
    ) throws(ULDorError) {
        counts.removeAll()
        try encode(probabilities: probabilities, threshold: threshold, placement) { (count) throws(ULDorError) in
            try counts.append(count)
        }
    }
}
