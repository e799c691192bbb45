import Glibc
import ULDorKernels

/// torchvision's MultiScaleRoIAlign over P2..P5.
struct RegionPooler {
    let pooled: Int
    let samplingRatio: Int
    let aligned: Bool
    let levelRule: ModelConfig.LevelRule
    let levelEps: Float

    init(_ config: ModelConfig, pooled: Int) {
        self.pooled = pooled
        samplingRatio = config.samplingRatio
        aligned = config.roiAligned
        levelRule = config.levelRule
        levelEps = config.levelEps
    }

    /// FPN level 0..3 (P2..P5) of a box, after Lin et al. 2017, equation 1; the three codes place their epsilon differently.
    func level(of box: Box) -> Int {
        let side = box.area.squareRoot()
        let level =
            switch levelRule {
            case .torchvision: 4 + log2(side / 224) + levelEps
            case .detectron2: 4 + log2(side / 224 + levelEps)
            case .mmdetection: 2 + log2(side / 56 + levelEps)
            }
        // NaN and -infinity go to the finest level.
        return level >= 3 ? level >= 4 ? level >= 5 ? 3 : 2 : 1 : 0
    }

    /// Into a new map, `regions.count` x pooled x pooled x channels.
    func forward(
        _ pyramid: Pyramid, _ boxes: UnsafePointer<Box>, count: Int, _ execution: Execution
    ) throws(ULDorError) -> FeatureMap {
        let output = try execution.map(count, pooled, pooled, pyramid.p2.channels)
        try forward(pyramid, boxes, into: output, execution)
        return output
    }

    /// The same of as many boxes as the map has room for.
    func forward(
        _ pyramid: Pyramid, _ boxes: UnsafePointer<Box>, into output: FeatureMap, _ execution: Execution
    ) throws(ULDorError) {
        let count = output.batch
        try execution.scratch { () throws(ULDorError) in
            let rois: UnsafeMutablePointer<uk_roi> = try execution.take(count: count)
            guard !execution.isMeasuring else { return }
            for index in 0..<count { (rois[index], _) = region(boxes[index], pyramid) }
            let table = execution.table
            try execution.run { uk_roi_align($0, table, rois, Int64(count), output.data) }
        }
    }

    /// Adds the gradient of the regions' features, `count` x pooled x pooled x channels, to that of the pyramid.
    func backward(
        _ gradient: FeatureMap, _ boxes: UnsafePointer<Box>, count: Int, to pyramid: Pyramid, _ execution: Execution
    ) throws(ULDorError) {
        try execution.scratch { () throws(ULDorError) in
            let rois: UnsafeMutablePointer<uk_roi> = try execution.take(count: count)
            let targets: UnsafeMutablePointer<UnsafeMutablePointer<Float>?> = try execution.take(count: count)
            guard !execution.isMeasuring else { return }
            for index in 0..<count {
                let (roi, level) = region(boxes[index], pyramid)
                rois[index] = roi
                targets[index] = pyramid[level].data
            }
            let table = execution.table
            try execution.run { uk_roi_align_gradient($0, table, rois, Int64(count), gradient.data, targets) }
        }
    }

    private func region(_ box: Box, _ pyramid: Pyramid) -> (uk_roi, level: Int) {
        let level = level(of: box)
        let features = pyramid[level]
        let roi = uk_roi(
            features: features.data, height: Int32(features.height), width: Int32(features.width),
            channels: Int32(features.channels), spatial_scale: 1 / Float(4 << level), box: (box.x1, box.y1, box.x2, box.y2),
            pooled: Int32(pooled), sampling_ratio: Int32(samplingRatio), aligned: aligned)
        return (roi, level)
    }
}
