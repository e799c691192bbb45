/// Weights and checkpoints as files: written whole or not at all.
struct Checkpoint {
    static let momentumName = "training.momentum"

    /// Writes the weights with their configuration, and for a checkpoint momentum and `training`, too.
    ///
    /// Errors: IO; MODEL where a weight is not finite, or does not fit F16.
    static func write(
        _ store: ParameterStore, to path: String, config: String, training: String? = nil, isHalf: Bool = false,
        allocator: Allocator
    ) throws(ULDorError) {
        var metadata = [(key: "uldor", value: config)]
        if let training { metadata.append((key: "uldor_training", value: training)) }
        var writer = try SafetensorsWriter(metadata: metadata, allocator: allocator)
        for tensor in store.tensors { try writer.add(tensor.name, isHalf ? .float16 : .float32, dims: tensor.dims) }
        if training != nil { try writer.add(momentumName, .float32, dims: [store.trainedCount]) }
        let header = try writer.finish()
        let file = try AtomicFile(path)
        try file.write(UnsafeRawBufferPointer(header.elements))
        for tensor in store.tensors { try write(tensor, store, isHalf: isHalf, to: file, allocator) }
        if training != nil { try file.write(UnsafeRawBufferPointer(store.momentum.elements)) }
        try file.commit()
    }

    /// Some rows at a time: copies stay small.
    private static let chunk = 1 << 18

    private static func write(
        _ tensor: ParameterStore.Tensor, _ store: ParameterStore, isHalf: Bool, to file: AtomicFile, _ allocator: Allocator
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
                        "\(file.path): tensor \(tensor.name) holds \(value) at element \(first * rowLength + index)\(what)")
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

    /// Takes the momentum of a checkpoint whose weights the store was made from.
    static func readMomentum(_ file: Safetensors, into store: ParameterStore) throws(ULDorError) {
        let name = file.source.name
        guard let record = file.find(momentumName), record.type == 0, record.elements == store.trainedCount else {
            throw ULDorError(.format, "\(name): \(momentumName) is not that of these weights")
        }
        try file.source.read(
            at: record.offset, length: record.elements * MemoryLayout<Float>.size,
            into: UnsafeMutableRawPointer(store.momentum.base))
        if let bad = store.momentum.elements.firstIndex(where: { !$0.isFinite }) {
            throw ULDorError(.format, "\(name): \(momentumName) holds \(store.momentum.base[bad]) at element \(bad)")
        }
    }
}
