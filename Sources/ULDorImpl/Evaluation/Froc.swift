/// Free-response ROC and average precision, image by image (docs/evaluation.md). Used by one thread at a time.
public final class Froc {
    /// 16 bytes: what a detection needs once it is matched.
    struct Detection: BitwiseCopyable {
        var key: UInt64
        var patient: UInt32
        /// Bits 0...10: right at a threshold of average precision. Bit 31: a false positive of the FROC.
        var flags: UInt32
    }
    /// 16 bytes: `key` is that of the detection that hits it, UInt64.max where none does.
    struct Lesion: BitwiseCopyable {
        var key: UInt64
        var patient, stratum: UInt32
    }
    static let wrong: UInt32 = 1 << 31

    // The outcomes of uldor.h.
    public static let falsePositive: Int32 = -1
    public static let repeated: Int32 = -2
    public static let ignored: Int32 = -3

    let options: FrocOptions
    private var matcher: ImageMatcher
    var detections: BlockList<Detection>
    var lesions: BlockList<Lesion>
    /// Patients in the order in which they came, and the number of images of each.
    var patients: KeyTable
    var imagesOfPatient: GrowableBuffer<Int64>
    /// (type, group) in the order in which they came; a stratum is one of these and a size class.
    var kinds: KeyTable
    public private(set) var images = 0
    public private(set) var hits = 0, falsePositives = 0, repeats = 0, ignored = 0, detectionsGiven = 0
    public private(set) var results: FrocResults?

    public init(_ options: FrocOptions) {
        let allocator = options.allocator
        self.options = options
        matcher = ImageMatcher(options)
        detections = BlockList(allocator: allocator)
        lesions = BlockList(allocator: allocator)
        patients = KeyTable(allocator: allocator)
        imagesOfPatient = GrowableBuffer(allocator: allocator)
        kinds = KeyTable(allocator: allocator)
    }

    public var lesionCount: Int { lesions.count }
    public var patientCount: Int { patients.count }
    public var bytes: Int {
        matcher.bytes + detections.bytes + lesions.bytes + patients.bytes + imagesOfPatient.bytes + kinds.bytes
            + (results?.bytes ?? 0)
    }

    /// Size classes and one for lesions of unknown size.
    var sizeSlots: Int { options.sizes.count + 1 }

    /// Adds an image, whole or not at all; `matches`: an outcome for each detection.
    public func add(_ image: FrocImage, matches: UnsafeMutablePointer<Int32>?) throws(ULDorError) {
        try image.check(number: images, rule: options.falsePositives)
        try matcher.match(image)
        let ranked = matcher.ranked.elements, truths = matcher.truths.elements
        try detections.reserve(ranked.count)
        try lesions.reserve(truths.count)
        try patients.reserve(1)
        try imagesOfPatient.reserve(patients.count + 1)
        try kinds.reserve(truths.count)
        // From here on nothing fails.
        results = nil
        let patient = patients.number(of: image.patient)
        if patient == imagesOfPatient.count { try imagesOfPatient.append(0) }
        imagesOfPatient.elements[patient] += 1
        images += 1
        detectionsGiven += image.detections
        ignored += image.detections - ranked.count
        if let matches { for index in 0..<image.detections { matches[index] = Self.ignored } }
        for detection in ranked {
            let isWrong = detection.match == Self.falsePositive
            detections.append(
                Detection(
                    key: detection.key, patient: UInt32(patient), flags: detection.precise | (isWrong ? Self.wrong : 0)))
            falsePositives += isWrong ? 1 : 0
            repeats += detection.match == Self.repeated ? 1 : 0
            matches?[detection.index] = detection.match
        }
        for truth in truths {
            let kind = kinds.number(of: UInt64(UInt32(bitPattern: truth.type)) << 32 | UInt64(UInt32(bitPattern: truth.group)))
            let size = truth.size.isNaN ? options.sizes.count : options.sizes.index(of: truth.size)
            lesions.append(Lesion(key: truth.key, patient: UInt32(patient), stratum: UInt32(kind * sizeSlots + size)))
            hits += truth.key == .max ? 0 : 1
        }
    }

    /// Bounds of a size class in mm.
    public func sizeRange(_ index: Int) -> (low: Double, high: Double) { options.sizes.range(index) }

    public func compute(levels: UnsafeBufferPointer<Double>) throws(ULDorError) {
        guard images > 0 else { throw .invalidArgument("froc has no image") }
        results = nil
        results = try FrocResults(self, levels)
    }

    public func computed() throws(ULDorError) -> FrocResults {
        guard let results else { throw .invalidArgument("froc has no results: call uldor_froc_compute after the last image") }
        return results
    }
}
