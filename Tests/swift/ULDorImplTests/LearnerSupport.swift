@testable import ULDorImpl

/// A file of Tests/fixtures.
func fixture(_ name: String) throws -> Safetensors {
    let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/fixtures"
    let source = try "\(folder)/\(name)".withCString { try ByteSource(path: $0, memoryMap: false) }
    return try Safetensors(source, allocator: .system)
}

/// Small random weights of 2 classes, as a detector that learns.
func tinyLearner(_ options: LearnerOptions = LearnerOptions()) throws -> Learner {
    try Learner(try fixture("tiny_2class.safetensors"), config: nil, options: options, allocator: .system)
}

/// Images' samples over arrays; losses read neither places nor boxes.
func withSamples(
    anchors: [AnchorSample] = [], regions: [RegionSample] = [], _ body: (ImageSamples) throws -> Void
) rethrows {
    var (anchors, regions) = (anchors, regions)
    try withUnsafeTemporaryAllocation(of: PyramidPlace.self, capacity: 1) { places in
        try withUnsafeTemporaryAllocation(of: Box.self, capacity: 1) { boxes in
            try anchors.withUnsafeMutableBufferPointer { anchors in
                try regions.withUnsafeMutableBufferPointer { regions in
                    guard let place = places.baseAddress, let box = boxes.baseAddress,
                        let anchor = anchors.baseAddress, let region = regions.baseAddress
                    else { return }
                    try body(
                        ImageSamples(
                            anchors: anchor, anchorCount: anchors.count, places: place, placeCount: 0, boxes: box,
                            regions: region, regionCount: regions.count, maskCount: regions.count))
                }
            }
        }
    }
}
