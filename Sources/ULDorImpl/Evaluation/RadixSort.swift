/// Sorts by a 64-bit key, ascending and stable, in time linear in the number of elements; `scratch` has as many. Bytes that all keys
/// share cost nothing.
func radixSort<Element: BitwiseCopyable>(
    _ elements: UnsafeMutableBufferPointer<Element>, scratch: UnsafeMutableBufferPointer<Element>, key: (Element) -> UInt64
) {
    var from = elements, to = scratch
    for byte in stride(from: UInt64(0), to: 64, by: 8) {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { places in
            places.initialize(repeating: 0)
            for element in from { places[Int(key(element) >> byte & 255)] += 1 }
            if let first = from.first, places[Int(key(first) >> byte & 255)] == from.count { return }
            var next = 0
            for value in 0..<256 { (places[value], next) = (next, next + places[value]) }
            for element in from {
                let value = Int(key(element) >> byte & 255)
                to[places[value]] = element
                places[value] += 1
            }
            swap(&from, &to)
        }
    }
    if let base = elements.baseAddress, let sorted = from.baseAddress, sorted != base {
        base.update(from: sorted, count: elements.count)
    }
}
