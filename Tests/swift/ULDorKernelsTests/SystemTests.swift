import Glibc
import Testing
import ULDorKernels

/// Memory as kernels and models get it where a host has no allocator of its own.
@Suite struct SystemTests {
    /// From two mebibytes on blocks have pages of their own.
    private static let sizes = [1, 63, 1 << 20, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (3 << 20) + 17, (8 << 20) + 1]

    @Test(arguments: sizes, [16, 64, 4096, 1 << 21])
    func allIsAlignedAndWritable(bytes: Int, alignment: Int) throws {
        let memory = try #require(uk_system_allocate(bytes, alignment))
        #expect(Int(bitPattern: memory) % alignment == 0)
        memset(memory, 0xA5, bytes)
        #expect(memory.load(fromByteOffset: bytes - 1, as: UInt8.self) == 0xA5)
        uk_system_free(memory, bytes)
    }

    @Test(arguments: [1 << 50, Int.max / 2, Int.max - 1, -1, -4096]) func whatThereIsNotIsNil(bytes: Int) {
        #expect(uk_system_allocate(bytes, 64) == nil)
    }
}
