import ULDorKernels

/// What a run begins with: a weights file in memory, made of random tensors, of those of another file, or of both.
///
/// Everything then goes through the one loader of weights files.
final class InitialWeights {
    /// What became of a tensor.
    enum Fate: Equatable {
        case taken
        /// From a file of another number of classes.
        case grown(from: Int, to: Int)
        case missing
        case otherShape([Int])
        /// Stored as something that is not read.
        case unreadable
        /// In the file, with no place in the network.
        case notNeeded
    }

    /// What was not taken as it is.
    private(set) var notes: [(name: String, dims: [Int], fate: Fate)] = []
    private(set) var taken = 0, random = 0
    /// Whether batch norm has no statistics, and the backbone knows nothing yet.
    private(set) var isBackboneRandom = false
    private let sink: MemorySink
    private let seed: UInt64
    private let allocator: Allocator

    /// The file in memory; valid as long as this object.
    var source: ByteSource { ByteSource(memory: UnsafeRawPointer(sink.buffer.base), count: sink.buffer.count) }

    /// `architecture` nil: the network of `file`, which then must be given. `anchors`: per location.
    init(
        _ file: Safetensors?, architecture: Architecture?, slices: Int, anchors: Int, classes: Int, seed: UInt64,
        allocator: Allocator
    ) throws(ULDorError) {
        self.seed = seed
        self.allocator = allocator
        let tensors: [Architecture.Tensor]
        if let architecture {
            tensors = architecture.tensors(slices: slices, anchors: anchors, classes: classes)
        } else if let file {
            tensors = try Self.tensors(of: file, classes: classes)
        } else {
            throw .invalidArgument("options.init_path and options.architecture are both NULL")
        }
        var writer = try SafetensorsWriter(metadata: [], allocator: allocator)
        for tensor in tensors { try writer.add(tensor.name, .float32, dims: tensor.dims) }
        let dataBytes = writer.dataBytes
        let header = try writer.finish()
        let (bytes, overflow) = dataBytes.addingReportingOverflow(header.count)
        guard !overflow else { throw .tooLarge("initial weights") }
        sink = try MemorySink(bytes: bytes, allocator: allocator)
        try sink.write(UnsafeRawBufferPointer(header.elements))
        var used: Set<String> = []
        for tensor in tensors { try put(tensor, file, &used) }
        if let file { noteNotNeeded(file, used) }
    }

    /// The tensors of a detector in `file`; those that have a row for each class get as many as there are to be.
    private static func tensors(of file: Safetensors, classes: Int) throws(ULDorError) -> [Architecture.Tensor] {
        var tensors: [Architecture.Tensor] = []
        for record in file.allRecords {
            let name = String(decoding: record.name, as: UTF8.self)
            guard Safetensors.isPart(name) else { continue }
            guard record.rank <= 4, record.type != TensorRecord.unread else {
                throw ULDorError(.unsupported, "\(file.source.name): tensor \(name) is not stored as F32, F16 or BF16")
            }
            var dims = (0..<record.rank).map(record.dim)
            if let rows = ClassRows(name), !dims.isEmpty, dims[0] == 2 * rows.perClass || dims[0] == 3 * rows.perClass {
                dims[0] = classes * rows.perClass
            }
            tensors.append(Architecture.Tensor(name: name, dims: dims, start: .constant(0)))
        }
        guard !tensors.isEmpty else { throw ULDorError(.model, "\(file.source.name): holds no tensor of a detector") }
        return tensors
    }

    // MARK: One tensor

    private func put(_ tensor: Architecture.Tensor, _ file: Safetensors?, _ used: inout Set<String>) throws(ULDorError) {
        let count = tensor.dims.reduce(1, *)
        let values = try Buffer<Float>(count: count, allocator: allocator)
        let fate = try fill(values.elements, tensor, file, &used)
        switch fate {
        case .taken: taken += 1
        case .grown:
            taken += 1
            notes.append((tensor.name, tensor.dims, fate))
        default:
            random += 1
            if tensor.name == "backbone.body.bn1.running_var" { isBackboneRandom = true }
            if file != nil { notes.append((tensor.name, tensor.dims, fate)) }
        }
        try sink.write(UnsafeRawBufferPointer(values.elements))
    }

    private func fill(
        _ values: UnsafeMutableBufferPointer<Float>, _ tensor: Architecture.Tensor, _ file: Safetensors?,
        _ used: inout Set<String>
    ) throws(ULDorError) -> Fate {
        var fate = Fate.missing
        if let file {
            for name in Self.spellings(of: tensor.name) {
                guard let record = file.find(name) else { continue }
                used.insert(name)
                fate = try read(record, name, file, into: values, tensor)
                break
            }
        }
        switch fate {
        case .taken, .grown: break
        default: tensor.start.fill(values, name: tensor.name, seed: seed)
        }
        return fate
    }

    private func read(
        _ record: TensorRecord, _ name: String, _ file: Safetensors, into values: UnsafeMutableBufferPointer<Float>,
        _ tensor: Architecture.Tensor
    ) throws(ULDorError) -> Fate {
        guard record.type != TensorRecord.unread else { return .unreadable }
        let dims = (0..<Swift.min(record.rank, 4)).map(record.dim)
        let rowsChange = ClassRows(tensor.name).flatMap { $0.change(from: dims, to: tensor.dims) }
        guard (record.rank <= 4 && dims == tensor.dims) || rowsChange != nil, record.elements > 0 else {
            return .otherShape(dims)
        }
        let stored = try Buffer<Float>(count: record.elements, allocator: allocator)
        let size = record.type == UK_F32 ? 4 : 2
        let raw = try Buffer<UInt8>(count: record.elements * size, allocator: allocator)
        try file.source.read(at: record.offset, length: record.elements * size, into: UnsafeMutableRawPointer(raw.base))
        let bad = uk_to_float(record.type, raw.base, Int64(record.elements), stored.base)
        guard bad < 0 else {
            throw ULDorError(.model, "\(file.source.name): tensor \(name) holds \(stored.base[Int(bad)]) at element \(bad)")
        }
        guard let rowsChange, let to = values.baseAddress else {
            _ = values.update(from: stored.elements)
            return .taken
        }
        rowsChange.apply(stored.base, count: record.elements, to: to, count: values.count)
        return .grown(from: rowsChange.from, to: rowsChange.to)
    }

    /// What other versions of torchvision, and a classification network, call the same tensor.
    private static func spellings(of name: String) -> [String] {
        func replaced(_ prefix: String, _ other: String) -> String? {
            name.hasPrefix(prefix) ? other + name.dropFirst(prefix.count) : nil
        }
        var all = [name]
        if let plain = replaced("backbone.body.", "") { all.append(plain) }
        if let old = replaced("rpn.head.conv.0.0.", "rpn.head.conv.") { all.append(old) }
        for kind in ["inner_blocks", "layer_blocks"] {
            for level in 0..<4 {
                let prefix = "backbone.fpn.\(kind).\(level)."
                if let old = replaced("\(prefix)0.", prefix) { all.append(old) }
            }
        }
        for layer in 0..<4 {
            if let old = replaced("roi_heads.mask_head.\(layer).0.", "roi_heads.mask_head.mask_fcn\(layer + 1).") {
                all.append(old)
            }
        }
        return all
    }

    // MARK: What to tell

    private func noteNotNeeded(_ file: Safetensors, _ used: Set<String>) {
        for record in file.allRecords {
            let name = printable(record.name)
            guard !used.contains(name), !name.hasSuffix(".num_batches_tracked") else { continue }
            notes.append((name, (0..<Swift.min(record.rank, 4)).map(record.dim), .notNeeded))
        }
    }

    /// One line for each note, and one with the counts (uldor_trainer_report).
    func lines(source: String?) -> [String] {
        let file = source ?? "the file"
        var lines: [String] = notes.map { note in
            let (name, dims, fate) = note
            return switch fate {
            case .taken: "tensor \(name) is taken"
            case .grown(let from, let to): "tensor \(name) is taken, \(from) classes become \(to)"
            case .missing: "tensor \(name) is missing in \(file): random"
            case .otherShape(let other): "tensor \(name) has shape \(other) in \(file), \(dims) here: random"
            case .unreadable: "tensor \(name) is not stored as F32, F16 or BF16 in \(file): random"
            case .notNeeded: "tensor \(name) of \(file) has no place in the network: left out"
            }
        }
        lines.append(
            source == nil
                ? "\(random) tensors are random"
                : "\(taken) of \(taken + random) tensors are taken from \(file), \(random) are random")
        return lines
    }
}

/// Tensors with rows for each class: the last layers of the box and the mask branch.
private struct ClassRows {
    /// Background, lesion, false positive: how the rows of a class that is new begin.
    enum Start { case zero, bias, likeLesion }

    let perClass: Int
    private let start: Start

    init?(_ name: String) {
        switch name {
        // A logit of -12 whatever the features: lesion scores move by less than 1e-4 (method, section 5).
        case "roi_heads.box_predictor.cls_score.weight": (perClass, start) = (1, .zero)
        case "roi_heads.box_predictor.cls_score.bias": (perClass, start) = (1, .bias)
        case "roi_heads.box_predictor.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.bias":
            (perClass, start) = (4, .likeLesion)
        case "roi_heads.mask_predictor.mask_fcn_logits.weight", "roi_heads.mask_predictor.mask_fcn_logits.bias":
            (perClass, start) = (1, .likeLesion)
        default: return nil
        }
    }

    struct Change {
        let from, to: Int
        fileprivate let start: Start

        func apply(_ stored: UnsafePointer<Float>, count: Int, to values: UnsafeMutablePointer<Float>, count newCount: Int) {
            let block = count / from
            values.update(from: stored, count: Swift.min(count, newCount))
            guard to > from else { return }
            let new = values + count
            switch start {
            case .zero: new.update(repeating: 0, count: newCount - count)
            case .bias: new.update(repeating: -12, count: newCount - count)
            case .likeLesion: new.update(from: stored + block, count: Swift.min(block, newCount - count))
            }
        }
    }

    /// From 2 classes to 3 or back; nil for any other difference.
    func change(from: [Int], to: [Int]) -> Change? {
        guard let old = from.first, let new = to.first, from.dropFirst() == to.dropFirst(), old != new else { return nil }
        guard old % perClass == 0, new % perClass == 0 else { return nil }
        let (before, after) = (old / perClass, new / perClass)
        guard (2...3).contains(before), (2...3).contains(after) else { return nil }
        return Change(from: before, to: after, start: start)
    }
}
