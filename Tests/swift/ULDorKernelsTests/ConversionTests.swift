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
}
