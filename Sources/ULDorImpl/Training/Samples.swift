/// An anchor that the RPN learns from.
struct AnchorSample: BitwiseCopyable {
    /// Index of its place among the image's, and of the anchor there.
    var place, anchor: Int32
    /// Whether it stands for a lesion; then `target` are the deltas that lead to it.
    var isLesion: Bool
    var target: (Float, Float, Float, Float)
}

/// A region that the heads learn from.
struct RegionSample: BitwiseCopyable {
    /// 0: background.
    var classIndex: Int32
    /// Index in the example, where `classIndex` is above 0.
    var lesion: Int32
    /// Deltas that lead to the lesion.
    var target: (Float, Float, Float, Float)
}

/// What one image of a batch is learnt from; memory is the arena's.
struct ImageSamples: BitwiseCopyable {
    let anchors: UnsafeMutablePointer<AnchorSample>
    var anchorCount: Int
    /// Where the anchors stand, each place once.
    let places: UnsafeMutablePointer<PyramidPlace>
    var placeCount: Int
    /// Positive regions first, those whose lesion has a mask before the others.
    let boxes: UnsafeMutablePointer<Box>
    let regions: UnsafeMutablePointer<RegionSample>
    var regionCount: Int
    /// The first so many regions take part in the mask loss.
    var maskCount: Int

    /// Index of a place, which is appended where it is new.
    mutating func place(_ place: PyramidPlace) -> Int32 {
        var index = 0
        while index < placeCount, places[index] != place { index += 1 }
        if index == placeCount {
            places[index] = place
            placeCount += 1
        }
        return Int32(truncatingIfNeeded: index)
    }
}

/// By how much a batch's losses are divided, torchvision's normalisers: over all of its images, on all machines.
struct Normalisers: BitwiseCopyable {
    var anchors = 0.0, regions = 0.0, masks = 0.0
}

/// torchvision's loss_objectness, loss_rpn_box_reg, loss_classifier, loss_box_reg and loss_mask.
struct Losses: BitwiseCopyable {
    var objectness = 0.0, rpnBox = 0.0, classifier = 0.0, box = 0.0, mask = 0.0
    var total: Double { objectness + rpnBox + classifier + box + mask }

    static func + (a: Losses, b: Losses) -> Losses {
        Losses(
            objectness: a.objectness + b.objectness, rpnBox: a.rpnBox + b.rpnBox, classifier: a.classifier + b.classifier,
            box: a.box + b.box, mask: a.mask + b.mask)
    }
}

/// Draws of another implementation in place of our own: how gradients are compared.
struct InjectedSamples {
    var proposals: [Box]
    /// Indices of anchors in torchvision's order (levels, rows, columns, anchors), and of proposals with the true boxes behind them.
    var anchors, regions: [Int32]
}
