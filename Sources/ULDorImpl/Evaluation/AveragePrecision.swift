/// Average precision of ranked detections, ties entering together; thresholds are bits of the detections' flags.
struct AveragePrecision {
    let detections: UnsafeBufferPointer<Froc.Detection>
    let lesions: Int

    /// pycocotools' mean of the precision at 101 recalls, and the area below the whole envelope. NaN without lesions.
    func at(_ bit: Int) -> (sampled: Double, all: Double) {
        guard lesions > 0 else { return (.nan, .nan) }
        let mask = UInt32(1) << UInt32(bit)
        var right = 0
        for detection in detections where detection.flags & mask != 0 { right += 1 }
        // Backwards, so that the best precision at this or a higher recall is at hand.
        var index = detections.count, envelope = 0.0, sampled = 0.0, all = 0.0, next = 100
        while index > 0 {
            let key = detections[index - 1].key
            let recall = Double(right) / Double(lesions), precision = Double(right) / Double(index)
            var first = index
            var inGroup = 0
            while first > 0, detections[first - 1].key == key {
                inGroup += detections[first - 1].flags & mask != 0 ? 1 : 0
                first -= 1
            }
            envelope = Swift.max(envelope, precision)
            right -= inGroup
            index = first
            let before = Double(right) / Double(lesions)
            all += (recall - before) * envelope
            // Recalls that this group is the first to reach; 0 is reached by the very first.
            while next >= 0, index == 0 || Self.recall(next) > before {
                if Self.recall(next) <= recall { sampled += envelope }
                next -= 1
            }
        }
        return (sampled / 101, all)
    }

    /// numpy.linspace(0, 1, 101).
    private static func recall(_ number: Int) -> Double { number == 100 ? 1 : Double(number) * 0.01 }
}
