extension Dataset {
    /// uldor_dataset_get_example: an example as named tensors, so that others can check it.
    public func exampleTensors(
        _ model: Model, _ index: Int, augmentation: Augmentation?, seed: UInt64, epoch: Int
    ) throws(ULDorError) -> TensorSet {
        let maker = try ExampleMaker(self, ExampleSettings(model.config.input))
        let example = try maker.example(index, augmentation: augmentation, seed: seed, epoch: epoch)
        let set = TensorSet(allocator: allocator)
        let size = example.size, channels = example.channels
        let (rows, columns) = (size.paddedHeight, size.paddedWidth)
        let area = rows * columns
        let input = try set.add("input", dims: [1, channels, rows, columns])
        for place in 0..<area {
            for channel in 0..<channels { input[channel * area + place] = example.input.elements[place * channels + channel] }
        }
        let sides = try set.add("size", dims: [2])
        (sides[0], sides[1]) = (Float(size.height), Float(size.width))
        let lesions = example.lesions.elements, count = lesions.count
        let boxes = try set.add("boxes", dims: [count, 4]), labels = try set.add("labels", dims: [count])
        let numbers = try set.add("lesions", dims: [count]), hasMask = try set.add("has_mask", dims: [count])
        let masks = try set.add("masks", dims: [count, rows, columns])
        masks.update(repeating: 0, count: count * area)
        for index in 0..<count {
            let lesion = lesions[index], region = lesion.region
            (boxes[4 * index], boxes[4 * index + 1]) = (lesion.box.x1, lesion.box.y1)
            (boxes[4 * index + 2], boxes[4 * index + 3]) = (lesion.box.x2, lesion.box.y2)
            labels[index] = Float(lesion.classIndex)
            numbers[index] = Float(maker.lesionNumbers.elements[index])
            hasMask[index] = region.isEmpty ? 0 : 1
            guard let mask = example.mask(lesion) else { continue }
            for y in 0..<region.height {
                let row = masks + index * area + (region.y + y) * columns + region.x
                for x in 0..<region.width { row[x] = Float(mask[y * region.width + x]) }
            }
        }
        return set
    }
}
