/// Sorts in place, without recursion and without allocating (the standard library's sort allocates). Not stable: `precedes`
/// must be a strict total order where the result has to be the same for every order of the input.
@inline(__always)
func heapSort<Element: BitwiseCopyable>(
    _ elements: UnsafeMutableBufferPointer<Element>, by precedes: (Element, Element) -> Bool
) {
    var end = elements.count
    var root = end / 2
    while end > 1 {
        // First the heap is built from the last parent down; then its top goes behind it, again and again.
        if root > 0 {
            root -= 1
        } else {
            end -= 1
            elements.swapAt(0, end)
        }
        var parent = root
        while true {
            var child = 2 * parent + 1
            guard child < end else { break }
            if child + 1 < end, precedes(elements[child], elements[child + 1]) { child += 1 }
            guard precedes(elements[parent], elements[child]) else { break }
            elements.swapAt(parent, child)
            parent = child
        }
    }
}
