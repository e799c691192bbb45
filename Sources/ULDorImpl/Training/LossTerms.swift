import Glibc

/// The losses of one image, and their gradients with respect to what the network put out. Sums are in double precision, in the
/// order of the samples; every loss is divided by the normalisers of the whole batch.
enum LossTerms {
    /// torch's smooth_l1_loss with torchvision's beta.
    private static let beta = 1.0 / 9

    private static func smoothL1(_ difference: Double) -> (value: Double, slope: Double) {
        let size = abs(difference)
        return size < beta ? (0.5 * size * size / beta, difference / beta) : (size - 0.5 * beta, difference < 0 ? -1 : 1)
    }

    /// torch's binary_cross_entropy_with_logits.
    private static func crossEntropy(_ logit: Double, _ target: Double) -> (value: Double, slope: Double) {
        (Swift.max(logit, 0) - logit * target + log1p(exp(-abs(logit))), 1 / (1 + exp(-logit)) - target)
    }

    /// torchvision's RegionProposalNetwork.compute_loss. `output` are the RPN head's rows at ``ImageSamples/places``; their gradient
    /// is added to `gradient`.
    static func proposals(
        _ output: FeatureMap, _ samples: ImageSamples, _ anchors: Int, _ normalisers: Normalisers, into gradient: FeatureMap
    ) -> Losses {
        var losses = Losses()
        for index in 0..<samples.anchorCount {
            let sample = samples.anchors[index], anchor = Int(sample.anchor), deltas = anchors + anchor * 4
            let first = Int(sample.place) * output.channels
            let row = output.data + first, slopes = gradient.data + first
            let (value, slope) = crossEntropy(Double(row[anchor]), sample.isLesion ? 1 : 0)
            losses.objectness += value / normalisers.anchors
            slopes[anchor] += Float(slope / normalisers.anchors)
            guard sample.isLesion else { continue }
            losses.rpnBox += box(row + deltas, sample.target, normalisers.anchors, into: slopes + deltas)
        }
        return losses
    }

    /// torchvision's fastrcnn_loss for regions [first, first + output.batch). `output` has K logits and 4 K deltas a region and
    /// becomes its own gradient. With `isValidation`, p(false positive) counts as background (method, section 5).
    static func regions(
        _ output: FeatureMap, _ samples: ImageSamples, first: Int, classes: Int, _ normalisers: Normalisers,
        isValidation: Bool = false
    ) -> Losses {
        var losses = Losses()
        for index in 0..<output.batch {
            let sample = samples.regions[first + index], row = output.data + index * output.channels
            let label = Int(sample.classIndex)
            losses.classifier += classifier(row, label, classes, normalisers.regions, isValidation)
            guard label > 0 else {
                (row + classes).update(repeating: 0, count: classes * 4)
                continue
            }
            for other in 0..<classes where other != label { (row + classes + other * 4).update(repeating: 0, count: 4) }
            let deltas = row + classes + label * 4
            losses.box += box(deltas, sample.target, normalisers.regions, into: deltas)
        }
        return losses
    }

    /// Cross entropy of one row of logits, which becomes its gradient.
    private static func classifier(
        _ logits: UnsafeMutablePointer<Float>, _ label: Int, _ classes: Int, _ normaliser: Double, _ isValidation: Bool
    ) -> Double {
        var greatest = -Double.infinity, sum = 0.0
        for index in 0..<classes { greatest = Swift.max(greatest, Double(logits[index])) }
        for index in 0..<classes { sum += exp(Double(logits[index]) - greatest) }
        func probability(_ index: Int) -> Double { exp(Double(logits[index]) - greatest) / sum }
        let loss: Double
        if isValidation, classes > 2, label != 1 {
            loss = -log(Swift.max(probability(0) + probability(2), Double.leastNormalMagnitude))
        } else {
            loss = greatest + log(sum) - Double(logits[label])
        }
        let logSum = greatest + log(sum)
        for index in 0..<classes {
            let p = exp(Double(logits[index]) - logSum)
            logits[index] = Float((p - (index == label ? 1 : 0)) / normaliser)
        }
        return loss / normaliser
    }

    /// Four deltas; their gradient is written to `gradient`, which may be they.
    private static func box(
        _ deltas: UnsafePointer<Float>, _ target: (Float, Float, Float, Float), _ normaliser: Double,
        into gradient: UnsafeMutablePointer<Float>
    ) -> Double {
        var loss = 0.0
        for (index, wanted) in [target.0, target.1, target.2, target.3].enumerated() {
            let (value, slope) = smoothL1(Double(deltas[index]) - Double(wanted))
            loss += value / normaliser
            gradient[index] = Float(slope / normaliser)
        }
        return loss
    }

    /// torchvision's maskrcnn_loss for regions [first, first + logits.batch). `logits` become their gradient; `targets` are the
    /// masks wanted, cells a region.
    static func masks(
        _ logits: FeatureMap, _ samples: ImageSamples, first: Int, targets: UnsafePointer<Float>, _ normalisers: Normalisers
    ) -> Losses {
        var losses = Losses()
        let cells = logits.height * logits.width, classes = logits.channels
        let divisor = normalisers.masks * Double(cells)
        for index in 0..<logits.batch {
            let label = Int(samples.regions[first + index].classIndex)
            for cell in index * cells..<(index + 1) * cells {
                let row = logits.data + cell * classes
                let (value, slope) = crossEntropy(Double(row[label]), Double(targets[cell]))
                losses.mask += value / divisor
                row.update(repeating: 0, count: classes)
                row[label] = Float(slope / divisor)
            }
        }
        return losses
    }
}
