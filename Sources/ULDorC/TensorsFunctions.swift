import CULDor
import ULDorImpl

@_cdecl("uldor_tensors_create")
public func tensorsCreate(
    _ allocator: UnsafePointer<uldor_allocator>?, _ tensors: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let tensors = try require(tensors, "tensors")
        tensors.pointee = try makeHandle(.tensors, TensorSet(allocator: try readAllocator(allocator) ?? .system))
    }
}

@_cdecl("uldor_tensors_free")
public func tensorsFree(_ tensors: OpaquePointer?) -> uldor_status {
    boundary { () throws(ULDorError) in if tensors != nil { try dropHandle(tensors, .tensors, "tensors") } }
}

@_cdecl("uldor_tensors_add")
public func tensorsAdd(
    _ tensors: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ data: UnsafePointer<Float>?, _ rank: Int32,
    _ dims: UnsafePointer<Int64>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let tensors: TensorSet = try object(tensors, .tensors, "tensors")
        let name = try require(name, "name"), data = try require(data, "data"), dims = try require(dims, "dims")
        guard (1...4).contains(rank) else { throw .invalidArgument("rank is \(rank), not within 1...4") }
        var length = 0
        while length < 64, name[length] != 0 { length += 1 }
        guard (1..<64).contains(length) else { throw .invalidArgument("name has \(length < 64 ? "no" : "more than 63") bytes") }
        guard !tensors.contains(name) else { throw .invalidArgument("name \(String(cString: name)) is in tensors already") }
        var sizes: [Int] = []
        var count = 1
        for index in 0..<Int(rank) {
            let size = Int(dims[index])
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard (0...1 << 32).contains(size), !overflow else {
                throw .invalidArgument("dims[\(index)] is \(dims[index]): negative or too large")
            }
            count = product
            sizes.append(size)
        }
        try tensors.add(name, dims: sizes).update(from: data, count: count)
    }
}

@_cdecl("uldor_tensors_get_count")
public func tensorsGetCount(_ tensors: OpaquePointer?, _ count: UnsafeMutablePointer<Int32>?) -> uldor_status {
    boundary { () throws(ULDorError) in
        let tensors: TensorSet = try object(tensors, .tensors, "tensors"), count = try require(count, "count")
        count.pointee = Int32(clamping: tensors.count)
    }
}

@_cdecl("uldor_tensors_get")
public func tensorsGet(
    _ tensors: OpaquePointer?, _ index: Int32, _ tensor: UnsafeMutablePointer<uldor_tensor>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let tensors: TensorSet = try object(tensors, .tensors, "tensors"), tensor = try require(tensor, "tensor")
        let entry = tensors.entry(try requireIndex(index, tensors.count, "index"))
        var value = uldor_tensor()
        value.name = UnsafePointer(entry.name)
        value.data = UnsafePointer(entry.data)
        value.rank = entry.rank
        value.dims = entry.dims
        try writeStruct(value, to: tensor, minimum: MemoryLayout<Int>.size, "tensor")
    }
}
