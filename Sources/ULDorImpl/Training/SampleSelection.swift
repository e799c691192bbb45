/// Which anchors and regions of an image are learnt from: torchvision's assign_targets_to_anchors and
/// select_training_samples, with mined false positives as method, section 5 says.
struct SampleSelection {
    let anchors: Anchors
    let anchorSampler, regionSampler: BalancedSampler
    let proposals: Int
    private let anchorCoder = BoxCoder(weights: [1, 1, 1, 1])
    private let regionCoder: BoxCoder

    init(_ model: Model, _ options: LearnerOptions) {
        anchors = model.anchors
        anchorSampler = BalancedSampler(count: options.anchors, positiveFraction: options.anchorFraction)
        regionSampler = BalancedSampler(count: options.regions, positiveFraction: options.regionFraction)
        proposals = options.proposals
        regionCoder = BoxCoder(weights: model.config.boxWeights)
    }

    /// Room for any image's samples; while measuring they are said to be as many as there can be.
    func room(_ execution: Execution) throws(ULDorError) -> ImageSamples {
        ImageSamples(
            anchors: try execution.take(count: anchorSampler.count), anchorCount: anchorSampler.count,
            places: try execution.take(count: anchorSampler.count), placeCount: anchorSampler.count,
            boxes: try execution.take(count: regionSampler.count), regions: try execution.take(count: regionSampler.count),
            regionCount: regionSampler.count, maskCount: regionSampler.mostPositive)
    }

    /// `pyramid` gives the levels' sizes.
    func selectAnchors(
        _ pyramid: Pyramid, _ example: Example, random: SeededRandom, injected: InjectedSamples?,
        into samples: inout ImageSamples, _ execution: Execution
    ) throws(ULDorError) {
        let perLocation = anchors.perLocation
        let counts = (0..<Pyramid.levels).map { pyramid[$0].pixels * perLocation }
        let count = counts.reduce(0, +)
        guard count < Int(Int32.max) else { throw .tooLarge("anchors") }
        let boxes: UnsafeMutablePointer<Box> = try execution.take(count: count)
        let matches: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let labels: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let scratch: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let chosen: UnsafeMutablePointer<Int32> = try execution.take(count: anchorSampler.count)
        guard !execution.isMeasuring else { return }

        var first = 0
        for level in 0..<Pyramid.levels {
            let map = pyramid[level]
            let strideX = anchors.stride(level: level, padded: example.size.paddedWidth, cells: map.width)
            let strideY = anchors.stride(level: level, padded: example.size.paddedHeight, cells: map.height)
            for place in 0..<counts[level] {
                let (location, index) = place.quotientAndRemainder(dividingBy: perLocation)
                let (y, x) = location.quotientAndRemainder(dividingBy: map.width)
                boxes[first + place] = anchors.anchor(level: level, x: x, y: y, index: index, strideX: strideX, strideY: strideY)
            }
            first += counts[level]
        }
        let lesions = example.lesions.elements.filter { $0.classIndex == 1 }.map(\.box)
        Matching.anchors.match(lesions, count: count, candidate: { boxes[$0] }, into: matches)
        for index in 0..<count { labels[index] = matches[index] >= 0 ? 1 : matches[index] == Matching.background ? 0 : -1 }
        let total = anchorSampler.sample(
            labels, count, random: random, injected: injected?.anchors, into: chosen, scratch: scratch)
        samples.anchorCount = 0
        samples.placeCount = 0
        for place in 0..<total where (0..<count).contains(Int(chosen[place])) {
            var index = Int(chosen[place]), level = 0
            let match = matches[index]
            let target =
                match >= 0
                ? anchorCoder.encode(lesions[Int(match)], relativeTo: boxes[index]) : (Float(0), Float(0), Float(0), Float(0))
            while index >= counts[level] {
                index -= counts[level]
                level += 1
            }
            let place = samples.place(PyramidPlace(level: Int32(level), location: Int32(index / perLocation)))
            samples.anchors[samples.anchorCount] = AnchorSample(
                place: place, anchor: Int32(index % perLocation), isLesion: match >= 0, target: target)
            samples.anchorCount += 1
        }
    }

    /// `regions` are the RPN's proposals; the true boxes are added behind them.
    func selectRegions(
        _ regions: Regions, _ example: Example, random: SeededRandom, injected: InjectedSamples?, usesMasks: Bool,
        into samples: inout ImageSamples, _ execution: Execution
    ) throws(ULDorError) {
        let all = example.lesions.elements
        let proposalCount = injected?.proposals.count ?? regions.count
        let count = (execution.isMeasuring ? Swift.max(proposals, proposalCount) : proposalCount) + all.count
        let boxes: UnsafeMutablePointer<Box> = try execution.take(count: count)
        let matches: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let others: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let labels: UnsafeMutablePointer<Int32> = try execution.take(count: count)
        let chosen: UnsafeMutablePointer<Int32> = try execution.take(count: regionSampler.count)
        guard !execution.isMeasuring else { return }
        for index in 0..<proposalCount { boxes[index] = injected?.proposals[index] ?? regions.boxes[index] }
        for (index, lesion) in all.enumerated() { boxes[proposalCount + index] = lesion.box }

        // A lesion wins over a mined false positive that overlaps as much.
        let lesions = all.indices.filter { all[$0].classIndex == 1 }, mined = all.indices.filter { all[$0].classIndex != 1 }
        Matching.regions.match(lesions.map { all[$0].box }, count: count, candidate: { boxes[$0] }, into: matches)
        Matching.regions.match(mined.map { all[$0].box }, count: count, candidate: { boxes[$0] }, into: others)
        for index in 0..<count {
            matches[index] =
                matches[index] >= 0
                ? Int32(truncatingIfNeeded: lesions[Int(matches[index])])
                : others[index] >= 0 ? Int32(truncatingIfNeeded: mined[Int(others[index])]) : -1
            labels[index] = matches[index] >= 0 ? all[Int(matches[index])].classIndex : 0
        }
        let total = regionSampler.sample(
            labels, count, random: random, injected: injected?.regions, into: chosen, scratch: others)
        samples.regionCount = 0
        samples.maskCount = 0
        func hasMask(_ match: Int32) -> Bool { match >= 0 && usesMasks && !all[Int(match)].region.isEmpty }
        for isForMasks in [true, false] {
            for place in 0..<total where (0..<count).contains(Int(chosen[place])) {
                let index = Int(chosen[place]), match = matches[index]
                guard hasMask(match) == isForMasks else { continue }
                samples.boxes[samples.regionCount] = boxes[index]
                samples.regions[samples.regionCount] = RegionSample(
                    classIndex: labels[index], lesion: Swift.max(match, 0),
                    target: match >= 0 ? regionCoder.encode(all[Int(match)].box, relativeTo: boxes[index]) : (0, 0, 0, 0))
                samples.regionCount += 1
            }
            if isForMasks { samples.maskCount = samples.regionCount }
        }
    }
}
