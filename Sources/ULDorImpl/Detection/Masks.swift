import Glibc

extension MaskHead {
    /// Mask probabilities of each detection's class, `count` x size x size (torchvision's maskrcnn_inference).
    func probabilities(
        _ pyramid: Pyramid, _ pooler: RegionPooler, _ detections: UnsafePointer<BoxDetection>, count: Int, _ execution: Execution
    ) throws(ULDorError) -> UnsafeMutablePointer<Float> {
        let cells = size * size
        let result: UnsafeMutablePointer<Float> = try execution.take(count: count * cells)
        var first = 0
        repeat {
            let batch = Swift.min(Self.batch, count - first)
            try execution.scratch { () throws(ULDorError) in
                let boxes: UnsafeMutablePointer<Box> = try execution.take(count: batch)
                if !execution.isMeasuring { for index in 0..<batch { boxes[index] = detections[first + index].box } }
                // From where masks begin to where outlines do (Detector.forward).
                let part = 0.65 + 0.32 * Double(first) / Double(count)
                try execution.report(part, "mask features")
                let room = try execution.hiddenMap(batch, Self.pooled, Self.pooled, pyramid.p2.channels)
                let features = room.dense
                try pooler.forward(pyramid, boxes, into: features, execution)
                let logits = try execution.map(batch, size, size, classes)
                try execution.report(part, "mask head")
                try forward(features, room: room, into: logits, execution)
                guard !execution.isMeasuring else { return }
                for index in 0..<batch {
                    let classIndex = Int(detections[first + index].classIndex)
                    let from = logits.data + index * cells * classes + classIndex, to = result + (first + index) * cells
                    for cell in 0..<cells { to[cell] = sigmoid(from[cell * classes]) }
                }
            }
            first += batch
            // While measuring the first batch is as large as any.
        } while first < count && !execution.isMeasuring
        return result
    }
}
