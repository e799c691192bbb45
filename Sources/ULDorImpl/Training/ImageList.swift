/// The images of a split, and what tells them from those of another data set.
final class ImageList {
    let source: any ExampleSource
    /// Indices in the source.
    let indices: GrowableBuffer<Int>
    /// Of names, splits and annotations; pixels are not looked at.
    let fingerprint: Fingerprint

    /// `limit` 0: all.
    init(_ source: any ExampleSource, split: Split?, limit: Int, allocator: Allocator) throws(ULDorError) {
        var indices = GrowableBuffer<Int>(allocator: allocator)
        var print = Fingerprint()
        if let split {
            for index in 0..<source.count where source.split(of: index) == split {
                guard limit == 0 || indices.count < limit else { break }
                try indices.append(index)
                print.add(index)
                print.add(source.name(of: index))
                (source as? DatasetExamples)?.addAnnotations(of: index, to: &print)
            }
        }
        self.source = source
        self.indices = indices
        fingerprint = print
    }

    var count: Int { indices.count }
    subscript(place: Int) -> Int { indices.elements[place] }
}

extension DatasetExamples {
    /// What an example's annotations are made from.
    func addAnnotations(of index: Int, to print: inout Fingerprint) {
        let image = dataset.image(index)
        for number in [image.width, image.height, image.window.left, image.window.top, image.window.width, image.window.height] {
            print.add(number)
        }
        for number in [image.spacingX, image.spacingY, image.interval] { print.add(number) }
        print.add(Int(dataset.options.masks.rawValue))
        for number in 0..<image.lesionCount {
            let lesion = dataset.lesion(image, number)
            for value in [lesion.x1, lesion.y1, lesion.x2, lesion.y2] { print.add(value) }
            if lesion.hasRecist { for place in 0..<8 { print.add(lesion.recist[place]) } }
            print.add(lesion.classIndex)
        }
    }
}
