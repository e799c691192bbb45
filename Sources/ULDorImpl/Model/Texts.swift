/// A model's strings as NUL-terminated UTF-8 that C can hold on to.
final class Texts {
    private let storage: GrowableBuffer<UInt8>
    private let offsets: [Int]
    private let hasConfig: Bool

    init(
        _ config: ModelConfig, configText: UnsafeBufferPointer<UInt8>, allocator: Allocator
    ) throws(ULDorError) {
        var storage = GrowableBuffer<UInt8>(allocator: allocator)
        var offsets: [Int] = []
        for text in [config.name, config.version, config.license, config.description] {
            offsets.append(storage.count)
            for byte in text.utf8 { try storage.append(byte) }
            try storage.append(0)
        }
        offsets.append(storage.count)
        if configText.isEmpty { for byte in "{}".utf8 { try storage.append(byte) } }
        for byte in configText { try storage.append(byte) }
        try storage.append(0)
        for text in config.classes {
            offsets.append(storage.count)
            for byte in text.utf8 { try storage.append(byte) }
            try storage.append(0)
        }
        hasConfig = !configText.isEmpty
        self.storage = storage
        self.offsets = offsets
    }

    var memoryBytes: Int { storage.bytes }

    func general(_ which: Int) -> UnsafePointer<CChar>? { (0..<5).contains(which) ? text(which) : nil }

    /// The configuration as it was given, empty where none was.
    var config: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: storage.elements[offsets[4]..<(hasConfig ? offsets[5] - 1 : offsets[4])])
    }

    func className(_ index: Int) -> UnsafePointer<CChar>? {
        (0..<(offsets.count - 5)).contains(index) ? text(index + 5) : nil
    }

    private func text(_ index: Int) -> UnsafePointer<CChar>? {
        guard let base = storage.elements.baseAddress else { return nil }
        return UnsafeRawPointer(base + offsets[index]).assumingMemoryBound(to: CChar.self)
    }
}
