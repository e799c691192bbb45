/// Weights and checkpoints as files: written whole or not at all.
struct Checkpoint {
    /// What the optimiser keeps beside the weights, by the tensors' names.
    private static func kept(_ store: ParameterStore) -> [(name: String, values: UnsafeMutableBufferPointer<Float>)] {
        let momentum = [(name: "training.momentum", values: store.momentum.elements)]
        return store.squares.count == 0 ? momentum : momentum + [("training.second_momentum", store.squares.elements)]
    }

    /// The hard negatives that are being learnt from, as a mined file (docs/mining.md).
    static let minedName = "training.mined"

    /// What a run goes on with, beside its weights.
    struct Run {
        let training: String
        let mined: GrowingSink?
    }

    /// Writes the weights with their configuration, and for a checkpoint what the optimiser keeps and the rest of `run`, too.
    ///
    /// Errors: IO; MODEL where a weight is not finite, or does not fit F16.
    static func write(
        _ store: ParameterStore, to path: String, config: String, run: Run? = nil, isHalf: Bool = false, allocator: Allocator
    ) throws(ULDorError) {
        let file = try AtomicFile(path)
        try write(store, into: file, name: path, config: config, run: run, isHalf: isHalf, allocator: allocator)
        try file.commit()
    }

    /// The same into a sink, which messages call `name`.
    static func write(
        _ store: ParameterStore, into sink: any ByteSink, name: String, config: String, run: Run?, isHalf: Bool,
        allocator: Allocator
    ) throws(ULDorError) {
        let (header, _) = try header(store, config: config, run: run, isHalf: isHalf, allocator)
        try sink.write(UnsafeRawBufferPointer(header.bytes.elements))
        for tensor in store.tensors { try write(tensor, store, isHalf: isHalf, to: sink, name: name, allocator) }
        guard let run else { return }
        for (_, values) in kept(store) { try sink.write(UnsafeRawBufferPointer(values)) }
        if let mined = run.mined { try sink.write(UnsafeRawBufferPointer(mined.bytes.elements)) }
    }

    /// The weights as a file in memory.
    static func inMemory(_ store: ParameterStore, config: String, allocator: Allocator) throws(ULDorError) -> MemorySink {
        let (header, dataBytes) = try header(store, config: config, run: nil, isHalf: false, allocator)
        let (bytes, overflow) = dataBytes.addingReportingOverflow(header.bytes.count)
        guard !overflow else { throw .tooLarge("weights") }
        let sink = try MemorySink(bytes: bytes, allocator: allocator)
        try sink.write(UnsafeRawBufferPointer(header.bytes.elements))
        for tensor in store.tensors {
            try write(tensor, store, isHalf: false, to: sink, name: "the weights", allocator)
        }
        return sink
    }

    private static func header(
        _ store: ParameterStore, config: String, run: Run?, isHalf: Bool, _ allocator: Allocator
    ) throws(ULDorError) -> (GrowingSink, dataBytes: Int) {
        var metadata = [(key: "uldor", value: config)]
        if let run { metadata.append((key: "uldor_training", value: run.training)) }
        var writer = try SafetensorsWriter(metadata: metadata, allocator: allocator)
        for tensor in store.tensors { try writer.add(tensor.name, isHalf ? .float16 : .float32, dims: tensor.dims) }
        if let run {
            for (name, values) in kept(store) { try writer.add(name, .float32, dims: [values.count]) }
            if let mined = run.mined { try writer.add(minedName, .bytes, dims: [mined.bytes.count]) }
        }
        let dataBytes = writer.dataBytes
        let sink = GrowingSink(allocator: allocator)
        let header = try writer.finish()
        try sink.write(UnsafeRawBufferPointer(header.elements))
        return (sink, dataBytes)
    }

    /// Some rows at a time: copies stay small.
    private static let chunk = 1 << 18

    private static func write(
        _ tensor: ParameterStore.Tensor, _ store: ParameterStore, isHalf: Bool, to file: any ByteSink, name: String,
        _ allocator: Allocator
    ) throws(ULDorError) {
        let rows = Swift.max(tensor.dims.first ?? 1, 1), rowLength = tensor.count / rows
        let step = Swift.max(chunk / Swift.max(rowLength, 1), 1)
        let staging = try Buffer<Float>(count: Swift.min(step, rows) * rowLength, allocator: allocator)
        let halves = try Buffer<UInt16>(count: isHalf ? staging.count : 0, allocator: allocator)
        var first = 0
        while first < rows {
            let count = Swift.min(step, rows - first)
            let piece = ParameterStore.Tensor(
                name: tensor.name, dims: [count] + tensor.dims.dropFirst(), offset: tensor.offset + first * rowLength,
                count: count * rowLength, isTrained: tensor.isTrained, cells: tensor.cells)
            store.copy(piece, from: store.pointer(piece), to: staging.base)
            for index in 0..<piece.count {
                let value = staging.base[index]
                let fits = isHalf ? abs(value) < 65520 : value.isFinite
                guard fits else {
                    let what = value.isFinite ? ", which F16 does not hold" : ""
                    throw ULDorError(
                        .model,
                        "\(name): tensor \(tensor.name) holds \(value) at element \(first * rowLength + index)\(what)")
                }
                if isHalf { halves.base[index] = halfBits(value) }
            }
            try file.write(
                isHalf
                    ? UnsafeRawBufferPointer(start: halves.base, count: piece.count * 2)
                    : UnsafeRawBufferPointer(start: staging.base, count: piece.count * 4))
            first += count
        }
    }

    /// The mined file in a checkpoint; nil where it has none.
    static func readMined(_ file: Safetensors) throws(ULDorError) -> GrowingSink? {
        guard let record = file.find(minedName) else { return nil }
        let name = file.source.name
        guard record.type == TensorRecord.unread, record.rank == 1, record.elements <= file.source.count - record.offset else {
            throw ULDorError(.format, "\(name): \(minedName) is not a list of bytes")
        }
        let bytes = try Buffer<UInt8>(count: record.elements, allocator: file.allocator)
        try file.source.read(at: record.offset, length: record.elements, into: UnsafeMutableRawPointer(bytes.base))
        let sink = GrowingSink(allocator: file.allocator)
        try sink.write(UnsafeRawBufferPointer(bytes.elements))
        return sink
    }

    /// Takes what the optimiser kept, of a checkpoint whose weights the store was made from.
    static func readOptimiser(_ file: Safetensors, into store: ParameterStore) throws(ULDorError) {
        let source = file.source.name
        for (name, values) in kept(store) {
            guard let record = file.find(name), record.type == 0, record.elements == values.count else {
                throw ULDorError(.format, "\(source): \(name) is not that of these weights")
            }
            guard let base = values.baseAddress else { continue }
            try file.source.read(
                at: record.offset, length: record.elements * MemoryLayout<Float>.size, into: UnsafeMutableRawPointer(base))
            if let bad = values.firstIndex(where: { !$0.isFinite }) {
                throw ULDorError(.format, "\(source): \(name) holds \(values[bad]) at element \(bad)")
            }
        }
        // A negative mean of squares has no root.
        if let bad = store.squares.elements.firstIndex(where: { $0 < 0 }) {
            throw ULDorError(.format, "\(source): training.second_momentum holds \(store.squares.base[bad]) at element \(bad)")
        }
    }
}
