/// Average precision of ranked detections with a weight for each patient, ties entering together: once for the data as it is, once for
/// each sample of the bootstrap.
final class AveragePrecision {
    struct Values: BitwiseCopyable {
        /// At the FROC's threshold: pycocotools' mean of the precision at 101 recalls, and the area below the whole envelope. At
        /// COCO's ten thresholds, the mean of the former. NaN without lesions.
        var sampled = Double.nan, all = Double.nan, coco = Double.nan

        static let count = 3
        subscript(_ index: Int) -> Double { index == 0 ? sampled : index == 1 ? all : coco }
    }

    /// The FROC's threshold and COCO's: bits 0...10 of a detection's flags.
    private static let thresholds = 11
    private static let mask = UInt32(1 << thresholds) - 1

    private let timeline: FrocTimeline
    private let patients: Int
    /// For each patient, the detections that are right at each threshold, and all of them.
    private let ofPatient: Buffer<Int>

    init(_ froc: Froc, _ timeline: FrocTimeline) throws(ULDorError) {
        (self.timeline, patients) = (timeline, froc.patients.count)
        let width = Self.thresholds + 1
        ofPatient = try Buffer(
            count: try checkedProduct(patients, width, of: "average precision"), allocator: froc.options.allocator)
        ofPatient.elements.update(repeating: 0)
        for detection in timeline.detections.elements {
            let row = ofPatient.base + Int(detection.patient) * width
            row[Self.thresholds] += 1
            var bits = detection.flags & Self.mask
            while bits != 0 {
                row[bits.trailingZeroBitCount] += 1
                bits &= bits - 1
            }
        }
    }

    /// What was seen so far, from the worst rank on, at one threshold. In whole numbers: a sample of the bootstrap comes by here for
    /// every detection that is right, and divisions are most of its time.
    private struct Envelope: BitwiseCopyable {
        var right = 0, inGroup = 0
        /// The best precision at this or a higher recall.
        var bestRight = 0, bestEnd = 1
        /// The highest of the 101 recalls that is not summed yet, and how many right ones reach it.
        var next = 100, needed = 0
        var sampled = 0.0, all = 0.0

        var best: Double { Double(bestRight) / Double(bestEnd) }
    }

    /// `lesions`: their number with the weights.
    func run(_ weight: UnsafePointer<UInt32>, lesions: Int) -> Values {
        guard lesions > 0 else { return Values() }
        return withUnsafeTemporaryAllocation(of: Envelope.self, capacity: Self.thresholds) { envelopes in
            envelopes.initialize(repeating: Envelope())
            return run(weight, lesions, envelopes)
        }
    }

    private func run(_ weight: UnsafePointer<UInt32>, _ lesions: Int, _ envelopes: UnsafeMutableBufferPointer<Envelope>) -> Values
    {
        var rank = 0
        for patient in 0..<patients where weight[patient] != 0 {
            let row = ofPatient.base + patient * (Self.thresholds + 1), times = Int(weight[patient])
            for bit in 0..<Self.thresholds { envelopes[bit].right += row[bit] * times }
            rank += row[Self.thresholds] * times
        }
        for bit in 0..<Self.thresholds {
            envelopes[bit].needed = Self.needed(envelopes[bit].next, lesions)
            while envelopes[bit].needed > envelopes[bit].right { Self.descend(&envelopes[bit], lesions) }
        }
        // Backwards, so that the best precision at this or a higher recall is at hand.
        let detections = timeline.detections.elements
        var index = detections.count
        while index > 0 {
            let key = detections[index - 1].key, end = rank
            var touched: UInt32 = 0
            while index > 0, detections[index - 1].key == key {
                index -= 1
                let detection = detections[index], times = Int(weight[Int(detection.patient)])
                rank -= times
                var bits = times > 0 ? detection.flags & Self.mask : 0
                touched |= bits
                while bits != 0 {
                    envelopes[bits.trailingZeroBitCount].inGroup += times
                    bits &= bits - 1
                }
            }
            // A score without anything right has the recall of the one before it and less precision: the envelope stays.
            while touched != 0 {
                let bit = touched.trailingZeroBitCount
                Self.close(&envelopes[bit], end, lesions, summingAll: bit == 0)
                touched &= touched - 1
            }
        }
        var coco = 0.0
        for bit in 0..<Self.thresholds {
            // Recall 0 is reached by the very first.
            envelopes[bit].sampled += envelopes[bit].best
            if bit > 0 { coco += envelopes[bit].sampled / 101 }
        }
        return Values(sampled: envelopes[0].sampled / 101, all: envelopes[0].all, coco: coco / Double(Self.thresholds - 1))
    }

    /// Takes in a score; `end` detections are at or above it.
    private static func close(_ envelope: inout Envelope, _ end: Int, _ lesions: Int, summingAll: Bool) {
        let (right, bestRight) = (envelope.right.magnitude, envelope.bestRight.magnitude)
        if right.multipliedFullWidth(by: envelope.bestEnd.magnitude) > bestRight.multipliedFullWidth(by: end.magnitude) {
            (envelope.bestRight, envelope.bestEnd) = (envelope.right, end)
        }
        let before = envelope.right - envelope.inGroup
        if summingAll {
            envelope.all += (Double(envelope.right) / Double(lesions) - Double(before) / Double(lesions)) * envelope.best
        }
        (envelope.right, envelope.inGroup) = (before, 0)
        while envelope.next > 0, envelope.needed > before {
            envelope.sampled += envelope.best
            descend(&envelope, lesions)
        }
    }

    private static func descend(_ envelope: inout Envelope, _ lesions: Int) {
        envelope.next -= 1
        envelope.needed = needed(envelope.next, lesions)
    }

    /// The least number of right ones whose quotient is at or above one of the recalls.
    private static func needed(_ number: Int, _ lesions: Int) -> Int {
        let recall = recall(number)
        var right = Swift.min(Int(recall * Double(lesions)), lesions)
        // The quotient decides, as it does for a curve: rounding may be off by one either way.
        while right > 0, Double(right - 1) / Double(lesions) >= recall { right -= 1 }
        while Double(right) / Double(lesions) < recall { right += 1 }
        return right
    }

    /// numpy.linspace(0, 1, 101).
    private static func recall(_ number: Int) -> Double { number == 100 ? 1 : Double(number) * 0.01 }
}
