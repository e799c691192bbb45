extension Model {
    /// Writes the weights as they lie in memory, with what is needed to build the network around them: ``PackedFile`` reads it.
    public func savePacked(_ path: String) throws(ULDorError) {
        guard !isLearning else { throw ULDorError(.internal, "weights that learn are not packed") }
        let config = texts.config
        let header = PackedHeader(fingerprint: fingerprint, list: tensors, config: config.count, image: slab.imageBytes)
        var beginning = GrowableBuffer<UInt8>(allocator: allocator)
        try header.write(to: &beginning)
        try beginning.append(tensors.text.elements[...])
        for byte in config { try beginning.append(byte) }
        while beginning.count < header.imageOffset { try beginning.append(0) }
        let file = try AtomicFile(path)
        try file.write(UnsafeRawBufferPointer(beginning.elements))
        try slab.write(to: file)
        try file.commit()
    }
}
