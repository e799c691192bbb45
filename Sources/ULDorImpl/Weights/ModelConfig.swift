/// How a RoI that may be several classes is reported (method, section 1).
public enum ClassRule: Int32, Sendable {
    case perClass = 1
    case bestClass = 2
}

/// The configuration of a detector; defaults are torchvision's and method, section 2. Fields as in docs/weights.md.
struct ModelConfig {
    enum LevelRule { case torchvision, detectron2, mmdetection }
    enum StrideRule { case grid, fixed }
    enum PasteRule { case torchvision, continuous }

    var name = "", version = "", license = "", description = ""
    var classes = ["background", "lesion"]
    var classRule: ClassRule?
    var batchNormEps: Float = 1e-5
    var strideIn1x1 = false

    var anchorSizes: [[Float]] = [[32], [64], [128], [256], [512]]
    var aspectRatios: [Float] = [0.5, 1, 2]
    var anchorsRounded = true
    var strideRule = StrideRule.grid

    var roiAligned = false
    var samplingRatio = 2
    var levelEps: Float = 1e-6
    var levelRule = LevelRule.torchvision

    var rpnPreNMS = 1000, rpnPostNMS = 1000
    var rpnNMSThreshold: Float = 0.7, rpnScoreThreshold: Float = 0, rpnMinSize: Float = 1e-3

    var scoreThreshold: Float = 0.05, nmsThreshold: Float = 0.5, boxMinSize: Float = 1e-2
    var detections = 100
    var boxWeights: [Float] = [10, 10, 5, 5]

    var maskThreshold: Float = 0.5
    var paste = PasteRule.torchvision

    var input = InputConfig()

    var resolvedClassRule: ClassRule { classRule ?? (classes.count == 3 ? .bestClass : .perClass) }
}

/// From Hounsfield units to the network's input (method, section 2).
struct InputConfig {
    var slices = 3
    var sliceDistance = 2.0
    var windowLow: Float = -1024, windowHigh: Float = 3071
    var rangeLow: Float = 0, rangeHigh: Float = 255
    /// One value, or one for each slice.
    var mean: [Float] = [50], std: [Float] = [1]
    var bodyCrop = true
    var bodyThreshold: Float = -768
    var bodyOpening = 7
    var spacing = 0.8
    var maxSize = 512
    var sizeDivisor = 32

    func mean(of channel: Int) -> Float { mean.count == 1 ? mean[0] : mean[channel] }
    func std(of channel: Int) -> Float { std.count == 1 ? std[0] : std[channel] }
}
