/// The configuration that a trained model is written with, as text.
struct TrainingConfig: ~Copyable {
    private(set) var text: GrowableBuffer<UInt8>
    let config: ModelConfig

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(text.elements) }
    var string: String { String(decoding: bytes, as: UTF8.self) }

    /// What the field uses on DeepLesion (method, section 1).
    private static let field = """
        {"format": 1, "classes": ["background", "lesion"], "anchors": {"sizes": [[16], [24], [32], [48], [96]], \
        "aspect_ratios": [0.5, 1.0, 2.0]}}
        """

    /// `given`, that of `file`, or a default: torchvision's for a file without one, the field's where there is none. `classes` nil: as
    /// configured.
    init(
        given: String?, file: Safetensors?, isNewNetwork: Bool, classes: Int?, allocator: Allocator
    ) throws(ULDorError) {
        var text = GrowableBuffer<UInt8>(allocator: allocator)
        var source = "options.config"
        if let given {
            for byte in given.utf8 { try text.append(byte) }
        } else if let file, let raw = file.config {
            source = file.source.name
            try decodeJSONString(raw, into: &text)
        } else if isNewNetwork {
            for byte in Self.field.utf8 { try text.append(byte) }
        } else {
            for byte in Self.guess(file).utf8 { try text.append(byte) }
        }
        let read = try ConfigReader(UnsafeBufferPointer(text.elements), source: source, allocator: allocator).read()
        guard let classes, classes != read.classes.count else {
            self.text = text
            config = read
            return
        }
        text = try Self.replaceClasses(text, classes, lesion: read.classes[1], allocator)
        config = try ConfigReader(UnsafeBufferPointer(text.elements), source: source, allocator: allocator).read()
        self.text = text
    }

    private static func guess(_ file: Safetensors?) -> String {
        let rows = file?.find("roi_heads.box_predictor.cls_score.weight")?.dim(0) ?? 2
        let names = rows == 3 ? #"["background", "lesion", "false_positive"]"# : #"["background", "lesion"]"#
        return #"{"format": 1, "classes": \#(names)}"#
    }

    /// The text with another list of classes, else as it was.
    private static func replaceClasses(
        _ text: borrowing GrowableBuffer<UInt8>, _ classes: Int, lesion: String, _ allocator: Allocator
    ) throws(ULDorError) -> GrowableBuffer<UInt8> {
        let bytes = UnsafeBufferPointer(text.elements)
        let json = try JSONDocument.parse(bytes, allocator: allocator, what: "the configuration", status: .model)
        var result = GrowableBuffer<UInt8>(allocator: allocator)
        var key = json.firstChild(JSONDocument.root)
        for _ in 0..<json.childCount(JSONDocument.root) {
            guard json.equals(key, "classes"), let base = bytes.baseAddress, let from = json.raw(key + 1).baseAddress else {
                key = json.nextKey(after: key)
                continue
            }
            let start = from - base, end = start + json.raw(key + 1).count
            for byte in bytes[..<start] { try result.append(byte) }
            // The lesion's name as it stood there, escapes and all.
            let name = json.raw(json.next(after: json.firstChild(key + 1)))
            for byte in #"["background", ""#.utf8 { try result.append(byte) }
            for byte in name { try result.append(byte) }
            for byte in (classes == 3 ? #"", "false_positive"]"# : #""]"#).utf8 { try result.append(byte) }
            for byte in bytes[end...] { try result.append(byte) }
            break
        }
        return result
    }

    var anchorsPerLocation: Int { config.anchorSizes[0].count * config.aspectRatios.count }
}
