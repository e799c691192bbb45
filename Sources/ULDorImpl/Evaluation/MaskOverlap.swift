/// How far two masks of one size agree.
public struct MaskOverlap: Equatable, Sendable {
    public var areaA = 0, areaB = 0, intersection = 0

    public var union: Int { areaA + areaB - intersection }
    /// 0 where both are empty.
    public var iou: Double { union > 0 ? Double(intersection) / Double(union) : 0 }
    public var dice: Double { areaA + areaB > 0 ? 2 * Double(intersection) / Double(areaA + areaB) : 0 }

    public init(
        _ a: UnsafePointer<UInt8>, stride strideA: Int, _ b: UnsafePointer<UInt8>, stride strideB: Int, width: Int, height: Int
    ) {
        for y in 0..<height {
            let rowA = a + y * strideA, rowB = b + y * strideB
            for x in 0..<width {
                let inA = rowA[x] != 0, inB = rowB[x] != 0
                areaA += inA ? 1 : 0
                areaB += inB ? 1 : 0
                intersection += inA && inB ? 1 : 0
            }
        }
    }

    /// Of uncompressed run lengths, zeros first (``RunLength``); throws where they do not cover the same number of pixels.
    public init(runs a: UnsafeBufferPointer<UInt32>, _ b: UnsafeBufferPointer<UInt32>) throws(ULDorError) {
        func total(_ runs: UnsafeBufferPointer<UInt32>) -> Int { runs.reduce(0) { $0 &+ Int($1) } }
        guard total(a) == total(b) else {
            throw .invalidArgument("a covers \(total(a)) pixels, b \(total(b)): not masks of one image")
        }
        for index in stride(from: 1, to: a.count, by: 2) { areaA += Int(a[index]) }
        for index in stride(from: 1, to: b.count, by: 2) { areaB += Int(b[index]) }
        var indexA = 0, indexB = 0, leftA = a.first.map(Int.init) ?? 0, leftB = b.first.map(Int.init) ?? 0
        while indexA < a.count, indexB < b.count {
            let shared = min(leftA, leftB)
            if indexA % 2 == 1, indexB % 2 == 1 { intersection += shared }
            leftA -= shared
            leftB -= shared
            if leftA == 0 {
                indexA += 1
                leftA = indexA < a.count ? Int(a[indexA]) : 0
            }
            if leftB == 0 {
                indexB += 1
                leftB = indexB < b.count ? Int(b[indexB]) : 0
            }
        }
    }
}
