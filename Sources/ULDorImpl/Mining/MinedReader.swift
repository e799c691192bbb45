/// Reads a mined file (docs/mining.md), line by line. Errors are FORMAT or INVALID_ARGUMENT and name file and line.
struct MinedReader {
    private let text: UnsafeBufferPointer<UInt8>
    private let name: String
    private let dataset: Dataset
    private let split: Split
    private let allocator: Allocator
    private var offset = 0
    private var line = 0

    /// A cell of a mask, and an input's side, at most.
    private static let largestSide = 4096

    /// `name`: what messages call the file. `text` must outlive the reader.
    init(_ text: UnsafeBufferPointer<UInt8>, name: String, dataset: Dataset, split: Split, allocator: Allocator) {
        self.text = text
        self.name = name
        self.dataset = dataset
        self.split = split
        self.allocator = allocator
    }

    // MARK: Lines

    /// Where the lines end that were read.
    var end: Int { offset }

    /// The next line without its end; nil where there is none, or only a piece of one.
    private mutating func nextLine() -> UnsafeBufferPointer<UInt8>? {
        let rest = text[offset...]
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { offset = end + 1 }
        line += 1
        return UnsafeBufferPointer(rebasing: rest[..<end])
    }

    private func error(_ what: String, _ status: Status = .format) -> ULDorError {
        ULDorError(status, "\(name):\(line): \(what)")
    }

    private func parse(_ line: UnsafeBufferPointer<UInt8>) throws(ULDorError) -> JSONDocument {
        let json = try JSONDocument.parse(line, allocator: allocator, what: "\(name):\(self.line): the line")
        guard json.isObject(JSONDocument.root) else { throw error("is no object") }
        return json
    }

    /// What the first line says, by name: as it stands there.
    mutating func origin() throws(ULDorError) -> [String: String] {
        guard let first = nextLine() else {
            line = 1
            throw error(text.isEmpty ? "the file is empty" : "the first line has no end: not a mined file, or a damaged one")
        }
        let json = try parse(first)
        var origin: [String: String] = [:]
        var key = json.firstChild(JSONDocument.root)
        for _ in 0..<json.childCount(JSONDocument.root) {
            let raw = String(decoding: json.raw(key + 1), as: UTF8.self)
            origin[String(decoding: json.raw(key), as: UTF8.self)] = json.isString(key + 1) ? "\"\(raw)\"" : raw
            key = json.nextKey(after: key)
        }
        guard origin["uldor_mined"] == "1" else { throw error("uldor_mined is not 1: not a mined file, or of another version") }
        return origin
    }

    /// Throws where the first line says something else; `what` of each name is known to the caller.
    func compare(_ stored: [String: String], _ expected: MinedText.Origin) throws(ULDorError) {
        for (name, mine) in expected {
            guard let theirs = stored[name] else { throw error("\(name) is missing") }
            guard theirs != mine else { continue }
            throw error("\(name) is \(theirs.prefix(80)), here it is \(mine.prefix(80))", .invalidArgument)
        }
    }

    enum Line {
        case image, last, none
    }

    /// Appends the next line's image to `mined`. `isWhole`: a last line is expected, and pieces of lines are errors.
    mutating func next(into mined: MinedSet, isWhole: Bool) throws(ULDorError) -> Line {
        guard let next = nextLine() else {
            guard isWhole else { return .none }
            line += 1
            throw error(
                offset < text.count ? "the line has no end: the file is cut off" : "the last line is missing: the file is cut off"
            )
        }
        let json = try parse(next)
        if isWhole, let end = find("end", in: JSONDocument.root, json), json.boolean(end) == true {
            guard try natural("images", JSONDocument.root, json, 0...Int.max) == mined.images.count,
                try natural("mined", JSONDocument.root, json, 0...Int.max) == mined.minedCount
            else { throw error("the counts are not those of the lines before") }
            guard offset == text.count else { throw error("something follows the last line") }
            return .last
        }
        try image(json, into: mined)
        return .image
    }

    // MARK: Fields

    private func find(_ name: StaticString, in object: Int, _ json: borrowing JSONDocument) -> Int? {
        guard json.isObject(object) else { return nil }
        var key = json.firstChild(object)
        for _ in 0..<json.childCount(object) {
            if json.equals(key, name) { return key + 1 }
            key = json.nextKey(after: key)
        }
        return nil
    }

    private func value(_ name: StaticString, _ object: Int, _ json: borrowing JSONDocument) throws(ULDorError) -> Int {
        guard let found = find(name, in: object, json) else { throw error("\(name) is missing") }
        return found
    }

    private func natural(
        _ name: StaticString, _ object: Int, _ json: borrowing JSONDocument, _ range: ClosedRange<Int>
    ) throws(ULDorError) -> Int {
        guard let number = json.natural(try value(name, object, json)), range.contains(number) else {
            throw error("\(name) is not a number of \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    private func number(
        _ name: StaticString, _ value: Int, _ json: borrowing JSONDocument, _ range: ClosedRange<Double>
    ) throws(ULDorError) -> Double {
        guard let number = json.number(value), range.contains(number) else {
            throw error("\(name) holds \(printable(json.raw(value))), not a number of \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    // MARK: An image

    private func image(_ json: borrowing JSONDocument, into mined: MinedSet) throws(ULDorError) {
        let field = try value("image", JSONDocument.root, json)
        guard json.isString(field) else { throw error("image is not a string") }
        var decoded = GrowableBuffer<UInt8>(allocator: allocator)
        do throws(ULDorError) { try decodeJSONString(json.raw(field), into: &decoded) } catch { throw self.error(error.message) }
        guard let index = dataset.find(UnsafeBufferPointer(decoded.elements)) else {
            throw error("image \(printable(json.raw(field))) is not one of the data set", .invalidArgument)
        }
        guard dataset.image(index).split == split else {
            throw error("image \(printable(json.raw(field))) is not of split \(split.rawValue)", .invalidArgument)
        }
        if let last = mined.images.elements.last, last.index >= index {
            throw error("image \(printable(json.raw(field))) comes twice, or not in the data set's order")
        }
        let kind = try value("case", JSONDocument.root, json)
        guard json.equals(kind, "a") || json.equals(kind, "b") else { throw error("case is neither a nor b") }
        try mined.begin(
            MinedImage(
                index: index, lesions: try natural("lesions", JSONDocument.root, json, 0...Int(Int32.max)),
                isFound: json.equals(kind, "a")))
        let list = try value("detections", JSONDocument.root, json)
        guard json.isArray(list) else { throw error("detections is not a list") }
        var item = json.firstChild(list)
        var runs = GrowableBuffer<UInt32>(allocator: allocator)
        for _ in 0..<json.childCount(list) {
            guard json.isObject(item) else { throw error("detections holds something else than objects") }
            let found = try detection(item, json, &runs)
            try mined.append(found, runs: UnsafeBufferPointer(runs.elements))
            item = json.next(after: item)
        }
    }

    private func detection(
        _ object: Int, _ json: borrowing JSONDocument, _ runs: inout GrowableBuffer<UInt32>
    ) throws(ULDorError) -> MinedDetection {
        let list = try value("box", object, json)
        guard json.isArray(list), json.childCount(list) == 4 else { throw error("box does not hold 4 numbers") }
        var corners: InlineArray<4, Double> = [0, 0, 0, 0]
        var item = json.firstChild(list)
        for place in 0..<4 {
            corners[place] = try number("box", item, json, -1e6...1e6)
            item = json.next(after: item)
        }
        guard corners[0] <= corners[2], corners[1] <= corners[3] else { throw error("box has a negative side") }
        let score = Float(try number("s1", try value("s1", object, json), json, 0...1))
        let overlap = try number("s2", try value("s2", object, json), json, 0...1)
        let why = try value("why", object, json)
        guard let verdict = MiningRule.Verdict.allCases.first(where: { json.isString(why) && json.equals(why, $0.name) }) else {
            throw error("why is \(printable(json.raw(why)))")
        }
        runs.removeAll()
        var detection = MinedDetection(
            x1: corners[0], y1: corners[1], x2: corners[2], y2: corners[3],
            scores: MiningRule.Scores(score: score, overlap: overlap), verdict: verdict)
        if let mask = find("mask", in: object, json) { detection.mask = try grid(mask, json, &runs) }
        return detection
    }

    private func grid(
        _ object: Int, _ json: borrowing JSONDocument, _ runs: inout GrowableBuffer<UInt32>
    ) throws(ULDorError) -> MaskGrid {
        guard json.isObject(object) else { throw error("mask is no object") }
        var grid = MaskGrid()
        grid.x = try number("mask.x", try value("x", object, json), json, -1e6...1e6)
        grid.y = try number("mask.y", try value("y", object, json), json, -1e6...1e6)
        grid.dx = try number("mask.dx", try value("dx", object, json), json, 1e-6...1e6)
        grid.dy = try number("mask.dy", try value("dy", object, json), json, 1e-6...1e6)
        grid.width = try natural("width", object, json, 1...Self.largestSide)
        grid.height = try natural("height", object, json, 1...Self.largestSide)
        let list = try value("counts", object, json)
        guard json.isArray(list) else { throw error("mask.counts is not a list") }
        var item = json.firstChild(list), left = grid.width * grid.height
        for _ in 0..<json.childCount(list) {
            guard let run = json.natural(item), run <= left else {
                throw error("mask.counts do not cover \(grid.width) x \(grid.height) cells")
            }
            left -= run
            try runs.append(UInt32(run))
            item = json.next(after: item)
        }
        guard left == 0, runs.count > 0 else { throw error("mask.counts do not cover \(grid.width) x \(grid.height) cells") }
        return grid
    }
}
