/// A mined set as JSON lines (docs/mining.md).
struct MinedText {
    /// What a set was mined with: names and values as JSON, in the first line's order.
    typealias Origin = [(name: String, value: String)]

    static func origin(
        data: Fingerprint, model: Fingerprint, images: Int, _ options: MiningOptions
    ) -> Origin {
        [
            ("uldor_mined", "1"), ("data", JSONText.quoted(data.hex)), ("model", JSONText.quoted(model.hex)),
            ("good_iou", JSONText.number(options.goodOverlap)), ("min_score", JSONText.number(options.leastScore)),
            ("most", "\(options.most)"), ("boxes_only", options.boxesOnly ? "true" : "false"),
            ("spare_quantile", JSONText.number(options.spareQuantile)),
            ("score_threshold", JSONText.number(options.scoreThreshold)), ("seed", "\(options.seed)"),
            ("epoch", "\(options.epoch)"), ("images", "\(images)"),
        ]
    }

    static func first(_ origin: Origin) -> String {
        "{" + origin.map { "\(JSONText.quoted($0.name)): \($0.value)" }.joined(separator: ", ") + "}\n"
    }

    static func last(images: Int, mined: Int) -> String { "{\"end\": true, \"images\": \(images), \"mined\": \(mined)}\n" }

    static func line(_ image: MinedImage, of mined: MinedSet, name: String) -> String {
        var text = "{\"image\": \(JSONText.quoted(name)), \"lesions\": \(image.lesions), \"case\": \""
        text += image.isFound ? "a" : "b"
        text += "\", \"detections\": ["
        for (place, found) in mined.detections(of: image).enumerated() {
            if place > 0 { text += ", " }
            let box = [found.x1, found.y1, found.x2, found.y2].map(JSONText.number).joined(separator: ", ")
            text += "{\"box\": [\(box)], \"s1\": \(JSONText.number(Double(found.scores.score))), "
            text += "\"s2\": \(JSONText.number(found.scores.overlap)), \"why\": \"\(found.verdict.name)\""
            if !found.mask.isEmpty {
                let mask = found.mask
                text += ", \"mask\": {\"x\": \(JSONText.number(mask.x)), \"y\": \(JSONText.number(mask.y)), "
                text += "\"dx\": \(JSONText.number(mask.dx)), \"dy\": \(JSONText.number(mask.dy)), "
                text += "\"width\": \(mask.width), \"height\": \(mask.height), \"counts\": ["
                text += mined.runs(of: mask).map(String.init).joined(separator: ", ") + "]}"
            }
            text += "}"
        }
        return text + "]}\n"
    }

    /// The whole file.
    static func write(
        _ mined: MinedSet, _ origin: Origin, to sink: any ByteSink, name: (Int) -> String
    ) throws(ULDorError) {
        try write(first(origin), to: sink)
        for image in mined.images.elements { try write(line(image, of: mined, name: name(image.index)), to: sink) }
        try write(last(images: mined.images.count, mined: mined.minedCount), to: sink)
    }

    static func write(_ text: String, to sink: any ByteSink) throws(ULDorError) {
        var text = text, failure: ULDorError?
        text.withUTF8 { bytes in
            do throws(ULDorError) { try sink.write(UnsafeRawBufferPointer(bytes)) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension MiningRule.Verdict {
    /// In the file.
    var name: StaticString {
        switch self {
        case .good: "good"
        case .low: "low"
        case .candidate: "candidate"
        case .chosen: "chosen"
        case .notDrawn: "not drawn"
        case .spared: "spared"
        }
    }
}
