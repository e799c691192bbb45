import ULDorKernels

/// A feature map in C's layout: `batch` x `height` x `width` x `channels` float32, dense. Memory is the arena's.
struct FeatureMap: BitwiseCopyable {
    var data: UnsafeMutablePointer<Float>
    var batch, height, width, channels: Int

    var pixels: Int { batch * height * width }
    var count: Int { pixels * channels }

    /// `count` images from `first` on.
    func images(_ first: Int, _ count: Int) -> FeatureMap {
        FeatureMap(data: data + first * height * width * channels, batch: count, height: height, width: width, channels: channels)
    }

    var map: uk_map {
        uk_map(
            data: data, image_stride: Int64(height * width * channels), row_stride: Int64(width * channels),
            pixel_stride: Int64(channels), height: Int32(height), width: Int32(width))
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
