/// How training images are varied (uldor_augmentation). What is drawn depends on (seed, epoch, image) alone.
public struct Augmentation: BitwiseCopyable, Equatable, Sendable {
    /// Factor on the scale, uniform in between.
    public var scaleLow = 0.8, scaleHigh = 1.2
    /// Left and top edge of the crop move by -n...n image pixels each, as in the field's code.
    public var position = 8
    /// Part of the smallest lesion's short diameter / 2 by which the key slice may move; 0: it does not.
    public var slicePart = 0.5
    /// Probability of mirroring left-right and top-bottom.
    public var flipX = 0.0, flipY = 0.0

    public init() {}

    public static let none: Augmentation = {
        var none = Augmentation()
        (none.scaleLow, none.scaleHigh, none.position, none.slicePart) = (1, 1, 0, 0)
        return none
    }()

    public func validated() throws(ULDorError) -> Augmentation {
        func bad(_ what: String) -> ULDorError { .invalidArgument("augmentation.\(what)") }
        // Written so that NaN fails.
        guard scaleLow >= 0.1, scaleHigh <= 10, scaleLow <= scaleHigh else {
            throw bad("scale_low, scale_high are \(scaleLow), \(scaleHigh), not in order within 0.1...10")
        }
        guard (0...1024).contains(position) else { throw bad("position_px is \(position), not within 0...1024") }
        guard slicePart >= 0, slicePart <= 1 else { throw bad("slice_part is \(slicePart), not within 0...1") }
        guard flipX >= 0, flipX <= 1 else { throw bad("flip_x is \(flipX), not within 0...1") }
        guard flipY >= 0, flipY <= 1 else { throw bad("flip_y is \(flipY), not within 0...1") }
        return self
    }
}

/// One draw of an ``Augmentation``: how this image is varied in this epoch.
struct Variation: BitwiseCopyable, Equatable {
    /// What the input's pipeline does with it.
    var input = InputVariation()
    /// By how many slices the key slice moves, before it is known which are stored.
    var slices = 0
    var flipsX = false, flipsY = false

    static let none = Variation()

    /// `sliceRadius`: how far the key slice may move at most for this image, in slices, before ``Augmentation/slicePart``.
    ///
    /// Every draw is made whatever is switched on, so that one option does not change what the others draw.
    init(_ augmentation: Augmentation, seed: UInt64, epoch: Int, image: Int, sliceRadius: Double) {
        var random = SeededRandom(seed: seed, epoch: epoch, image: image, purpose: .augmentation)
        let scale = random.uniform()
        input.scale = augmentation.scaleLow + scale * (augmentation.scaleHigh - augmentation.scaleLow)
        input.shiftLeft = random.below(2 * augmentation.position + 1) - augmentation.position
        input.shiftTop = random.below(2 * augmentation.position + 1) - augmentation.position
        slices = Self.sliceShift(radius: augmentation.slicePart * sliceRadius, random.next())
        flipsX = random.uniform() < augmentation.flipX
        flipsY = random.uniform() < augmentation.flipY
    }

    private init() {}

    /// -r...r, r the whole part of the radius; the probability of d is in proportion to r + 1 - |d|.
    private static func sliceShift(radius: Double, _ bits: UInt64) -> Int {
        // At most some hundred slices, whatever a file says of diameters and spacing.
        guard radius >= 1, radius.isFinite else { return 0 }
        let r = Int(Swift.min(radius, 256))
        var left = Int(UInt64((r + 1) * (r + 1)).multipliedFullWidth(by: bits).high)
        for d in -r...r {
            left -= r + 1 - abs(d)
            if left < 0 { return d }
        }
        return 0
    }
}
