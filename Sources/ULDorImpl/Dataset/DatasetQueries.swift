/// What a host may ask of a dataset.
extension Dataset {
    public struct ImageInfo {
        /// NUL-terminated, valid as long as the dataset.
        public let name: UnsafePointer<UInt8>?
        public let patient: Int64
        public let line: Int
        public let split: Split
        public let lesions, width, height, windowLeft, windowTop: Int
        public let spacingX, spacingY, interval: Double
    }

    public struct LesionInfo {
        public let box: (Double, Double, Double, Double)
        public let recist: InlineArray<8, Double>
        public let hasRecist, hasMask: Bool
        public let type, classIndex, line: Int
        /// Long and short diameter.
        public let pixels, millimetres: (Double, Double)
    }

    /// What messages about all of it name: the table.
    var title: String {
        guard case .files(let files) = storage else { return "the data set" }
        return files.csvName
    }

    /// Its tables.
    var inputFiles: [String] {
        guard case .files(let files) = storage else { return [] }
        return [files.csvName, files.boxesName, options.windowsPath].compactMap { $0 }
    }

    /// Whether one of its images or masks may lie at a path without symbolic links.
    func holdsImage(at place: String) -> Bool {
        guard case .files(let files) = storage else { return false }
        return files.holdsImage(at: place)
    }

    public func imageInfo(_ index: Int) -> ImageInfo {
        let image = image(index)
        return ImageInfo(
            name: texts[image.name].baseAddress, patient: image.patient, line: image.isNegative ? 0 : image.line,
            split: image.split,
            lesions: image.lesionCount, width: image.window.width, height: image.window.height, windowLeft: image.window.left,
            windowTop: image.window.top, spacingX: image.spacingX, spacingY: image.spacingY, interval: image.interval)
    }

    public func lesionInfo(_ index: Int, _ number: Int) -> LesionInfo {
        let image = image(index), lesion = lesion(image, number)
        let isHost = image.series < 0
        let hasSpacing = image.spacingX > 0 && image.spacingY > 0
        func millimetres(_ diameter: Int) -> Double {
            hasSpacing ? lesion.length(diameter, scaleX: image.spacingX, scaleY: image.spacingY) : 0
        }
        return LesionInfo(
            box: (lesion.x1, lesion.y1, lesion.x2, lesion.y2), recist: lesion.recist, hasRecist: lesion.hasRecist,
            hasMask: hasMask(lesion), type: lesion.type, classIndex: lesion.classIndex, line: isHost ? 0 : lesion.line,
            pixels: (lesion.length(0), lesion.length(1)), millimetres: (millimetres(0), millimetres(1)))
    }

    private func hasMask(_ lesion: DatasetLesion) -> Bool {
        switch options.masks {
        case .none: false
        case .pseudo: lesion.hasRecist
        case .given: lesion.hasGivenMask
        case .givenOrPseudo: lesion.hasGivenMask || lesion.hasRecist
        }
    }

    /// Writes a lesion's mask, height x width bytes of 0 or 1. Returns how many are 1.
    public func mask(
        _ index: Int, _ number: Int, into out: UnsafeMutablePointer<UInt8>, rowStride: Int
    ) throws(ULDorError) -> Int {
        let image = image(index), lesion = lesion(image, number)
        let (width, height) = (image.window.width, image.window.height)
        for y in 0..<height { (out + y * rowStride).update(repeating: 0, count: width) }
        if options.masks == .given || options.masks == .givenOrPseudo {
            let masks = GivenMasks(allocator: allocator)
            try masks.begin(self, index)
            if let mask = try masks.mask(of: lesion) {
                for y in mask.y1..<mask.y2 {
                    for x in mask.x1..<mask.x2 { out[y * rowStride + x] = mask.isSet(x, y) ? 1 : 0 }
                }
                return Self.countSet(out, rowStride, width, height)
            }
        }
        guard options.masks == .pseudo || options.masks == .givenOrPseudo, lesion.hasRecist else { return 0 }
        let pseudo = try lesion.recist.span.withUnsafeBufferPointer { (buffer) throws(ULDorError) in
            try PseudoMask(recist: buffer)
        }
        pseudo.fillBitmap(width: width, height: height, rowStride: rowStride, into: out)
        return Self.countSet(out, rowStride, width, height)
    }

    private static func countSet(_ out: UnsafePointer<UInt8>, _ rowStride: Int, _ width: Int, _ height: Int) -> Int {
        var count = 0
        for y in 0..<height {
            for x in 0..<width { count += Int(out[y * rowStride + x]) }
        }
        return count
    }
}
