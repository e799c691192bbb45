/// Pixels of one image and its neighbours, read from files or lent by a host. Memory is used again by the next read.
public final class SliceVolume {
    private let allocator: Allocator
    private var pixels: GrowableBuffer<UInt16>
    /// Slices -reach...reach; nil where none was read.
    private var pointers: GrowableBuffer<UnsafeRawPointer?>
    /// Offsets that are to be read.
    private var wanted: GrowableBuffer<Bool>
    private var lent: (source: HostSource, index: Int, token: HostSource.Token)?
    /// What was read, for the pipeline; valid until the next read.
    public private(set) var description: ImageDescription?
    /// Held where the description is a host's to keep.
    private var dataset: Dataset?

    public init(allocator: Allocator) {
        self.allocator = allocator
        pixels = GrowableBuffer(allocator: allocator)
        pointers = GrowableBuffer(allocator: allocator)
        wanted = GrowableBuffer(allocator: allocator)
    }

    deinit { giveBack() }

    /// Gives back what a host lent.
    func giveBack() {
        description = nil
        if let lent { lent.source.release(lent.index, lent.token) }
        lent = nil
    }

    public static let largestReach = 1024

    /// uldor_dataset_read_image: all slices that are stored within `reach`.
    public static func read(_ dataset: Dataset, _ index: Int, reach: Int) throws(ULDorError) -> SliceVolume {
        let volume = SliceVolume(allocator: dataset.allocator)
        volume.dataset = dataset
        try volume.readAll(dataset, index, reach: reach)
        return volume
    }

    func readAll(_ dataset: Dataset, _ index: Int, reach: Int) throws(ULDorError) {
        try read(dataset, index, reach: reach, shift: 0) { _ in true }
    }

    /// Reads the slices of an image that `sampling` needs; its key slice moved by `shift` slices, or as many as are stored
    /// one after another.
    func read(_ dataset: Dataset, _ index: Int, _ sampling: SliceSampling, shift: Int) throws(ULDorError) {
        let reach = Swift.min(sampling.reach, Self.largestReach)
        try read(dataset, index, reach: reach, shift: shift) { offset in
            (0..<sampling.channels).contains {
                let source = sampling.source(ofChannel: $0)
                return source.near == offset || source.far == offset
            }
        }
    }

    private func read(
        _ dataset: Dataset, _ index: Int, reach: Int, shift: Int, _ needs: (Int) -> Bool
    ) throws(ULDorError) {
        giveBack()
        let image = dataset.image(index)
        switch dataset.storage {
        case .files(let files): try readFiles(dataset, index, image, files, reach: reach, shift: shift, needs)
        case .host(let source): try borrow(dataset, index, image, source, shift: shift)
        }
    }

    // MARK: Files

    private func readFiles(
        _ dataset: Dataset, _ index: Int, _ image: DatasetImage, _ files: SliceFiles, reach: Int, shift: Int,
        _ needs: (Int) -> Bool
    ) throws(ULDorError) {
        let series = dataset.texts.string(dataset.series.elements[image.series].name)
        func isStored(_ slice: Int) -> Bool { slice >= 0 && FilePath.exists(files.imagePath(series, slice)) }
        let key = Self.moved(image.slice, by: shift, isStored)
        guard key != image.slice || isStored(key) else { throw SliceFiles.missing(dataset.place(of: index)) }

        // Which slices there are, so that memory is taken for those alone.
        let depth = 2 * reach + 1
        try wanted.resize(depth)
        wanted.elements.update(repeating: false)
        wanted.elements[reach] = true
        for offset in -reach...reach where offset != 0 && needs(offset) {
            var present = offset
            while present != 0, !isStored(key + present) { present -= present.signum() }
            wanted.elements[reach + present] = true
        }
        let count = wanted.elements.reduce(0) { $0 + ($1 ? 1 : 0) }
        let area = try checkedProduct(image.width, image.height)
        try pixels.renew(try checkedProduct(area, count, of: "slices"))
        try pointers.resize(depth)
        pointers.elements.update(repeating: nil)
        guard let base = pixels.elements.baseAddress else { return }
        var slot = base
        for place in 0..<depth where wanted.elements[place] {
            let slice = key + place - reach, path = files.imagePath(series, slice)
            do throws(ULDorError) {
                guard
                    try SliceFiles.read(
                        path, bits: 16, width: image.width, height: image.height, into: slot, allocator: allocator)
                else { throw SliceFiles.missing(path) }
            } catch {
                // Which row asks for it, or for its neighbour.
                throw ULDorError(error.status, error.message + files.row(of: image))
            }
            pointers.elements[place] = UnsafeRawPointer(slot)
            slot += area
        }
        let table = pointers.elements.baseAddress.map { UnsafePointer($0) }
        description = ImageDescription(
            type: .uint16, width: image.window.width, height: image.window.height, depth: depth, keySlice: reach, data: nil,
            slices: table, dataBytes: area * 2, offset: 2 * (image.window.top * image.width + image.window.left), strideX: 2,
            strideY: 2 * image.width, strideZ: 0, slope: 1, intercept: -32768, spacingX: image.spacingX, spacingY: image.spacingY,
            sliceInterval: image.interval)
    }

    /// Moves on slice by slice, as long as there is one.
    private static func moved(_ slice: Int, by shift: Int, _ isStored: (Int) -> Bool) -> Int {
        var slice = slice, left = shift
        while left != 0, isStored(slice + left.signum()) {
            slice += left.signum()
            left -= left.signum()
        }
        return slice
    }

    // MARK: A host's

    private func borrow(
        _ dataset: Dataset, _ index: Int, _ image: DatasetImage, _ source: HostSource, shift: Int
    ) throws(ULDorError) {
        func at(_ error: ULDorError) -> ULDorError { ULDorError(error.status, "\(dataset.place(of: index)): \(error.message)") }
        do throws(ULDorError) {
            var (read, token) = try source.read(index)
            lent = (source, index, token)
            if read.spacingX == 0, read.spacingY == 0 { (read.spacingX, read.spacingY) = (image.spacingX, image.spacingY) }
            if read.sliceInterval == 0 { read.sliceInterval = image.interval }
            let checked = try read.validated(needsSpacing: false)
            guard checked.width == image.width, checked.height == image.height else {
                throw ULDorError(
                    .image, "\(checked.width) x \(checked.height) pixels, not \(image.width) x \(image.height) as described")
            }
            read.keySlice = Self.moved(checked.keySlice, by: shift) {
                (0..<checked.depth).contains($0) && checked.origin(ofSlice: $0) != nil
            }
            description = read
        } catch {
            giveBack()
            throw at(error)
        }
    }
}
