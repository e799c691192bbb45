import CULDor
import ULDorImpl

private var imageDefaults: uldor_image {
    var image = uldor_image()
    image.struct_size = MemoryLayout<uldor_image>.size
    image.type = Int32(ULDOR_INT16)
    image.depth = 1
    image.slope = 1
    return image
}

@_cdecl("uldor_image_init")
public func imageInit(_ image: UnsafeMutablePointer<uldor_image>?, _ structSize: Int) -> uldor_status {
    initialise(image, structSize, imageDefaults, minimum: MemoryLayout<Int>.size, "image")
}

func imageWithDefaults() -> uldor_image { imageDefaults }

func readImage(_ pointer: UnsafePointer<uldor_image>?) throws(ULDorError) -> ImageDescription {
    let pointer = try require(pointer, "image")
    let raw = try readStruct(pointer, defaults: imageDefaults, minimum: MemoryLayout<Int>.size, "image")
    guard raw.reserved == 0 else { throw .invalidArgument("image.reserved is \(raw.reserved), not 0") }
    guard let type = ImageDescription.PixelType(rawValue: raw.type) else {
        throw ULDorError(.image, "image.type is \(raw.type), not one of ULDOR_INT16, ULDOR_UINT16, ULDOR_FLOAT32")
    }
    return ImageDescription(
        type: type, width: Int(raw.width), height: Int(raw.height), depth: Int(raw.depth), keySlice: Int(raw.key_slice),
        data: raw.data, slices: raw.slices, dataBytes: raw.data_bytes, offset: raw.offset_bytes, strideX: raw.stride_x_bytes,
        strideY: raw.stride_y_bytes, strideZ: raw.stride_z_bytes, slope: raw.slope, intercept: raw.intercept,
        spacingX: raw.spacing_x_mm, spacingY: raw.spacing_y_mm, sliceInterval: raw.slice_interval_mm)
}
