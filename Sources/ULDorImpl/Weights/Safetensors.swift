import ULDorKernels

/// A tensor's storage type and its bytes within the file.
struct TensorRecord: BitwiseCopyable {
    var name: UnsafeBufferPointer<UInt8>
    /// UK_F32, UK_F16, UK_BF16 or ``unread``.
    var type: Int32
    static let unread: Int32 = -1
    /// Of a rank above 4, only the first four dimensions are kept.
    var rank: Int
    var dims: (Int, Int, Int, Int)
    var offset: Int
    var elements: Int
    /// Whether the network has taken it.
    var isUsed = false

    /// Dimension `index`, 1 past the rank.
    func dim(_ index: Int) -> Int {
        switch index {
        case 0: dims.0
        case 1: dims.1
        case 2: dims.2
        default: dims.3
        }
    }
}

/// The header of a safetensors file, checked: every tensor's bytes lie within the file, none overlap, no byte is
/// left over (the format's own rules).
final class Safetensors {
    /// Eight times what the largest ResNet needs; a bound on the memory that a hostile header can ask for.
    static let maximalHeader = 16 << 20
    static let maximalTensors = 1 << 16

    let source: ByteSource
    let allocator: Allocator
    private let header: Buffer<UInt8>
    /// Sorted by name.
    private let records: Buffer<TensorRecord>
    private let recordCount: Int
    /// The raw JSON string under `__metadata__`.`uldor`.
    let config: UnsafeBufferPointer<UInt8>?
    /// That under `__metadata__`.`uldor_training`: a checkpoint's.
    let training: UnsafeBufferPointer<UInt8>?

    convenience init(_ source: ByteSource, allocator: Allocator) throws(ULDorError) {
        let header = try Self.readHeader(source, allocator), data = 8 + header.count
        try self.init(source, header: header, dataBytes: source.count - data, dataOffset: data, allocator: allocator)
    }

    /// `dataBytes` at `dataOffset` are the tensors'.
    init(
        _ source: ByteSource, header: consuming Buffer<UInt8>, dataBytes: Int, dataOffset: Int, allocator: Allocator
    ) throws(ULDorError) {
        let text = UnsafeBufferPointer(header.elements)
        let json = try JSONDocument.parse(text, allocator: allocator, what: "\(source.name): the header")
        guard json.isObject(JSONDocument.root) else { throw ULDorError(.format, "\(source.name): the header is not an object") }
        let entries = json.childCount(JSONDocument.root)
        guard entries <= Self.maximalTensors else {
            throw ULDorError(.format, "\(source.name): more than \(Self.maximalTensors) tensors")
        }

        let records = try Buffer<TensorRecord>(count: entries, allocator: allocator)
        var spans = try Buffer<ByteSpan>(count: entries, allocator: allocator)

        let parser = HeaderParser(name: source.name, dataBytes: dataBytes, dataOffset: dataOffset)
        var config: UnsafeBufferPointer<UInt8>?, training: UnsafeBufferPointer<UInt8>?
        var hasMetadata = false
        var key = json.firstChild(JSONDocument.root)
        var count = 0
        for _ in 0..<entries {
            if json.equals(key, "__metadata__") {
                guard !hasMetadata else { throw ULDorError(.format, "\(source.name): __metadata__ appears twice") }
                hasMetadata = true
                config = try parser.metadata(json, key + 1, "uldor")
                training = try parser.metadata(json, key + 1, "uldor_training")
            } else {
                (records.base[count], spans.base[count]) = try parser.tensor(json, key)
                count += 1
            }
            key = json.nextKey(after: key)
        }
        try parser.check(&spans, count)
        try parser.sort(UnsafeMutableBufferPointer(start: records.base, count: count))

        self.source = source
        self.allocator = allocator
        self.config = config
        self.training = training
        self.recordCount = count
        self.header = header
        self.records = records
    }

    /// Sorted by name.
    var allRecords: Slice<UnsafeMutableBufferPointer<TensorRecord>> { records.elements.prefix(recordCount) }

    func find(_ name: String) -> TensorRecord? { place(of: name).map { records.base[$0] } }

    /// Whether any tensor's name begins so: then the layer is there, and a tensor that it lacks is missing.
    func containsAny(below prefix: String) -> Bool {
        var prefix = prefix
        return prefix.withUTF8 { bytes in
            allRecords.contains { $0.name.starts(with: bytes) }
        }
    }

    func markUsed(_ name: String) { if let place = place(of: name) { records.base[place].isUsed = true } }

    /// Name of a tensor of the detector's own parts that nothing has taken: a checkpoint of another network, or one that
    /// lacks the tensor which would have led there.
    func firstUnused() -> String? {
        for record in allRecords where !record.isUsed {
            let name = printable(record.name)
            if Self.isPart(name) { return name }
        }
        return nil
    }

    /// Whether a tensor of this name belongs to a detector, as torchvision names it.
    static func isPart(_ name: String) -> Bool {
        (name.hasPrefix("backbone.") || name.hasPrefix("rpn.") || name.hasPrefix("roi_heads."))
            && !name.hasSuffix(".num_batches_tracked")
    }

    private func place(of name: String) -> Int? {
        var name = name
        return name.withUTF8 { bytes in
            var low = 0
            var high = recordCount
            while low < high {
                let middle = (low + high) / 2
                if records.base[middle].name.lexicographicallyPrecedes(bytes) { low = middle + 1 } else { high = middle }
            }
            return low < recordCount && records.base[low].name.elementsEqual(bytes) ? low : nil
        }
    }

    private static func readHeader(_ source: ByteSource, _ allocator: Allocator) throws(ULDorError) -> Buffer<UInt8> {
        guard source.count >= 8 else {
            throw ULDorError(.format, "\(source.name): \(source.count) bytes are too few for a safetensors file")
        }
        var littleEndian: UInt64 = 0
        try withUnsafeMutableBytesOf(&littleEndian) { (bytes) throws(ULDorError) in
            try source.read(at: 0, length: 8, into: bytes)
        }
        let length = UInt64(littleEndian: littleEndian)
        guard !PackedHeader.isMagic(length) else {
            throw ULDorError(
                .unsupported, "\(source.name): packed weights only detect: training needs the file that they were packed from")
        }
        guard length >= 2, length <= UInt64(maximalHeader), Int(length) <= source.count - 8 else {
            throw ULDorError(.format, "\(source.name): not a safetensors file, or a damaged one (header length \(length))")
        }
        let header = try Buffer<UInt8>(count: Int(length), allocator: allocator)
        try source.read(at: 8, length: Int(length), into: UnsafeMutableRawPointer(header.base))
        guard header.base[0] == UInt8(ascii: "{") else {
            throw ULDorError(.format, "\(source.name): not a safetensors file (the header is not JSON)")
        }
        return header
    }
}

/// `withUnsafeMutableBytes` for a plain value, with a typed error.
func withUnsafeMutableBytesOf<Value: BitwiseCopyable>(
    _ value: inout Value, _ body: (UnsafeMutableRawPointer) throws(ULDorError) -> Void
) throws(ULDorError) {
    var failure: ULDorError?
    withUnsafeMutableBytes(of: &value) { bytes in
        guard let base = bytes.baseAddress else { return }
        do throws(ULDorError) { try body(base) } catch { failure = error }
    }
    if let failure { throw failure }
}
