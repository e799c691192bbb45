/// A finished mined file, for a trainer to learn from.
struct MinedFile {
    /// Bytes of a file, through an allocator.
    static func read(_ path: String, allocator: Allocator) throws(ULDorError) -> Buffer<UInt8> {
        var source: ByteSource?, failure: ULDorError?
        path.withCString {
            do throws(ULDorError) { source = try ByteSource(path: $0, memoryMap: false) } catch { failure = error }
        }
        guard let source else { throw failure ?? ULDorError(.io, "\(path): cannot open") }
        let bytes = try Buffer<UInt8>(count: source.count, allocator: allocator)
        try source.read(at: 0, length: source.count, into: UnsafeMutableRawPointer(bytes.base))
        return bytes
    }

    /// Reads a whole file. Where `data` or `model` is given, the first line must name it.
    static func parse(
        _ text: UnsafeBufferPointer<UInt8>, name: String, data: Fingerprint?, model: Fingerprint?, dataset: Dataset, split: Split,
        allocator: Allocator
    ) throws(ULDorError) -> MinedSet {
        var reader = MinedReader(text, name: name, dataset: dataset, split: split, allocator: allocator)
        let origin = try reader.origin()
        if let data { try reader.compare(origin, [("data", JSONText.quoted(data.hex))]) }
        if let model { try reader.compare(origin, [("model", JSONText.quoted(model.hex))]) }
        let mined = MinedSet(allocator: allocator)
        switch origin["boxes_only"] {
        case "true": mined.boxesOnly = true
        case "false": break
        default: throw ULDorError(.format, "\(name):1: boxes_only is not true or false")
        }
        while try reader.next(into: mined, isWhole: true) == .image {}
        guard !mined.detections.elements.contains(where: { $0.verdict == .candidate }) else {
            throw ULDorError(.format, "\(name): a candidate is neither chosen nor left out: the file is not finished")
        }
        return mined
    }
}
