import Testing

@testable import ULDorImpl

@Suite struct AugmentationTests {
    @Test func drawsDoNotDependOnOtherOptions() {
        let base = Variation(Augmentation(), seed: 3, epoch: 4, image: 5, sliceRadius: 12)
        var flips = Augmentation()
        (flips.flipX, flips.flipY, flips.scaleLow) = (1, 1, 1.2)
        let other = Variation(flips, seed: 3, epoch: 4, image: 5, sliceRadius: 12)
        #expect(other.flipsX && other.flipsY && !base.flipsX && other.input.scale == 1.2)
        #expect(other.input.shiftLeft == base.input.shiftLeft && other.input.shiftTop == base.input.shiftTop)
        #expect(other.slices == base.slices)
        #expect(Variation(.none, seed: 3, epoch: 4, image: 5, sliceRadius: 12) == .none)
    }

    @Test func radiiThatMakeNoSense() {
        for radius in [0, -1, 0.5, .nan, .infinity, -.infinity] {
            #expect(Variation(Augmentation(), seed: 1, epoch: 0, image: 0, sliceRadius: radius).slices == 0)
        }
        #expect(abs(Variation(Augmentation(), seed: 1, epoch: 0, image: 0, sliceRadius: 1e300).slices) <= 256)
    }

    /// The probability of moving by d is in proportion to r + 1 - |d|.
    @Test func slicesThatAreNearerAreLikelier() {
        var counts = [Int](repeating: 0, count: 5)
        let draws = 45_000
        for image in 0..<draws {
            counts[Variation(Augmentation(), seed: 9, epoch: 1, image: image, sliceRadius: 4.5).slices + 2] += 1
        }
        for (count, share) in zip(counts, [1, 2, 3, 2, 1]) {
            // Five standard deviations of a binomial count.
            let expected = Double(draws * share) / 9
            #expect(abs(Double(count) - expected) < 5 * expected.squareRoot())
        }
    }

    /// Right and bottom edges of the crop stay, and a pixel is always left.
    @Test func regionsOfBoxes() {
        var geometry = InputGeometry()
        (geometry.width, geometry.height) = (10, 6)
        let plain = InputTransform(geometry, flipsX: false, flipsY: false)
        func region(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> [Int] {
            let r = plain.region((x1, y1, x2, y2))
            return [r.x, r.y, r.width, r.height]
        }
        #expect(region(0, 0, 10, 6) == [0, 0, 10, 6])
        #expect(region(0.5, 1.5, 2.5, 2.4) == [0, 1, 3, 1])
        #expect(region(0.6, 1.6, 2.4, 2.4) == [1, 2, 1, 0])
        #expect(region(-100, -1e300, 1e300, 100) == [0, 0, 10, 6])
        #expect(region(20, 20, 30, 30) == [10, 6, 0, 0])
        let mirrored = InputTransform(geometry, flipsX: true, flipsY: true)
        #expect(mirrored.x(2) == 8 && mirrored.imageX(8) == 2 && mirrored.y(1) == 5 && mirrored.imageY(5) == 1)
        let box = mirrored.box(1, 2, 4, 5)
        #expect(box.x1 == 6 && box.x2 == 9 && box.y1 == 1 && box.y2 == 4)
    }
}
