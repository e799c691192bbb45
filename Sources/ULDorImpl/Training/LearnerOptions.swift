/// How the detector learns; defaults are torchvision's.
struct LearnerOptions {
    /// Stages of the backbone that learn, counted from the last; 5: the stem, too.
    var trainableLayers = 3
    /// Anchors sampled per image, and how many of them at most stand for lesions.
    var anchors = 256, anchorFraction = 0.5
    /// Regions sampled per image.
    var regions = 512, regionFraction = 0.25
    /// Proposals per level before and over all after NMS.
    var proposals = 2000
    /// Without, the mask branch is left as it is.
    var usesMasks = true
    /// Room for the optimiser's mean of squares.
    var keepsSquares = false
    /// Direct convolutions in the backward pass, too.
    var isExact = false
    var threads: Int32 = 0
    var instructions: Int32 = 0
    var memoryLimit: Int?
}
