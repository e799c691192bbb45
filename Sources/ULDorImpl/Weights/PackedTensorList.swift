/// Names and shapes of the tensors that a network is made of, as a safetensors header of float32: what a network can be built
/// from once more when its values are packed.
struct PackedTensorList: ~Copyable {
    private(set) var text: GrowableBuffer<UInt8>
    private(set) var tensorBytes = 0

    /// The tensors that were taken.
    init(_ file: Safetensors) throws(ULDorError) {
        text = GrowableBuffer(allocator: file.allocator)
        try append("{")
        for record in file.allRecords where record.isUsed {
            let (end, overflow) = tensorBytes.addingReportingOverflow(try checkedProduct(record.elements, 4))
            guard !overflow else { throw .tooLarge(printable(record.name)) }
            try append(tensorBytes == 0 ? "\"" : ",\"")
            // As it stands in the other header, escapes and all.
            for byte in record.name { try text.append(byte) }
            try append("\":{\"dtype\":\"F32\",\"shape\":[")
            for index in 0..<Swift.min(record.rank, 4) {
                if index > 0 { try append(",") }
                try append(record.dim(index))
            }
            try append("],\"data_offsets\":[")
            try append(tensorBytes)
            try append(",")
            try append(end)
            try append("]}")
            tensorBytes = end
        }
        try append("}")
    }

    private mutating func append(_ piece: StaticString) throws(ULDorError) {
        for index in 0..<piece.utf8CodeUnitCount { try text.append(piece.utf8Start[index]) }
    }

    private mutating func append(_ number: Int) throws(ULDorError) {
        for byte in String(number).utf8 { try text.append(byte) }
    }
}
