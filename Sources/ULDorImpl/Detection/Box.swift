import Glibc

/// x1, y1, x2, y2 in pixels of the network's input.
struct Box: BitwiseCopyable, Equatable {
    var x1, y1, x2, y2: Float

    var width: Float { x2 - x1 }
    var height: Float { y2 - y1 }
    var area: Float { width * height }
    var isFinite: Bool { x1.isFinite && y1.isFinite && x2.isFinite && y2.isFinite }

    /// torchvision's clip_boxes_to_image. NaN stays NaN.
    func clipped(width: Float, height: Float) -> Box {
        func clip(_ value: Float, _ limit: Float) -> Float { value < 0 ? 0 : value > limit ? limit : value }
        return Box(x1: clip(x1, width), y1: clip(y1, height), x2: clip(x2, width), y2: clip(y2, height))
    }

    /// torchvision's remove_small_boxes keeps these; false where a side is NaN.
    func isAtLeast(_ side: Float) -> Bool { width >= side && height >= side }

    /// In float32, in torchvision's order of operations, so that thresholds fall the same way.
    func isOverlapping(_ other: Box, area: Float, otherArea: Float, above threshold: Float) -> Bool {
        let w = Swift.max(0, Swift.min(x2, other.x2) - Swift.max(x1, other.x1))
        let h = Swift.max(0, Swift.min(y2, other.y2) - Swift.max(y1, other.y1))
        let intersection = w * h
        return intersection / (area + otherArea - intersection) > threshold
    }
}

extension Box {
    /// torchvision.ops.box_iou, in its order of operations; NaN for two boxes of no area.
    func overlap(_ other: Box) -> Float {
        let w = Swift.max(0, Swift.min(x2, other.x2) - Swift.max(x1, other.x1))
        let h = Swift.max(0, Swift.min(y2, other.y2) - Swift.max(y1, other.y1))
        let intersection = w * h
        return intersection / (area + other.area - intersection)
    }
}

/// torchvision's BoxCoder: deltas dx, dy, dw, dh relative to a reference box.
struct BoxCoder {
    let weights: (Float, Float, Float, Float)
    /// log(1000 / 16), the bound of dw and dh.
    private static let clip: Float = 4.135166556742356

    init(weights: [Float]) { self.weights = (weights[0], weights[1], weights[2], weights[3]) }

    /// torchvision's encode_boxes: what ``decode(_:relativeTo:)`` turns into `box`.
    func encode(_ box: Box, relativeTo reference: Box) -> (Float, Float, Float, Float) {
        let width = reference.width, height = reference.height
        let dx = weights.0 * (box.x1 + 0.5 * box.width - (reference.x1 + 0.5 * width)) / width
        let dy = weights.1 * (box.y1 + 0.5 * box.height - (reference.y1 + 0.5 * height)) / height
        return (dx, dy, weights.2 * log(box.width / width), weights.3 * log(box.height / height))
    }

    func decode(_ deltas: UnsafePointer<Float>, relativeTo box: Box) -> Box {
        let dx = deltas[0] / weights.0, dy = deltas[1] / weights.1
        let dw = Swift.min(deltas[2] / weights.2, Self.clip), dh = Swift.min(deltas[3] / weights.3, Self.clip)
        let centreX = box.x1 + 0.5 * box.width, centreY = box.y1 + 0.5 * box.height
        let x = dx * box.width + centreX, y = dy * box.height + centreY
        let halfWidth = 0.5 * (exp(dw) * box.width), halfHeight = 0.5 * (exp(dh) * box.height)
        return Box(x1: x - halfWidth, y1: y - halfHeight, x2: x + halfWidth, y2: y + halfHeight)
    }
}

@inline(__always) func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
