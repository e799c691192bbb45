/// The caller's arrays of one image, as `uldor_froc_image` has them.
public struct FrocImage {
    public var patient: UInt64
    public var lesionBoxes: UnsafePointer<Double>?
    public var lesionTypes: UnsafePointer<Int32>?
    public var lesionSizes: UnsafePointer<Double>?
    public var lesionGroups: UnsafePointer<Int32>?
    public var lesions: Int
    public var boxes: UnsafePointer<Double>?
    public var scores: UnsafePointer<Double>?
    public var lesionScores: UnsafePointer<Double>?
    public var classes: UnsafePointer<Int32>?
    public var detections: Int

    public init(
        patient: UInt64, lesionBoxes: UnsafePointer<Double>?, lesionTypes: UnsafePointer<Int32>?,
        lesionSizes: UnsafePointer<Double>?, lesionGroups: UnsafePointer<Int32>?, lesions: Int, boxes: UnsafePointer<Double>?,
        scores: UnsafePointer<Double>?, lesionScores: UnsafePointer<Double>?, classes: UnsafePointer<Int32>?, detections: Int
    ) {
        (self.patient, self.lesionBoxes, self.lesionTypes, self.lesionSizes) = (patient, lesionBoxes, lesionTypes, lesionSizes)
        (self.lesionGroups, self.lesions, self.boxes, self.scores) = (lesionGroups, lesions, boxes, scores)
        (self.lesionScores, self.classes, self.detections) = (lesionScores, classes, detections)
    }

    func lesionBox(_ index: Int) -> OverlapBox? { lesionBoxes.map { OverlapBox($0 + 4 * index) } }
    func box(_ index: Int) -> OverlapBox? { boxes.map { OverlapBox($0 + 4 * index) } }
    func isFalsePositive(_ index: Int) -> Bool { (classes?[index] ?? 1) == 2 }

    /// Throws what is wrong, with the image's number and the lesion's or detection's index.
    func check(number: Int, rule: FalsePositiveRule) throws(ULDorError) {
        func bad(_ what: String, _ index: Int, _ text: String) -> ULDorError {
            .invalidArgument("image \(number): \(what) \(index): \(text)")
        }
        for (name, count) in [("lesion_count", lesions), ("detection_count", detections)] where !(0...1 << 24).contains(count) {
            throw .invalidArgument("image \(number): \(name) is \(UInt(bitPattern: count)), more than \(1 << 24)")
        }
        guard lesions == 0 || lesionBoxes != nil else { throw .invalidArgument("image \(number): lesion_boxes is NULL") }
        guard detections == 0 || boxes != nil else { throw .invalidArgument("image \(number): boxes is NULL") }
        guard detections == 0 || scores != nil else { throw .invalidArgument("image \(number): scores is NULL") }
        for index in 0..<lesions {
            if let fault = lesionBox(index)?.fault { throw bad("lesion", index, fault) }
            if let size = lesionSizes?[index], !size.isNaN, !(size > 0 && size.isFinite) {
                throw bad("lesion", index, "a size of \(size) mm")
            }
        }
        for index in 0..<detections {
            if let fault = box(index)?.fault { throw bad("detection", index, fault) }
            if let score = scores?[index], !(score >= 0 && score <= 1) { throw bad("detection", index, "a score of \(score)") }
            if let kind = classes?[index], kind != 1, kind != 2 { throw bad("detection", index, "class \(kind) is not known") }
            guard isFalsePositive(index), rule == .appendByLesionScore else { continue }
            guard let score = lesionScores?[index] else {
                throw bad("detection", index, "a false positive without lesion_scores, by which it would be appended")
            }
            guard score >= 0, score <= 1 else { throw bad("detection", index, "a lesion score of \(score)") }
        }
    }
}
