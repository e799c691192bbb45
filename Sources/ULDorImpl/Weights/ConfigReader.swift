/// Reads the JSON of docs/weights.md. Every problem names the field: a misspelt field is an error, not a default.
struct ConfigReader: ~Copyable {
    private let json: JSONDocument
    private let source: String

    init(_ text: UnsafeBufferPointer<UInt8>, source: String, allocator: Allocator) throws(ULDorError) {
        json = try JSONDocument.parse(text, allocator: allocator, what: "\(source): the configuration", status: .model)
        self.source = source
    }

    func read() throws(ULDorError) -> ModelConfig {
        var config = ModelConfig()
        var hasFormat = false, hasClasses = false
        try each(JSONDocument.root, "") { (key, value) throws(ULDorError) in
            switch key {
            case "format":
                guard json.natural(value) == 1 else { throw bad(key, "only 1 is known") }
                hasFormat = true
            case "name": config.name = try text(key, value, 256)
            case "version": config.version = try text(key, value, 256)
            case "license": config.license = try text(key, value, 256)
            case "description": config.description = try text(key, value, 4096)
            case "classes":
                config.classes = try classes(key, value)
                hasClasses = true
            case "class_rule":
                config.classRule = try choice(key, value, [("per_class", .perClass), ("best_class", .bestClass)])
            case "batch_norm_eps": config.batchNormEps = try float(key, value, 0...1)
            case "stride_in_1x1": config.strideIn1x1 = try boolean(key, value)
            case "anchors": try anchors(value, &config)
            case "roi_align": try roiAlign(value, &config)
            case "rpn": try rpn(value, &config)
            case "box": try box(value, &config)
            case "mask": try mask(value, &config)
            case "input": try input(value, &config.input)
            default: throw bad(key, "unknown field")
            }
        }
        guard hasFormat else { throw bad("format", "missing") }
        guard hasClasses else { throw bad("classes", "missing") }
        return config
    }

    private func classes(_ key: String, _ value: Int) throws(ULDorError) -> [String] {
        guard json.isArray(value), (2...3).contains(json.childCount(value)) else { throw bad(key, "2 or 3 names are expected") }
        var names: [String] = []
        var item = json.firstChild(value)
        for _ in 0..<json.childCount(value) {
            names.append(try text(key, item, 64))
            item = json.next(after: item)
        }
        guard names[0] == "background" else { throw bad(key, "the first must be \"background\"") }
        guard names.count == 2 || names[2] == "false_positive" else { throw bad(key, "the third must be \"false_positive\"") }
        return names
    }

    private func anchors(_ object: Int, _ config: inout ModelConfig) throws(ULDorError) {
        try each(object, "anchors.") { (key, value) throws(ULDorError) in
            switch key {
            case "anchors.sizes":
                guard json.isArray(value), json.childCount(value) == 5 else { throw bad(key, "5 lists, P2..P6, are expected") }
                var levels: [[Float]] = []
                var item = json.firstChild(value)
                for _ in 0..<5 {
                    levels.append(try floats(key, item, 1...8, 1...4096))
                    item = json.next(after: item)
                }
                guard levels.allSatisfy({ $0.count == levels[0].count }) else {
                    throw bad(key, "every level needs as many sizes")
                }
                config.anchorSizes = levels
            case "anchors.aspect_ratios": config.aspectRatios = try floats(key, value, 1...8, 0.01...100)
            case "anchors.rounded": config.anchorsRounded = try boolean(key, value)
            case "anchors.stride_rule":
                config.strideRule = try choice(key, value, [("grid", .grid), ("fixed", .fixed)])
            default: throw bad(key, "unknown field")
            }
        }
    }

    private func roiAlign(_ object: Int, _ config: inout ModelConfig) throws(ULDorError) {
        try each(object, "roi_align.") { (key, value) throws(ULDorError) in
            switch key {
            case "roi_align.aligned": config.roiAligned = try boolean(key, value)
            case "roi_align.sampling_ratio": config.samplingRatio = try integer(key, value, 0...8)
            case "roi_align.level_eps": config.levelEps = try float(key, value, 0...1)
            case "roi_align.level_rule":
                config.levelRule = try choice(
                    key, value, [("torchvision", .torchvision), ("detectron2", .detectron2), ("mmdetection", .mmdetection)])
            default: throw bad(key, "unknown field")
            }
        }
    }

    private func rpn(_ object: Int, _ config: inout ModelConfig) throws(ULDorError) {
        try each(object, "rpn.") { (key, value) throws(ULDorError) in
            switch key {
            case "rpn.pre_nms_top_n": config.rpnPreNMS = try integer(key, value, 1...4096)
            case "rpn.post_nms_top_n": config.rpnPostNMS = try integer(key, value, 1...4096)
            case "rpn.nms_threshold": config.rpnNMSThreshold = try float(key, value, 0...1)
            case "rpn.score_threshold": config.rpnScoreThreshold = try float(key, value, 0...1)
            case "rpn.min_size": config.rpnMinSize = try float(key, value, 0...4096)
            default: throw bad(key, "unknown field")
            }
        }
    }

    private func box(_ object: Int, _ config: inout ModelConfig) throws(ULDorError) {
        try each(object, "box.") { (key, value) throws(ULDorError) in
            switch key {
            case "box.score_threshold": config.scoreThreshold = try float(key, value, 0...1)
            case "box.nms_threshold": config.nmsThreshold = try float(key, value, 0...1)
            case "box.detections": config.detections = try integer(key, value, 1...1000)
            case "box.weights": config.boxWeights = try floats(key, value, 4...4, 1e-3...1e3)
            case "box.min_size": config.boxMinSize = try float(key, value, 0...4096)
            default: throw bad(key, "unknown field")
            }
        }
    }

    private func mask(_ object: Int, _ config: inout ModelConfig) throws(ULDorError) {
        try each(object, "mask.") { (key, value) throws(ULDorError) in
            switch key {
            case "mask.threshold": config.maskThreshold = try float(key, value, 0...1)
            case "mask.paste":
                config.paste = try choice(key, value, [("torchvision", .torchvision), ("continuous", .continuous)])
            default: throw bad(key, "unknown field")
            }
        }
    }

    private func input(_ object: Int, _ config: inout InputConfig) throws(ULDorError) {
        try each(object, "input.") { (key, value) throws(ULDorError) in
            switch key {
            case "input.slices":
                config.slices = try integer(key, value, 1...31)
                guard config.slices % 2 == 1 else { throw bad(key, "an odd number is expected") }
            case "input.slice_distance_mm": config.sliceDistance = try double(key, value, 1e-3...1e3)
            case "input.window_hu":
                (config.windowLow, config.windowHigh) = try interval(key, value)
            case "input.range":
                (config.rangeLow, config.rangeHigh) = try interval(key, value)
            case "input.mean": config.mean = try floats(key, value, 1...31, -1e6...1e6)
            case "input.std": config.std = try floats(key, value, 1...31, 1e-6...1e6)
            case "input.body_crop": config.bodyCrop = try boolean(key, value)
            case "input.body_threshold_hu": config.bodyThreshold = try float(key, value, -1e6...1e6)
            case "input.body_opening":
                config.bodyOpening = try integer(key, value, 1...31)
                guard config.bodyOpening % 2 == 1 else { throw bad(key, "an odd number is expected") }
            case "input.spacing_mm": config.spacing = try double(key, value, 1e-2...1e2)
            case "input.max_size": config.maxSize = try integer(key, value, 32...4096)
            case "input.size_divisor":
                config.sizeDivisor = try integer(key, value, 32...128)
                guard config.sizeDivisor % 32 == 0 else { throw bad(key, "a multiple of 32 is expected") }
            default: throw bad(key, "unknown field")
            }
        }
        for (key, list) in [("input.mean", config.mean), ("input.std", config.std)] {
            guard list.count == 1 || list.count == config.slices else {
                throw bad(key, "1 or \(config.slices) values are expected")
            }
        }
    }

    // MARK: Values

    private func each(
        _ object: Int, _ prefix: String, _ body: (String, Int) throws(ULDorError) -> Void
    ) throws(ULDorError) {
        guard json.isObject(object) else { throw bad(prefix.isEmpty ? "it" : String(prefix.dropLast()), "an object is expected") }
        let count = json.childCount(object)
        guard count <= 64 else { throw bad(prefix.isEmpty ? "it" : String(prefix.dropLast()), "more than 64 fields") }
        var seen: Set<String> = []
        var key = json.firstChild(object)
        for _ in 0..<count {
            let name = prefix + printable(json.raw(key))
            guard seen.insert(name).inserted else { throw bad(name, "appears twice") }
            try body(name, key + 1)
            key = json.nextKey(after: key)
        }
    }

    private func bad(_ key: String, _ what: String) -> ULDorError {
        ULDorError(.model, "\(source): the configuration: \(key): \(what)")
    }

    private func double(_ key: String, _ value: Int, _ range: ClosedRange<Double>) throws(ULDorError) -> Double {
        guard let number = json.number(value), range.contains(number) else {
            throw bad(key, "a number within \(range.lowerBound)...\(range.upperBound) is expected")
        }
        return number
    }

    private func float(_ key: String, _ value: Int, _ range: ClosedRange<Double>) throws(ULDorError) -> Float {
        Float(try double(key, value, range))
    }

    private func integer(_ key: String, _ value: Int, _ range: ClosedRange<Int>) throws(ULDorError) -> Int {
        guard let number = json.natural(value), range.contains(number) else {
            throw bad(key, "an integer within \(range.lowerBound)...\(range.upperBound) is expected")
        }
        return number
    }

    private func boolean(_ key: String, _ value: Int) throws(ULDorError) -> Bool {
        guard let flag = json.boolean(value) else { throw bad(key, "true or false is expected") }
        return flag
    }

    /// A list of numbers, or one number for a list of one.
    private func floats(
        _ key: String, _ value: Int, _ count: ClosedRange<Int>, _ range: ClosedRange<Double>
    ) throws(ULDorError) -> [Float] {
        guard json.isArray(value) else {
            guard count.contains(1) else { throw bad(key, "a list of numbers is expected") }
            return [try float(key, value, range)]
        }
        guard count.contains(json.childCount(value)) else {
            throw bad(key, "a list of \(count.lowerBound)...\(count.upperBound) numbers is expected")
        }
        var result: [Float] = []
        var item = json.firstChild(value)
        for _ in 0..<json.childCount(value) {
            result.append(try float(key, item, range))
            item = json.next(after: item)
        }
        return result
    }

    private func interval(_ key: String, _ value: Int) throws(ULDorError) -> (Float, Float) {
        let ends = try floats(key, value, 2...2, -1e6...1e6)
        guard ends[0] < ends[1] else { throw bad(key, "the first must be less than the second") }
        return (ends[0], ends[1])
    }

    private func text(_ key: String, _ value: Int, _ limit: Int) throws(ULDorError) -> String {
        guard json.isString(value) else { throw bad(key, "a string is expected") }
        let raw = json.raw(value)
        guard raw.count <= limit else { throw bad(key, "more than \(limit) bytes") }
        var decoded = GrowableBuffer<UInt8>(allocator: .system)
        try decodeJSONString(raw, into: &decoded)
        guard let string = String(validating: decoded.elements, as: UTF8.self), !string.utf8.contains(0) else {
            throw bad(key, "not UTF-8")
        }
        return string
    }

    private func choice<Value>(
        _ key: String, _ value: Int, _ choices: [(String, Value)]
    ) throws(ULDorError) -> Value {
        let string = try text(key, value, 64)
        for (name, result) in choices where name == string { return result }
        throw bad(key, "one of \(choices.map(\.0).joined(separator: ", ")) is expected")
    }
}
