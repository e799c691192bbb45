import Glibc

/// An ordered set of named, dense float32 tensors (uldor_tensors). Not thread-safe.
public final class TensorSet {
    public struct Entry: BitwiseCopyable {
        /// NUL-terminated, 64 bytes.
        public var name: UnsafeMutablePointer<CChar>
        public var data: UnsafeMutablePointer<Float>
        public var count: Int
        public var rank: Int32
        public var dims: (Int64, Int64, Int64, Int64)

        func dim(_ index: Int) -> Int {
            switch index {
            case 0: Int(dims.0)
            case 1: Int(dims.1)
            case 2: Int(dims.2)
            default: Int(dims.3)
            }
        }
    }

    static let nameCapacity = 64
    private let allocator: Allocator
    private var entries: GrowableBuffer<Entry>

    public init(allocator: Allocator) {
        self.allocator = allocator
        entries = GrowableBuffer(allocator: allocator)
    }

    deinit {
        for entry in entries.elements {
            allocator.deallocate(UnsafeMutableRawPointer(entry.name), bytes: Self.nameCapacity)
            allocator.deallocate(UnsafeMutableRawPointer(entry.data), bytes: Swift.max(entry.count, 1) * 4)
        }
    }

    public var count: Int { entries.count }
    public func entry(_ index: Int) -> Entry { entries.elements[index] }

    /// Appends a tensor and returns its values, not yet set. `name` is NUL-terminated and has at most 63 bytes.
    @discardableResult
    public func add(_ name: UnsafePointer<CChar>, dims: [Int]) throws(ULDorError) -> UnsafeMutablePointer<Float> {
        var count = 1
        for dim in dims { count = try checkedProduct(count, dim, of: "tensor") }
        let bytes = try checkedProduct(Swift.max(count, 1), 4, of: "tensor")
        try entries.reserve(entries.count + 1)
        let nameBytes = try allocator.allocate(bytes: Self.nameCapacity)
        let data: UnsafeMutableRawPointer
        do throws(ULDorError) {
            data = try allocator.allocate(bytes: bytes)
        } catch {
            allocator.deallocate(nameBytes, bytes: Self.nameCapacity)
            throw error
        }
        let characters = nameBytes.bindMemory(to: CChar.self, capacity: Self.nameCapacity)
        var length = 0
        while length < Self.nameCapacity - 1, name[length] != 0 {
            characters[length] = name[length]
            length += 1
        }
        characters[length] = 0
        let values = data.bindMemory(to: Float.self, capacity: Swift.max(count, 1))
        func dim(_ index: Int) -> Int64 { index < dims.count ? Int64(dims[index]) : 1 }
        try entries.append(
            Entry(name: characters, data: values, count: count, rank: Int32(dims.count), dims: (dim(0), dim(1), dim(2), dim(3))))
        return values
    }

    public func contains(_ name: UnsafePointer<CChar>) -> Bool { entries.elements.contains { strcmp($0.name, name) == 0 } }

    // MARK: For stages

    func add(_ name: String, dims: [Int]) throws(ULDorError) -> UnsafeMutablePointer<Float> {
        var result: Result<UnsafeMutablePointer<Float>, ULDorError> = .failure(.tooLarge(name))
        name.withCString { characters in
            do throws(ULDorError) { result = .success(try add(characters, dims: dims)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    func find(_ name: String) -> Entry? { entries.elements.first { String(cString: $0.name) == name } }

    /// The tensor of this name and shape (nil: any size).
    func require(_ name: String, _ shape: [Int?]) throws(ULDorError) -> Entry {
        guard let entry = find(name) else { throw .invalidArgument("inputs: tensor \(name) is missing") }
        let dims = (0..<Int(entry.rank)).map(entry.dim)
        guard dims.count == shape.count, zip(dims, shape).allSatisfy({ $1 == nil || $0 == $1 }) else {
            throw .invalidArgument(
                "inputs: tensor \(name) has shape \(dims), expected \(shape.map { $0.map(String.init) ?? "any" })")
        }
        return entry
    }
}
