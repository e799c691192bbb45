/// A host's archive, behind the functions of uldor_source. Called from several threads at once.
public final class HostSource: @unchecked Sendable {
    // Unchecked: the host promises that its functions may be called so (uldor.h).
    public struct Image {
        public var name: String?
        public var patient: Int64 = 0
        public var split: Int32 = 1
        public var width = 0, height = 0, lesions = 0
        public var spacingX = 0.0, spacingY = 0.0, interval = 0.0
        public init() {}
    }

    public struct Lesion {
        public var box: (Double, Double, Double, Double)?
        public var recist: InlineArray<8, Double>?
        public var hasMask = false
        public var type = -1, classIndex = 1
        public init() {}
    }

    public typealias Token = UnsafeMutableRawPointer?

    let count: Int
    let describe: (Int) throws(ULDorError) -> Image
    let annotate: (Int, Int) throws(ULDorError) -> Lesion
    let read: (Int) throws(ULDorError) -> (ImageDescription, Token)
    let release: (Int, Token) -> Void
    let readMask: ((Int, Int, UnsafeMutablePointer<UInt8>, Int, Int) throws(ULDorError) -> Void)?

    public init(
        count: Int, describe: @escaping (Int) throws(ULDorError) -> Image,
        annotate: @escaping (Int, Int) throws(ULDorError) -> Lesion,
        read: @escaping (Int) throws(ULDorError) -> (ImageDescription, Token), release: @escaping (Int, Token) -> Void,
        readMask: ((Int, Int, UnsafeMutablePointer<UInt8>, Int, Int) throws(ULDorError) -> Void)?
    ) {
        self.count = count
        self.describe = describe
        self.annotate = annotate
        self.read = read
        self.release = release
        self.readMask = readMask
    }
}

extension Dataset {
    /// uldor_dataset_open_callbacks.
    public static func open(_ source: HostSource, _ options: DatasetOptions) throws(ULDorError) -> Dataset {
        let dataset = Dataset(options, .host(source))
        for index in 0..<source.count { try dataset.addHostImage(index, source) }
        try dataset.groupLesions()
        try dataset.finish()
        return dataset
    }

    private func addHostImage(_ index: Int, _ source: HostSource) throws(ULDorError) {
        func bad(_ what: String) -> ULDorError { ULDorError(.format, "source image \(index): \(what)") }
        let described = try source.describe(index)
        let limit = ImageDescription.maximalSide, plausible = 1e-3...1e3
        guard (1...limit).contains(described.width), (1...limit).contains(described.height) else {
            throw bad("\(described.width) x \(described.height) pixels, not within 1...\(limit)")
        }
        guard let split = Split(rawValue: described.split) else {
            throw bad("split is \(described.split), not one of ULDOR_SPLIT_*")
        }
        for (name, value) in [
            ("spacing_x_mm", described.spacingX), ("spacing_y_mm", described.spacingY), ("slice_interval_mm", described.interval),
        ] where value != 0 && !plausible.contains(value) {
            throw bad("\(name) is \(value), neither 0 (not known) nor within 0.001...1000 mm")
        }
        guard (described.spacingX > 0) == (described.spacingY > 0) else {
            throw bad("only one of spacing_x_mm and spacing_y_mm is set")
        }
        guard (0...1 << 16).contains(described.lesions) else { throw bad("lesions is \(described.lesions)") }
        let name = try addText(described.name ?? String(index))
        let hash = NameTable.hash(texts[name])
        guard table.find(hash, where: { texts[images.elements[$0].name].elementsEqual(texts[name]) }) == nil else {
            throw bad("its name \(texts.string(name)) is another image's, too")
        }
        var image = DatasetImage(
            name: name, series: -1, slice: index, patient: described.patient, line: 0, split: split, width: described.width,
            height: described.height, window: Window(left: 0, top: 0, width: described.width, height: described.height),
            spacingX: described.spacingX, spacingY: described.spacingY, interval: described.interval)
        for number in 0..<described.lesions {
            do throws(ULDorError) {
                var lesion = try hostLesion(image, try source.annotate(index, number)) {
                    ULDorError(.format, "source image \(index), lesion \(number): \($0)")
                }
                lesion.image = images.count
                // Which of the host's lesions it is: what its mask is asked for by.
                lesion.line = number
                try lesions.append(lesion)
                image.lesionCount += 1
            } catch {
                guard error.status == .format, options.skipsBadRows else { throw error }
                counts.badRows += 1
                options.warn("\(error.message); the lesion is left out")
            }
        }
        try table.insert(hash, images.count)
        try images.append(image)
    }

    private func hostLesion(
        _ image: DatasetImage, _ given: HostSource.Lesion, _ bad: (String) -> ULDorError
    ) throws(ULDorError) -> DatasetLesion {
        var lesion = DatasetLesion(
            x1: 0, y1: 0, x2: 0, y2: 0, recist: InlineArray(repeating: 0), hasRecist: false, hasGivenMask: given.hasMask,
            type: given.type, classIndex: given.classIndex, line: 0, image: 0)
        guard (1...2).contains(given.classIndex) else {
            throw bad("class_index is \(given.classIndex), not one of ULDOR_CLASS_*")
        }
        guard given.type == -1 || (1...8).contains(given.type) else { throw bad("type is \(given.type), not -1 or 1...8") }
        if let recist = given.recist {
            if let reason = RecistCheck.problem(recist, width: image.width, height: image.height) {
                throw bad("recist: \(reason)")
            }
            lesion.recist = recist
            lesion.hasRecist = true
        }
        if let box = given.box {
            guard box.0.isFinite, box.1.isFinite, box.2.isFinite, box.3.isFinite, box.0 < box.2, box.1 < box.3 else {
                throw bad("its box \(box.0), \(box.1), \(box.2), \(box.3) has no area")
            }
            (lesion.x1, lesion.y1, lesion.x2, lesion.y2) = box
        } else {
            guard lesion.hasRecist else { throw bad("neither has_box nor has_recist is set") }
            lesion.surroundRecist()
        }
        guard lesion.clip(image.window) else { throw bad("its box lies outside of the image") }
        return lesion
    }
}
