/// What a checkpoint says beside its tensors, as JSON under `__metadata__`.`uldor_training`.
struct CheckpointText {
    /// What a run is made of: names and values as JSON. Two runs that agree in all of them end with the same bits.
    typealias Identity = [(name: String, value: String)]

    static func write(_ state: TrainingState, _ identity: Identity) -> String {
        func number(_ value: Double?) -> String { value.map(JSONText.number) ?? "null" }
        func text(_ value: String?) -> String { value.map(JSONText.quoted) ?? "null" }
        let fields: [(String, String)] = [
            ("format", "2"), ("outcome", "\(state.outcome.rawValue)"), ("epoch", "\(state.epoch)"), ("step", "\(state.step)"),
            ("total_steps", "\(state.totalSteps)"), ("updates", "\(state.updates)"),
            ("skipped_images", "\(state.skippedImages)"),
            ("calibrated", state.isCalibrated ? "true" : "false"),
            ("sums", "[" + state.sums.list.map(JSONText.number).joined(separator: ",") + "]"),
            ("validation_loss", number(state.validationLoss)), ("best_loss", number(state.bestLoss)),
            // Not negative: one number fewer to read.
            ("best_epoch", "\(state.bestEpoch + 1)"), ("epochs_without_best", "\(state.epochsWithoutBest)"),
            ("best_file", text(state.bestFile)), ("replaced_file", text(state.replacedFile)),
            ("init", text(state.initialWeights)), ("log_bytes", "\(state.logBytes)"), ("layers", "\(state.trainableLayers)"),
            ("calibration_images", "\(state.calibrationImages)"), ("mined_epochs", "\(state.minedEpochs)"),
            ("identity", object(identity)),
        ]
        return object(fields.map { (name: $0.0, value: $0.1) })
    }

    /// A checkpoint at `file` in which a run's `name` has another value than here.
    static func otherRun(_ file: String, _ name: String, _ theirs: String, _ mine: String) -> ULDorError {
        .invalidArgument(
            "\(file) is the checkpoint of another run: \(name) is \(theirs.prefix(80)) there, \(mine.prefix(80)) here")
    }

    private static func object(_ fields: Identity) -> String {
        "{" + fields.map { "\(JSONText.quoted($0.name)):\($0.value)" }.joined(separator: ",") + "}"
    }

    /// The state in `raw`, of a run like this one. Errors: FORMAT, and INVALID_ARGUMENT naming what differs.
    static func read(
        _ raw: UnsafeBufferPointer<UInt8>, of file: String, _ identity: Identity, allocator: Allocator
    ) throws(ULDorError) -> TrainingState {
        var text = GrowableBuffer<UInt8>(allocator: allocator)
        try decodeJSONString(raw, into: &text)
        let json = try JSONDocument.parse(
            UnsafeBufferPointer(text.elements), allocator: allocator, what: "\(file): the state of training")
        let reader = CheckpointReader(file: file, json: json)
        return try reader.state(identity)
    }
}

private struct CheckpointReader: ~Copyable {
    let file: String
    let json: JSONDocument

    init(file: String, json: consuming JSONDocument) {
        self.file = file
        self.json = json
    }

    private func bad(_ what: String) -> ULDorError { ULDorError(.format, "\(file): the state of training: \(what)") }

    func state(_ identity: CheckpointText.Identity) throws(ULDorError) -> TrainingState {
        guard try natural("format") == 2 else { throw bad("format is not 2") }
        try compare(identity)
        var state = TrainingState()
        guard let outcome = TrainingState.Outcome(rawValue: Int32(clamping: try natural("outcome"))) else {
            throw bad("outcome is unknown")
        }
        state.outcome = outcome
        state.epoch = try natural("epoch")
        state.step = try natural("step")
        state.totalSteps = try natural("total_steps")
        state.updates = try natural("updates")
        state.skippedImages = try natural("skipped_images")
        guard let isCalibrated = json.boolean(try value("calibrated")) else { throw bad("calibrated is not true or false") }
        state.isCalibrated = isCalibrated
        state.sums.list = try numbers("sums", 6)
        state.validationLoss = json.number(try value("validation_loss"))
        state.bestLoss = json.number(try value("best_loss"))
        state.bestEpoch = try natural("best_epoch") - 1
        state.epochsWithoutBest = try natural("epochs_without_best")
        state.bestFile = try text("best_file")
        state.replacedFile = try text("replaced_file")
        state.initialWeights = try text("init")
        state.logBytes = try natural("log_bytes")
        state.trainableLayers = Swift.min(try natural("layers"), 5)
        state.calibrationImages = Swift.min(try natural("calibration_images"), 256)
        state.minedEpochs = try natural("mined_epochs")
        return state
    }

    private func find(_ name: String, in object: Int) -> Int? {
        guard json.isObject(object) else { return nil }
        var key = json.firstChild(object)
        for _ in 0..<json.childCount(object) {
            if json.raw(key).elementsEqual(name.utf8) { return key + 1 }
            key = json.nextKey(after: key)
        }
        return nil
    }

    private func value(_ name: String) throws(ULDorError) -> Int {
        guard let found = find(name, in: JSONDocument.root) else { throw bad("\(name) is missing") }
        return found
    }

    private func natural(_ name: String) throws(ULDorError) -> Int {
        guard let number = json.natural(try value(name)), number <= Int.max / 4 else {
            throw bad("\(name) is not a natural number")
        }
        return number
    }

    private func text(_ name: String) throws(ULDorError) -> String? {
        let found = try value(name)
        return json.isString(found) ? String(decoding: json.raw(found), as: UTF8.self) : nil
    }

    private func numbers(_ name: String, _ count: Int) throws(ULDorError) -> [Double] {
        let list = try value(name)
        guard json.isArray(list), json.childCount(list) == count else { throw bad("\(name) does not hold \(count) numbers") }
        var numbers: [Double] = []
        var item = json.firstChild(list)
        for _ in 0..<count {
            guard let number = json.number(item) else { throw bad("\(name) holds something else than numbers") }
            numbers.append(number)
            item = json.next(after: item)
        }
        return numbers
    }

    private func compare(_ identity: CheckpointText.Identity) throws(ULDorError) {
        let stored = try value("identity")
        for (name, mine) in identity {
            guard let found = find(name, in: stored) else { throw bad("identity.\(name) is missing") }
            let theirs = quoted(found)
            guard theirs != mine else { continue }
            throw CheckpointText.otherRun(file, name, theirs, mine)
        }
    }

    private func quoted(_ value: Int) -> String {
        let raw = String(decoding: json.raw(value), as: UTF8.self)
        return json.isString(value) ? "\"\(raw)\"" : raw
    }
}
