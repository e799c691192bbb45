import ULDorKernels

/// Reads tensors by name as float32, checked for shape and for values that are not finite.
final class TensorLoader {
    let file: Safetensors
    let execution: uk_exec
    private(set) var parameters = 0
    /// Where the layers' weights lie.
    let slab: Slab
    /// Where they lie instead when the model learns.
    let store: ParameterStore?
    /// What weights pass through on their way into the layers.
    private var staging: GrowableBuffer<Float>

    /// Where the values come from when they are packed already.
    let packed: PackedFile?

    init(_ file: Safetensors, threads: Int32, store: ParameterStore? = nil) {
        self.file = file
        self.store = store
        self.packed = nil
        self.execution = uk_exec(threads: threads, state: nil)
        // Packed weights are about as large as the file, or twice that of one in half precision.
        self.slab = Slab(expected: file.source.count, allocator: file.allocator)
        self.staging = GrowableBuffer(allocator: file.allocator)
    }

    /// The slab holds all values: tensors are only asked for their shapes.
    init(_ packed: PackedFile) {
        file = packed.tensors
        store = nil
        self.packed = packed
        execution = uk_exec(threads: 1, state: nil)
        slab = Slab(packed.image, allocator: packed.tensors.allocator)
        staging = GrowableBuffer(allocator: packed.tensors.allocator)
    }

    var allocator: Allocator { file.allocator }

    func error(_ what: String) -> ULDorError { ULDorError(.model, "\(file.source.name): \(what)") }

    /// The first of the names that the file has; what torchvision calls a parameter changed with its version.
    func find(_ names: [String]) -> (name: String, record: TensorRecord)? {
        for name in names { if let record = file.find(name) { return (name, record) } }
        return nil
    }

    func containsAny(below prefix: String) -> Bool { file.containsAny(below: prefix) }

    func require(_ names: [String]) throws(ULDorError) -> (name: String, record: TensorRecord) {
        guard let found = find(names) else { throw error("tensor \(names[0]) is missing") }
        return found
    }

    /// The first of the names that the file has, as a tensor of exactly this shape (nil entries: any size).
    func find(_ names: [String], shape: [Int?]) throws(ULDorError) -> (name: String, record: TensorRecord) {
        let (name, record) = try require(names)
        guard record.type != TensorRecord.unread else {
            throw ULDorError(.unsupported, "\(file.source.name): tensor \(name) is not stored as F32, F16 or BF16")
        }
        let dims = (0..<record.rank).map(record.dim)
        guard dims.count == shape.count, zip(dims, shape).allSatisfy({ $1 == nil || $0 == $1 }), record.elements > 0 else {
            throw error("tensor \(name) has shape \(dims), expected \(describe(shape))")
        }
        return (name, record)
    }

    /// Its values. Where the slab is filled they are not in the file: ones stand in for them, are folded like any, and nothing is packed
    /// of them.
    func load(_ names: [String], shape: [Int?]) throws(ULDorError) -> Buffer<Float> {
        let (name, record) = try find(names, shape: shape)
        let values = try Buffer<Float>(count: record.elements, allocator: allocator)
        guard !slab.isFilled else {
            values.elements.update(repeating: 1)
            take(name, record)
            return values
        }
        try read(name, record, into: values.base)
        return values
    }

    /// Elements [first, first + count) of a tensor, all of them by default; what holds the last of them is taken.
    private func read(
        _ name: String, _ record: TensorRecord, first: Int = 0, count: Int? = nil, into values: UnsafeMutablePointer<Float>
    ) throws(ULDorError) {
        let count = count ?? record.elements
        let bad: Int64
        if record.type == UK_F32 {
            // Straight into place; the conversion then only looks for what is not finite.
            try file.source.read(at: record.offset + first * 4, length: count * 4, into: values)
            bad = uk_to_float(record.type, values, Int64(count), values)
        } else {
            let stored = try Buffer<UInt16>(count: count, allocator: allocator)
            try file.source.read(at: record.offset + first * 2, length: count * 2, into: stored.base)
            bad = uk_to_float(record.type, stored.base, Int64(count), values)
        }
        guard bad < 0 else { throw error("tensor \(name) holds \(values[Int(bad)]) at element \(first + Int(bad))") }
        if first + count == record.elements { take(name, record) }
    }

    /// Copies a tensor into the store; `cells` as in ``pack(_:into:first:scale:bias:cells:)``.
    func keep(
        _ names: [String], shape: [Int?], in store: ParameterStore, cells: Int = 1
    ) throws(ULDorError) -> ParameterStore.Tensor {
        let (name, record) = try find(names, shape: shape)
        let tensor = try store.add(name, dims: (0..<record.rank).map(record.dim), cells: cells)
        let to = store.pointer(tensor)
        guard cells > 1 else {
            try read(name, record, into: to)
            return tensor
        }
        // A row at a time, so that the tensor is not in memory twice.
        let order = CellRow(channels: tensor.count / tensor.dims[0] / cells, cells: cells), length = order.length
        let row = try Buffer<Float>(count: length, allocator: allocator)
        for index in 0..<tensor.dims[0] {
            try read(name, record, first: index * length, count: length, into: row.base)
            order.fromFile(row.base, to: to + index * length)
        }
        return tensor
    }

    /// Packs a tensor as output channels [first, first + its rows) of a layer, on all threads. `cells`: how many of the input's
    /// channels lie behind each other in the file for one of the feature map below (PanelReader).
    func pack(
        _ tensor: (name: String, record: TensorRecord), into layer: Convolution, first: Int = 0,
        scale: UnsafePointer<Float>? = nil, bias: UnsafePointer<Float>, cells: Int = 1
    ) throws(ULDorError) {
        let (name, record) = tensor
        guard !slab.isFilled else { return take(name, record) }
        let reader = PanelReader(file.source, record, layer, first: first, scale: scale, bias: bias, cells: cells)
        try staging.resize(reader.stagingFloats(threads: execution.threads))
        if let bad = try reader.read(staging.elements, execution, allocator) {
            throw error("tensor \(name) holds \(bad.value) at element \(bad.element)")
        }
        take(name, record)
    }

    private func take(_ name: String, _ record: TensorRecord) {
        parameters += record.elements
        file.markUsed(name)
    }

    private func describe(_ shape: [Int?]) -> String {
        "[" + shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ") + "]"
    }
}
