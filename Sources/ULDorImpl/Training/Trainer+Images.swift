/// Where a step's images come from.
extension Trainer {
    func currentLoader() throws(ULDorError) -> ExampleLoader {
        if let feed, feed.epoch == state.epoch, feed.step == state.step { return feed.loader }
        feed = nil
        let order = try schedule.order(epoch: state.epoch, allocator: options.allocator)
        let loader = try loader(train, epoch: state.epoch, augmentation: options.augmentation) { (add) throws(ULDorError) in
            for step in state.step..<schedule.steps {
                for share in schedule.shares(step: step) { for place in share { try add(order.elements[place]) } }
            }
        }
        feed = (loader, state.epoch, state.step)
        return loader
    }

    /// Decodes the images at the places of the list that `fill` adds.
    func loader(
        _ images: ImageList, epoch: Int, augmentation: Augmentation?,
        _ fill: ((Int) throws(ULDorError) -> Void) throws(ULDorError) -> Void
    ) throws(ULDorError) -> ExampleLoader {
        var requests = GrowableBuffer<ExampleLoader.Request>(allocator: options.allocator)
        try fill { (place) throws(ULDorError) in try requests.append(ExampleLoader.Request(index: images[place], epoch: epoch)) }
        // Validation and calibration never see hard negatives.
        var source = images.source
        if images === train, augmentation != nil, let mined, let plain = source as? DatasetExamples {
            source = plain.adding(mined.set)
        }
        return try ExampleLoader(
            source, requests: UnsafeBufferPointer(requests.elements), augmentation: augmentation, seed: options.seed,
            threads: options.loaderThreads, ahead: Swift.max(options.batch, options.loaderThreads), allocator: options.allocator)
    }

    /// nil for an image that cannot be read, where those are skipped.
    func next(_ loader: ExampleLoader) throws(ULDorError) -> Example? {
        do throws(ULDorError) {
            guard let example = try loader.next() else { throw ULDorError(.internal, "there are fewer images than the step has") }
            return example
        } catch {
            let isBad = error.status == .io || error.status == .format || error.status == .image || error.status == .degenerate
            guard options.skipsBadImages, isBad else { throw error }
            options.warn("left out: \(error.message)")
            return nil
        }
    }
}
