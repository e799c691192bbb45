import ULDorKernels

extension Safetensors {
    /// Of each tensor of the detector so many values at its beginning and its end: a step of training changes some of them.
    private static let sampled = 32

    /// With the configuration that the file has.
    func fingerprint(
        of isPart: (String) -> Bool = Safetensors.isPart
    ) throws(ULDorError) -> Fingerprint {
        var text = GrowableBuffer<UInt8>(allocator: allocator)
        if let config { try decodeJSONString(config, into: &text) }
        return try fingerprint(config: UnsafeBufferPointer(text.elements), of: isPart)
    }

    /// Tells weights from others, at no cost worth mentioning; the same for F16 and F32 that hold the same values. `config`: the
    /// configuration's text.
    func fingerprint(
        config: UnsafeBufferPointer<UInt8>, of isPart: (String) -> Bool = Safetensors.isPart
    ) throws(ULDorError) -> Fingerprint {
        var print = Fingerprint()
        for byte in config { print.add(byte) }
        var bits: InlineArray<32, UInt32> = InlineArray(repeating: 0)
        for record in allRecords where record.type != TensorRecord.unread && isPart(printable(record.name)) {
            for byte in record.name { print.add(byte) }
            print.add(record.elements)
            let count = Swift.min(record.elements, Self.sampled)
            for first in [0, record.elements - count] {
                try read(record, first: first, count: count, into: &bits)
                for index in 0..<count { print.add(Int(bits[index])) }
            }
        }
        return print
    }

    /// `count` values, at most 32, as the bits of float32.
    private func read(
        _ record: TensorRecord, first: Int, count: Int, into bits: inout InlineArray<32, UInt32>
    ) throws(ULDorError) {
        let size = record.type == Int32(UK_F32) ? 4 : 2
        var stored: InlineArray<32, UInt32> = InlineArray(repeating: 0)
        try withUnsafeMutableBytesOf(&stored) { (bytes) throws(ULDorError) in
            try source.read(at: record.offset + first * size, length: count * size, into: bytes)
        }
        var values: InlineArray<32, Float> = InlineArray(repeating: 0)
        withUnsafeBytes(of: &stored) { from in
            withUnsafeMutableBytes(of: &values) { to in
                guard let from = from.baseAddress, let to = to.baseAddress else { return }
                _ = uk_to_float(record.type, from, Int64(count), to.assumingMemoryBound(to: Float.self))
            }
        }
        for index in 0..<count { bits[index] = values[index].bitPattern }
    }
}
