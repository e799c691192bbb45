/// What happens along the ranking of all detections, from the best on: lesions are hit, false positives come in.
///
/// At one score lesions are hit first: a detection that hits overlaps more than one that does not, and so goes before it.
final class FrocTimeline {
    struct Event: BitwiseCopyable {
        var patient: UInt32
        /// Of the lesion that is hit; ``FrocTimeline/wrong``: a false positive.
        var stratum: UInt32
    }
    static let wrong = UInt32.max

    let events: Buffer<Event>
    let keys: Buffer<UInt64>
    let count: Int
    /// All detections by rank, for average precision.
    let detections: Buffer<Froc.Detection>

    init(_ froc: Froc) throws(ULDorError) {
        let allocator = froc.options.allocator, total = froc.detections.count
        detections = try Buffer(count: total, allocator: allocator)
        for index in 0..<total { detections.base[index] = froc.detections[index] }
        let hits = try Buffer<Froc.Lesion>(count: froc.hits, allocator: allocator)
        var found = 0
        for index in 0..<froc.lesions.count where froc.lesions[index].key != .max {
            hits.base[found] = froc.lesions[index]
            found += 1
        }
        do {
            let scratch = try Buffer<Froc.Detection>(count: total, allocator: allocator)
            radixSort(detections.elements, scratch: scratch.elements) { $0.key }
        }
        do {
            let scratch = try Buffer<Froc.Lesion>(count: found, allocator: allocator)
            radixSort(hits.elements, scratch: scratch.elements) { $0.key }
        }
        events = try Buffer(count: found + froc.falsePositives, allocator: allocator)
        keys = try Buffer(count: found + froc.falsePositives, allocator: allocator)
        var next = 0, hit = 0
        for index in 0...total {
            let key = index < total ? detections.base[index].key : .max
            while hit < found, hits.base[hit].key <= key {
                events.base[next] = Event(patient: hits.base[hit].patient, stratum: hits.base[hit].stratum)
                keys.base[next] = hits.base[hit].key
                (next, hit) = (next + 1, hit + 1)
            }
            guard index < total, detections.base[index].flags & Froc.wrong != 0 else { continue }
            events.base[next] = Event(patient: detections.base[index].patient, stratum: Self.wrong)
            keys.base[next] = key
            next += 1
        }
        count = next
    }
}

/// The most false positives among `images` that are not above the level.
func allowedFalsePositives(_ level: Double, images: Int) -> Int {
    let product = level * Double(images)
    guard product < 9e15 else { return Int.max }
    var allowed = Int(product)
    // The quotient decides, as it does where a curve is read: rounding may be off by one either way.
    while allowed > 0, Double(allowed) / Double(images) > level { allowed -= 1 }
    while Double(allowed + 1) / Double(images) <= level { allowed += 1 }
    return allowed
}
