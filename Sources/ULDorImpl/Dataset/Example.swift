/// What the detector learns from or is evaluated on: one network input and the lesions in it.
///
/// Filled by a dataset, on any thread, and handed over whole; memory is its own, so that examples may be made ahead of need.
final class Example {
    /// Which image of its dataset it is: what draws are keyed by (``SeededRandom``).
    let index: Int
    let channels: Int
    /// Before and after zero padding.
    let size: InputSize
    /// 1 x padded height x padded width x channels, normalised (docs/input.md): what the network sees.
    let input: Buffer<Float>
    private(set) var lesions: GrowableBuffer<Lesion>
    private var masks: GrowableBuffer<UInt8>

    /// An annotated lesion, in pixels of the network's input, already moved with crop, scale and augmentation.
    struct Lesion: BitwiseCopyable {
        /// Clipped to the unpadded input.
        var box: Box
        /// 1: lesion, 2: false positive (a mined negative).
        var classIndex: Int32
        /// Where its mask lies; empty: it has none, and takes no part in the mask loss.
        var region: MaskRegion
        fileprivate(set) var maskOffset = 0

        init(box: Box, classIndex: Int32 = 1, region: MaskRegion = MaskRegion()) {
            self.box = box
            self.classIndex = classIndex
            self.region = region
        }
    }

    /// Pixels [x, x + width) x [y, y + height) of the input; outside of it a mask is 0. Within the unpadded input.
    struct MaskRegion: BitwiseCopyable {
        var x = 0, y = 0, width = 0, height = 0
        var isEmpty: Bool { width == 0 || height == 0 }
    }

    init(index: Int, channels: Int, size: InputSize, allocator: Allocator) throws(ULDorError) {
        self.index = index
        self.channels = channels
        self.size = size
        input = try Buffer(
            count: try checkedProduct(size.paddedHeight, size.paddedWidth, channels, of: "input"), allocator: allocator)
        lesions = GrowableBuffer(allocator: allocator)
        masks = GrowableBuffer(allocator: allocator)
    }

    /// Appends a lesion. Returns its mask's bytes, row by row (0 or 1, all of them to be set); nil where its region is empty.
    @discardableResult
    func append(_ lesion: Lesion) throws(ULDorError) -> UnsafeMutablePointer<UInt8>? {
        var lesion = lesion
        lesion.maskOffset = masks.count
        try masks.resize(masks.count + (try checkedProduct(lesion.region.width, lesion.region.height, of: "mask")))
        try lesions.append(lesion)
        return mask(lesion).map { UnsafeMutablePointer(mutating: $0) }
    }

    /// A lesion's mask, region.height x region.width bytes; valid until the next lesion is appended.
    func mask(_ lesion: Lesion) -> UnsafePointer<UInt8>? {
        guard !lesion.region.isEmpty, let base = masks.elements.baseAddress else { return nil }
        return UnsafePointer(base + lesion.maskOffset)
    }
}
