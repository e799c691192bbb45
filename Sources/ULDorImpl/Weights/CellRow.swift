import ULDorKernels

/// A row of a fully connected layer on a feature map: files have channels x cells (torch's flatten), the layer reads cells x channels.
struct CellRow {
    let channels, cells: Int

    var length: Int { channels * cells }

    private func map(_ row: UnsafeMutablePointer<Float>) -> uk_map {
        uk_map(
            data: row, image_stride: 0, row_stride: 0, pixel_stride: Int64(channels), height: 1, width: Int32(cells),
            group_stride: 0)
    }

    func fromFile(_ file: UnsafePointer<Float>, to row: UnsafeMutablePointer<Float>) {
        var map = map(row)
        uk_from_planes(file, Int32(channels), &map)
    }

    func toFile(_ row: UnsafePointer<Float>, _ file: UnsafeMutablePointer<Float>) {
        var map = map(UnsafeMutablePointer(mutating: row))
        uk_to_planes(&map, Int32(channels), file)
    }
}
