/// Given masks of one image's lesions: a PNG's components, or what a host writes. Memory is used again by the next image.
final class GivenMasks {
    private let allocator: Allocator
    private var bytes: GrowableBuffer<UInt8>
    /// 0: unset, else the number of the component.
    private var labels: GrowableBuffer<Int32>
    private var components: GrowableBuffer<Component>
    private var stack: GrowableBuffer<Int32>
    private var width = 0, height = 0
    private var dataset: Dataset?
    private var index = -1

    /// A mask in pixels of the image: set where `labels` is `label`.
    struct Mask {
        let labels: UnsafePointer<Int32>
        let label: Int32
        let width, height: Int
        /// Around what is set.
        let x1, y1, x2, y2: Int

        func isSet(_ x: Int, _ y: Int) -> Bool { labels[y * width + x] == label }
    }

    private struct Component: BitwiseCopyable {
        var x1, y1, x2, y2: Int
    }

    init(allocator: Allocator) {
        self.allocator = allocator
        bytes = GrowableBuffer(allocator: allocator)
        labels = GrowableBuffer(allocator: allocator)
        components = GrowableBuffer(allocator: allocator)
        stack = GrowableBuffer(allocator: allocator)
    }

    /// Makes the masks of an image known; those of a file are read here.
    func begin(_ dataset: Dataset, _ index: Int) throws(ULDorError) {
        let image = dataset.image(index)
        self.dataset = dataset
        self.index = index
        (width, height) = (image.window.width, image.window.height)
        components.removeAll()
        guard case .files(let files) = dataset.storage,
            let path = files.maskPath(dataset.texts.string(dataset.series.elements[image.series].name), image.slice)
        else { return }
        try bytes.renew(try checkedProduct(image.width, image.height))
        guard let base = bytes.elements.baseAddress,
            try SliceFiles.read(path, bits: 8, width: image.width, height: image.height, into: base, allocator: allocator)
        else { return }
        try labels.renew(try checkedProduct(width, height))
        for y in 0..<height {
            let row = (image.window.top + y) * image.width + image.window.left
            // -1: set, and no component's yet.
            for x in 0..<width { labels.elements[y * width + x] = bytes.elements[row + x] > 127 ? -1 : 0 }
        }
        try findComponents()
    }

    /// The mask of a lesion; nil where it has none. Valid until the next one is asked for.
    func mask(of lesion: DatasetLesion) throws(ULDorError) -> Mask? {
        guard let dataset, lesion.hasGivenMask else { return nil }
        if case .host(let source) = dataset.storage { return try hostMask(source, lesion) }
        var best: (label: Int, overlap: Double)?
        var box = lesion
        for label in components.elements.indices {
            let bounds = components.elements[label]
            (box.x1, box.y1, box.x2, box.y2) = (Double(bounds.x1), Double(bounds.y1), Double(bounds.x2), Double(bounds.y2))
            let overlap = box.overlap(lesion)
            if overlap > (best?.overlap ?? 0) { best = (label, overlap) }
        }
        guard let best, let base = labels.elements.baseAddress else { return nil }
        let bounds = components.elements[best.label]
        return Mask(
            labels: UnsafePointer(base), label: Int32(best.label + 1), width: width, height: height, x1: bounds.x1, y1: bounds.y1,
            x2: bounds.x2, y2: bounds.y2)
    }

    private func hostMask(_ source: HostSource, _ lesion: DatasetLesion) throws(ULDorError) -> Mask? {
        guard let readMask = source.readMask else { return nil }
        let area = try checkedProduct(width, height)
        try bytes.renew(area)
        try labels.renew(area)
        guard let from = bytes.elements.baseAddress, let base = labels.elements.baseAddress else { return nil }
        from.update(repeating: 0, count: area)
        try readMask(index, lesion.line, from, width, height)
        var bounds = Component(x1: width, y1: height, x2: 0, y2: 0)
        for y in 0..<height {
            for x in 0..<width {
                let isSet = from[y * width + x] != 0
                base[y * width + x] = isSet ? 1 : 0
                if isSet { Self.extend(&bounds, x, y) }
            }
        }
        guard bounds.x2 > 0 else { return nil }
        return Mask(
            labels: UnsafePointer(base), label: 1, width: width, height: height, x1: bounds.x1, y1: bounds.y1, x2: bounds.x2,
            y2: bounds.y2)
    }

    // MARK: Components, 8-connected

    private func findComponents() throws(ULDorError) {
        for start in labels.elements.indices where labels.elements[start] < 0 {
            let label = Int32(components.count + 1)
            var bounds = Component(x1: width, y1: height, x2: 0, y2: 0)
            labels.elements[start] = label
            stack.removeAll()
            try stack.append(Int32(start))
            while let place = stack.elements.last {
                try stack.resize(stack.count - 1)
                let (y, x) = Int(place).quotientAndRemainder(dividingBy: width)
                Self.extend(&bounds, x, y)
                for ny in Swift.max(y - 1, 0)...Swift.min(y + 1, height - 1) {
                    for nx in Swift.max(x - 1, 0)...Swift.min(x + 1, width - 1) where labels.elements[ny * width + nx] < 0 {
                        labels.elements[ny * width + nx] = label
                        try stack.append(Int32(ny * width + nx))
                    }
                }
            }
            try components.append(bounds)
        }
    }

    private static func extend(_ bounds: inout Component, _ x: Int, _ y: Int) {
        bounds.x1 = Swift.min(bounds.x1, x)
        bounds.y1 = Swift.min(bounds.y1, y)
        bounds.x2 = Swift.max(bounds.x2, x + 1)
        bounds.y2 = Swift.max(bounds.y2, y + 1)
    }
}
