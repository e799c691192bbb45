import ULDorKernels

/// Bytes [begin, end) of the data section.
struct ByteSpan: BitwiseCopyable {
    var begin, end: Int
}

/// Reads and checks the entries of a safetensors header.
struct HeaderParser {
    let name: String
    let dataBytes: Int
    let dataOffset: Int

    /// The raw string under `wanted`, nil where there is none.
    func metadata(
        _ json: borrowing JSONDocument, _ value: Int, _ wanted: StaticString
    ) throws(ULDorError) -> UnsafeBufferPointer<UInt8>? {
        guard json.isObject(value) else { throw ULDorError(.format, "\(name): __metadata__ is not an object") }
        var found: UnsafeBufferPointer<UInt8>?
        var key = json.firstChild(value)
        for _ in 0..<json.childCount(value) {
            guard json.isString(key + 1) else {
                throw ULDorError(.format, "\(name): __metadata__ has a value that is not a string")
            }
            if json.equals(key, wanted) {
                guard found == nil else { throw ULDorError(.format, "\(name): __metadata__ has two values for \(wanted)") }
                found = json.raw(key + 1)
            }
            key = json.nextKey(after: key)
        }
        return found
    }

    /// The tensor under `key`, and its bytes. One of a storage type that is not read is kept: an error should say so, not that
    /// the tensor is missing.
    func tensor(_ json: borrowing JSONDocument, _ key: Int) throws(ULDorError) -> (TensorRecord, ByteSpan) {
        let bytes = json.raw(key)
        func bad(_ what: String) -> ULDorError { ULDorError(.format, "\(name): tensor \(printable(bytes)): \(what)") }
        let value = key + 1
        guard json.isObject(value) else { throw bad("its entry is not an object") }
        var dtype = -1, shape = -1, offsets = -1
        var field = json.firstChild(value)
        for _ in 0..<json.childCount(value) {
            func take(_ key: StaticString, _ place: inout Int) throws(ULDorError) {
                guard json.equals(field, key) else { return }
                guard place < 0 else { throw bad("\(key) appears twice") }
                place = field + 1
            }
            try take("dtype", &dtype)
            try take("shape", &shape)
            try take("data_offsets", &offsets)
            field = json.nextKey(after: field)
        }
        guard dtype >= 0, json.isString(dtype) else { throw bad("no dtype") }
        guard shape >= 0, json.isArray(shape) else { throw bad("no shape") }
        guard offsets >= 0, json.isArray(offsets), json.childCount(offsets) == 2 else { throw bad("no data_offsets") }

        let first = json.firstChild(offsets)
        guard let begin = json.natural(first), let end = json.natural(json.next(after: first)) else {
            throw bad("data_offsets are not two natural numbers")
        }
        guard begin <= end, end <= dataBytes else { throw bad("its data, bytes \(begin)..\(end), are not within the file") }

        let rank = json.childCount(shape)
        var dims = [1, 1, 1, 1]
        var elements = 1
        var item = json.firstChild(shape)
        for index in 0..<rank {
            guard let dim = json.natural(item) else { throw bad("its shape has something else than natural numbers") }
            let (product, overflow) = elements.multipliedReportingOverflow(by: dim)
            guard !overflow else { throw bad("its shape overflows") }
            elements = product
            if index < 4 { dims[index] = dim }
            item = json.next(after: item)
        }
        let span = ByteSpan(begin: begin, end: end)
        var record = TensorRecord(
            name: bytes, type: TensorRecord.unread, rank: rank, dims: (dims[0], dims[1], dims[2], dims[3]),
            offset: dataOffset + begin, elements: elements)
        guard let (type, size) = Self.storage(json, dtype) else { return (record, span) }
        record.type = type
        let (needed, overflow) = elements.multipliedReportingOverflow(by: size)
        guard !overflow, needed == end - begin else {
            throw bad("its shape needs \(overflow ? "too many" : "\(needed)") bytes, its data_offsets give \(end - begin)")
        }
        return (record, span)
    }

    private static func storage(_ json: borrowing JSONDocument, _ dtype: Int) -> (type: Int32, size: Int)? {
        if json.equals(dtype, "F32") { return (Int32(UK_F32), 4) }
        if json.equals(dtype, "F16") { return (Int32(UK_F16), 2) }
        if json.equals(dtype, "BF16") { return (Int32(UK_BF16), 2) }
        return nil
    }

    /// Sorts by name, for binary search; a name that stands twice is an error.
    func sort(_ records: UnsafeMutableBufferPointer<TensorRecord>) throws(ULDorError) {
        heapSort(records) { $0.name.lexicographicallyPrecedes($1.name) }
        for index in 1..<Swift.max(records.count, 1) where records[index].name.elementsEqual(records[index - 1].name) {
            throw ULDorError(.format, "\(name): tensor \(printable(records[index].name)) appears twice")
        }
    }

    /// Tensors neither overlap nor leave bytes between or after them.
    func check(_ spans: inout Buffer<ByteSpan>, _ count: Int) throws(ULDorError) {
        heapSort(UnsafeMutableBufferPointer(start: spans.base, count: count)) { ($0.begin, $0.end) < ($1.begin, $1.end) }
        var position = 0
        for index in 0..<count {
            let span = spans.base[index]
            guard span.begin >= position else {
                throw ULDorError(.format, "\(name): two tensors share the bytes from \(span.begin)")
            }
            guard span.begin == position else {
                throw ULDorError(.format, "\(name): bytes \(position)..\(span.begin) belong to no tensor")
            }
            position = span.end
        }
        guard position == dataBytes else {
            throw ULDorError(.format, "\(name): \(dataBytes - position) bytes at the end belong to no tensor")
        }
    }
}
