/// torchvision's AnchorGenerator: base anchors around the origin, ratio by ratio, shifted over each level's grid.
struct Anchors {
    /// Level by level, ratio-major as torchvision has them.
    private let base: [[Box]]
    let perLocation: Int
    private let strideRule: ModelConfig.StrideRule

    init(_ config: ModelConfig) {
        base = config.anchorSizes.map { sizes in
            config.aspectRatios.flatMap { ratio in
                let heightRatio = ratio.squareRoot(), widthRatio = 1 / heightRatio
                return sizes.map { size in
                    let w = widthRatio * size / 2, h = heightRatio * size / 2
                    let box = Box(x1: -w, y1: -h, x2: w, y2: h)
                    guard config.anchorsRounded else { return box }
                    func round(_ value: Float) -> Float { value.rounded(.toNearestOrEven) }
                    return Box(x1: round(box.x1), y1: round(box.y1), x2: round(box.x2), y2: round(box.y2))
                }
            }
        }
        perLocation = base[0].count
        strideRule = config.strideRule
    }

    /// Distance of a level's anchors, in pixels, where `padded` pixels have `cells` of them. The two differ at P6 of odd P5.
    func stride(level: Int, padded: Int, cells: Int) -> Int {
        strideRule == .grid ? padded / cells : 4 << level
    }

    /// Anchor `index` at grid place (x, y) of a level whose cells are `stride` pixels.
    func anchor(level: Int, x: Int, y: Int, index: Int, strideX: Int, strideY: Int) -> Box {
        let shiftX = Float(x * strideX), shiftY = Float(y * strideY)
        let box = base[level][index]
        return Box(x1: box.x1 + shiftX, y1: box.y1 + shiftY, x2: box.x2 + shiftX, y2: box.y2 + shiftY)
    }
}
