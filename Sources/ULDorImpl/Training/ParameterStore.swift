import ULDorKernels

/// Every tensor of a model that learns, as float32 in flat buffers, in torch's layouts.
///
/// Trained tensors come first, so that the optimiser, a reduction over processes and a checkpoint each see one piece of
/// memory. What is only stored (frozen layers, batch norm's statistics) follows, so that a model can be written whole.
final class ParameterStore {
    struct Tensor {
        let name: String
        let dims: [Int]
        let offset, count: Int
        let isTrained: Bool
        /// Above 1: a row is kept as cells x channels, files have channels x cells (a fully connected layer on a feature map).
        let cells: Int
    }

    private(set) var tensors: [Tensor] = []
    let values: Buffer<Float>
    /// The gradients, and behind them room for what a reduction over processes sums with them.
    let gradientMemory: Buffer<Float>
    /// `trainedCount`.
    let momentum: Buffer<Float>
    /// The mean of the gradients' squares; empty where the optimiser has none.
    let squares: Buffer<Float>
    let trainedCount: Int
    /// Stages of the backbone that learn, counted from the last (torchvision's trainable_backbone_layers, 0...5).
    private let trainableLayers: Int
    private var trainedUsed = 0, storedUsed = 0

    init(
        _ file: Safetensors, trainableLayers: Int, keepsSquares: Bool = false, allocator: Allocator
    ) throws(ULDorError) {
        self.trainableLayers = trainableLayers
        var trained = 0, stored = 0
        for record in file.allRecords where Safetensors.isPart(printable(record.name)) {
            // A sum of sizes within the file: it does not overflow.
            if Self.isTrained(printable(record.name), rank: record.rank, trainableLayers) {
                trained += record.elements
            } else {
                stored += record.elements
            }
        }
        trainedCount = trained
        storedUsed = trained
        values = try Buffer(count: trained + stored, allocator: allocator)
        gradientMemory = try Buffer(count: trained + Collective.tail, allocator: allocator)
        momentum = try Buffer(count: trained, allocator: allocator)
        squares = try Buffer(count: keepsSquares ? trained : 0, allocator: allocator)
        values.elements.update(repeating: 0)
        gradientMemory.elements.update(repeating: 0)
        momentum.elements.update(repeating: 0)
        squares.elements.update(repeating: 0)
    }

    /// `trainedCount`.
    var gradients: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: gradientMemory.base, count: trainedCount)
    }

    var bytes: Int { values.bytes + gradientMemory.bytes + momentum.bytes + squares.bytes }

    /// Room for a tensor behind those of its kind; its values are to be set.
    func add(_ name: String, dims: [Int], cells: Int = 1) throws(ULDorError) -> Tensor {
        let count = dims.reduce(1, *)
        let isTrained = Self.isTrained(name, rank: dims.count, trainableLayers)
        let offset = isTrained ? trainedUsed : storedUsed
        guard offset + count <= (isTrained ? trainedCount : values.count) else {
            throw ULDorError(.internal, "no room for tensor \(name)")
        }
        if isTrained { trainedUsed += count } else { storedUsed += count }
        let tensor = Tensor(name: name, dims: dims, offset: offset, count: count, isTrained: isTrained, cells: cells)
        tensors.append(tensor)
        return tensor
    }

    func pointer(_ tensor: Tensor) -> UnsafeMutablePointer<Float> { values.base + tensor.offset }

    /// nil for what does not learn.
    func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? {
        tensor.isTrained ? gradientMemory.base + tensor.offset : nil
    }

    /// Values of a tensor's layout here (its own, its gradient, its momentum) as files have them.
    func copy(_ tensor: Tensor, from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>) {
        guard tensor.cells > 1 else { return to.update(from: from, count: tensor.count) }
        let order = CellRow(channels: tensor.count / tensor.dims[0] / tensor.cells, cells: tensor.cells)
        for row in 0..<tensor.dims[0] { order.toFile(from + row * order.length, to + row * order.length) }
    }

    /// torchvision's resnet_fpn_backbone: batch norm never, the stem and the first stages only where asked for.
    static func isTrained(_ name: String, rank: Int, _ trainableLayers: Int) -> Bool {
        let prefix = "backbone.body."
        guard name.hasPrefix(prefix) else { return true }
        guard rank > 1 else { return false }
        let part = name.dropFirst(prefix.count)
        for (index, layer) in ["layer4.", "layer3.", "layer2.", "layer1.", "conv1."].enumerated() where part.hasPrefix(layer) {
            return index < trainableLayers
        }
        return false
    }
}
