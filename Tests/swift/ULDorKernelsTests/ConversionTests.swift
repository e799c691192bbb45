import Testing
import ULDorKernels

@Suite struct ConversionTests {
    /// Every finite half-precision value, against the compiler's own conversion.
    @Test func everyHalf() {
        let bits = (UInt16.min...UInt16.max).filter { $0 >> 10 & 31 != 31 }
        var output = [Float](repeating: 0, count: bits.count)
        #expect(uk_to_float(Int32(UK_F16), bits, Int64(bits.count), &output) == -1)
        for (pattern, value) in zip(bits, output) { #expect(value.bitPattern == Float(Float16(bitPattern: pattern)).bitPattern) }
    }

    @Test func bfloatIsTheUpperHalf() {
        let bits: [UInt16] = [0x3f80, 0xc000, 0x0001, 0x7f7f]
        var output = [Float](repeating: 0, count: 4)
        #expect(uk_to_float(Int32(UK_BF16), bits, 4, &output) == -1)
        #expect(output == [1, -2, Float(bitPattern: 0x0001_0000), Float(bitPattern: 0x7f7f_0000)])
    }

    @Test func namesTheFirstValueThatIsNotFinite() {
        var output = [Float](repeating: 0, count: 4)
        #expect(uk_to_float(Int32(UK_F32), [1, .nan, .infinity, 2] as [Float], 4, &output) == 1)
        #expect(uk_to_float(Int32(UK_F16), [0, 0, 0, 0x7c00] as [UInt16], 4, &output) == 3)
        #expect(uk_to_float(Int32(UK_BF16), [0xff80, 0, 0, 0] as [UInt16], 4, &output) == 0)
    }

    /// Pixels of every type at odd addresses and negative strides.
    @Test func rowsOfAnyAddress() {
        var bytes = [UInt8](repeating: 0, count: 64)
        for (index, value) in ([-1000, 0, 32767, -32768] as [Int16]).enumerated() {
            withUnsafeBytes(of: value) { for place in 0..<2 { bytes[1 + index * 5 + place] = $0[place] } }
        }
        var hu = [Float](repeating: 0, count: 4)
        bytes.withUnsafeBytes { raw in
            #expect(uk_read_row(Int32(UK_PIXEL_INT16), raw.baseAddress! + 1, 5, 4, 2, 10, &hu) == -1)
            #expect(hu == [-1990, 10, 65544, -65526])
            #expect(uk_read_row(Int32(UK_PIXEL_INT16), raw.baseAddress! + 16, -5, 4, 1, 0, &hu) == -1)
            #expect(hu == [-32768, 32767, 0, -1000])
            #expect(uk_read_row(Int32(UK_PIXEL_UINT16), raw.baseAddress! + 1, 5, 2, 1, -32768, &hu) == -1)
            #expect(hu[0] == 64536 - 32768)
        }
        #expect(uk_read_row(Int32(UK_PIXEL_FLOAT32), [0, Float.infinity, 1, 2] as [Float], 4, 4, 1, 0, &hu) == 1)
    }

    /// Far behind what is looked at together.
    @Test func theFirstOfManyThatIsNotFinite() {
        var values = [Float](repeating: 1, count: 5000)
        #expect(uk_first_not_finite(values, 5000) == -1)
        (values[4321], values[4999]) = (-.infinity, .nan)
        #expect(uk_first_not_finite(values, 5000) == 4321)
        #expect(uk_first_not_finite(values, 4321) == -1)
    }

    /// Planes of any number to a map with gaps, and back.
    @Test(arguments: [1, 3, 16, 37]) func planesThereAndBack(_ channels: Int) {
        var generator = Generator(seed: UInt64(channels))
        let (height, width, pixel) = (5, 7, channels + 2)
        let planes = generator.floats(channels * height * width)
        var pixels = [Float](repeating: -9, count: (height * (width + 1)) * pixel)
        var back = [Float](repeating: 0, count: planes.count)
        pixels.withUnsafeMutableBufferPointer {
            var map = uk_map(
                data: $0.baseAddress, image_stride: 0, row_stride: Int64((width + 1) * pixel), pixel_stride: Int64(pixel),
                height: Int32(height), width: Int32(width), group_stride: 0)
            uk_from_planes(planes, Int32(channels), &map)
            uk_to_planes(&map, Int32(channels), &back)
        }
        #expect(back == planes)
        #expect(pixels[(1 * (width + 1) + 3) * pixel + channels - 1] == planes[((channels - 1) * height + 1) * width + 3])
        #expect(pixels.filter { $0 == -9 }.count == pixels.count - planes.count)
    }

    /// Parts of odd size one after another, on memory that was not cleared: each row in its lane, zeros behind the last.
    @Test(arguments: [1, 9]) func packingAgreesWithDefinition(_ taps: Int) {
        var generator = Generator(seed: UInt64(taps))
        let channels = 5, kernel = taps == 9 ? 3 : 1, parts = [3, 12, 26]
        let total = parts.reduce(0, +), row = channels * taps
        let weights = generator.floats(total * row), scale = generator.floats(total)
        let count = Int(uk_packed_floats(Int32(total), Int32(channels), Int32(kernel), Int32(kernel)))
        var packed = [Float](repeating: .nan, count: count), first = 0
        var exec = uk_exec(threads: 3, state: nil)
        for rows in parts {
            let status = weights.withUnsafeBufferPointer { weights in
                scale.withUnsafeBufferPointer { scale in
                    uk_pack_conv(
                        &exec, weights.baseAddress! + first * row, scale.baseAddress! + first, Int32(rows), Int32(channels),
                        Int32(kernel), Int32(kernel), Int32(first), &packed)
                }
            }
            #expect(status == UK_OK)
            first += rows
        }
        var expected = [Float](repeating: 0, count: count)
        for out in 0..<total {
            for c in 0..<channels {
                for tap in 0..<taps {
                    let place = ((out / 16 * taps + tap) * channels + c) * 16 + out % 16
                    expected[place] = weights[out * row + c * taps + tap] * scale[out]
                }
            }
        }
        #expect(packed == expected)
    }
}
