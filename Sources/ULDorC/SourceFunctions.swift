import CULDor
import ULDorImpl

private var sourceDefaults: uldor_source {
    var source = uldor_source()
    source.struct_size = MemoryLayout<uldor_source>.size
    return source
}

@_cdecl("uldor_source_init")
public func sourceInit(_ source: UnsafeMutablePointer<uldor_source>?, _ structSize: Int) -> uldor_status {
    initialise(source, structSize, sourceDefaults, minimum: MemoryLayout<Int>.size, "source")
}

/// A callback's answer.
private func check(_ answer: Int32, _ function: StaticString, _ index: Int) throws(ULDorError) {
    guard answer == 0 else { throw ULDorError(.io, "source image \(index): source.\(function) returned \(answer)") }
}

@_cdecl("uldor_dataset_open_callbacks")
public func datasetOpenCallbacks(
    _ source: UnsafePointer<uldor_source>?, _ options: UnsafePointer<uldor_dataset_options>?,
    _ dataset: UnsafeMutablePointer<OpaquePointer?>?
) -> uldor_status {
    boundary { () throws(ULDorError) in
        let pointer = try require(source, "source"), dataset = try require(dataset, "dataset")
        let raw = try readStruct(pointer, defaults: sourceDefaults, minimum: MemoryLayout<Int>.size, "source")
        let options = try readDatasetOptions(options)
        guard options.csvPath == nil, options.imageDirectory == nil, options.maskDirectory == nil, options.boxesPath == nil,
            options.windowsPath == nil, !options.keepsNoisy, !options.addsUnmasked
        else { throw .invalidArgument("options: paths, keep_noisy and negatives are not for a source of callbacks") }
        dataset.pointee = try makeHandle(.dataset, try Dataset.open(try makeSource(raw), options))
    }
}

private func makeSource(_ raw: uldor_source) throws(ULDorError) -> HostSource {
    guard raw.count >= 0, raw.count < 1 << 31 else { throw .invalidArgument("source.count is \(raw.count)") }
    guard let describe = raw.describe else { throw .invalidArgument("source.describe is NULL") }
    guard let annotate = raw.annotate else { throw .invalidArgument("source.annotate is NULL") }
    guard let read = raw.read else { throw .invalidArgument("source.read is NULL") }
    let user = raw.user, release = raw.release
    var readMask: ((Int, Int, UnsafeMutablePointer<UInt8>, Int, Int) throws(ULDorError) -> Void)?
    if let function = raw.read_mask {
        readMask = { (index, lesion, out, width, height) throws(ULDorError) in
            try check(function(user, Int64(index), Int32(lesion), out, Int32(width), Int32(height)), "read_mask", index)
        }
    }
    return HostSource(
        count: Int(raw.count),
        describe: { (index) throws(ULDorError) in
            var image = uldor_source_image()
            image.struct_size = MemoryLayout<uldor_source_image>.size
            image.split = Int32(ULDOR_SPLIT_TRAIN)
            try check(describe(user, Int64(index), &image), "describe", index)
            return hostImage(image)
        },
        annotate: { (index, lesion) throws(ULDorError) in
            var annotation = uldor_source_lesion()
            annotation.struct_size = MemoryLayout<uldor_source_lesion>.size
            annotation.type = -1
            annotation.class_index = Int32(ULDOR_CLASS_LESION)
            try check(annotate(user, Int64(index), Int32(lesion), &annotation), "annotate", index)
            return hostLesion(annotation)
        },
        read: { (index) throws(ULDorError) in
            var image = imageWithDefaults()
            var token: UnsafeMutableRawPointer?
            try check(read(user, Int64(index), &image, &token), "read", index)
            do throws(ULDorError) {
                return (try readImage(&image), token)
            } catch {
                release?(user, Int64(index), token)
                throw error
            }
        },
        release: { index, token in release?(user, Int64(index), token) }, readMask: readMask)
}

private func hostImage(_ raw: uldor_source_image) -> HostSource.Image {
    var image = HostSource.Image()
    image.name = raw.name.map { String(cString: $0) }
    image.patient = raw.patient
    image.split = raw.split
    image.width = Int(raw.width)
    image.height = Int(raw.height)
    image.lesions = Int(raw.lesions)
    image.spacingX = raw.spacing_x_mm
    image.spacingY = raw.spacing_y_mm
    image.interval = raw.slice_interval_mm
    return image
}

private func hostLesion(_ raw: uldor_source_lesion) -> HostSource.Lesion {
    var lesion = HostSource.Lesion()
    if raw.has_box != 0 { lesion.box = (raw.x1, raw.y1, raw.x2, raw.y2) }
    if raw.has_recist != 0 {
        let r = raw.recist
        lesion.recist = [r.0, r.1, r.2, r.3, r.4, r.5, r.6, r.7]
    }
    lesion.hasMask = raw.has_mask != 0
    lesion.type = Int(raw.type)
    lesion.classIndex = Int(raw.class_index)
    return lesion
}
