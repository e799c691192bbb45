import ULDorKernels

/// A feature map: `batch` x `height` x `width` x `channels` float32, dense in C's layout, or in groups of channels
/// (``Execution/hiddenMap(_:_:_:_:)``). Memory is the arena's.
struct FeatureMap: BitwiseCopyable {
    var data: UnsafeMutablePointer<Float>
    var batch, height, width, channels: Int
    /// From UK_PANEL channels of all pixels to the next; 0: a pixel's channels lie together.
    let groupStride: Int

    init(data: UnsafeMutablePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, groupStride: Int = 0) {
        self.data = data
        (self.batch, self.height, self.width, self.channels) = (batch, height, width, channels)
        self.groupStride = groupStride
    }

    var pixels: Int { batch * height * width }
    var count: Int { pixels * channels }
    var isDense: Bool { groupStride == 0 }
    private var pixelStride: Int { groupStride > 0 ? Int(UK_PANEL) : channels }

    /// A dense map in the same memory, for what is read before the map itself is written.
    var dense: FeatureMap { FeatureMap(data: data, batch: batch, height: height, width: width, channels: channels) }

    /// `count` images from `first` on.
    func images(_ first: Int, _ count: Int) -> FeatureMap {
        var images = self
        images.data += first * height * width * pixelStride
        images.batch = count
        return images
    }

    var map: uk_map {
        uk_map(
            data: data, image_stride: Int64(height * width * pixelStride), row_stride: Int64(width * pixelStride),
            pixel_stride: Int64(pixelStride), height: Int32(height), width: Int32(width), group_stride: Int64(groupStride))
    }

    /// The memory of a map that will not be read any more, given out to others.
    struct ReusedMemory {
        private var data: UnsafeMutablePointer<Float>
        private var left: Int

        init(of map: FeatureMap) {
            data = map.data
            left = map.count
        }

        /// nil where there is not enough left.
        mutating func map(like other: FeatureMap) -> FeatureMap? {
            guard other.count <= left else { return nil }
            var map = other
            map.data = data
            // The next one begins a cache line, as all maps do.
            let line = Allocator.alignment / MemoryLayout<Float>.stride
            let taken = Swift.min((other.count + line - 1) / line * line, left)
            data += taken
            left -= taken
            return map
        }
    }
}
