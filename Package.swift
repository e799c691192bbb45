// swift-tools-version: 6.0
// The Makefile builds libuldor.so from this package: it adds what only the shared library may carry (SONAME, symbol
// version, static Swift runtime). `swift build` and `swift test` work on their own.
import PackageDescription

let openmp = Context.environment["ULDOR_OPENMP_DIR"] ?? "/usr/lib/llvm-14/lib"

// C is optimised in debug builds, too: the kernels that are tested are those that are shipped.
let c: [CSetting] = [
    .unsafeFlags(["-std=c17", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fno-math-errno"]),
    .unsafeFlags(["-O2"], .when(configuration: .debug)),
]
// Swift's clang parses the OpenMP pragma; Debian's libomp is linked below (docs/threading.md).
let withOpenMP: [CSetting] = c + [.unsafeFlags(["-fopenmp"])]
#if arch(x86_64)
    let avx2: [CSetting] = [.unsafeFlags(["-mavx2", "-mfma"])]
    let avx512: [CSetting] = [
        .unsafeFlags(["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"])
    ]
#else
    let avx2: [CSetting] = []
    let avx512: [CSetting] = []
#endif

let link: [LinkerSetting] = [.unsafeFlags(["-L", openmp]), .linkedLibrary("iomp5"), .linkedLibrary("m")]

let package = Package(
    name: "uldor",
    products: [.library(name: "uldor", type: .dynamic, targets: ["ULDorC"])],
    targets: [
        .systemLibrary(name: "CULDor", path: "include"),
        .target(name: "ULDorKernelsBase", cSettings: withOpenMP),
        .target(name: "ULDorKernelsAVX2", dependencies: ["ULDorKernelsBase"], cSettings: c + avx2),
        .target(name: "ULDorKernelsAVX512", dependencies: ["ULDorKernelsBase"], cSettings: c + avx512),
        .target(
            name: "ULDorKernels", dependencies: ["ULDorKernelsBase", "ULDorKernelsAVX2", "ULDorKernelsAVX512"], cSettings: c,
            linkerSettings: link),
        .target(name: "ULDorJSON", cSettings: c),
        .target(name: "ULDorPNG", cSettings: c, linkerSettings: [.linkedLibrary("png16")]),
        .target(name: "ULDorImpl", dependencies: ["ULDorKernels", "ULDorJSON", "ULDorPNG"]),
        .target(name: "ULDorC", dependencies: ["CULDor", "ULDorImpl"]),
        // Optimised: its references are loops over millions of values, a tenth of the time.
        .testTarget(
            name: "ULDorKernelsTests", dependencies: ["ULDorKernels"], path: "Tests/swift/ULDorKernelsTests",
            swiftSettings: [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        .testTarget(name: "ULDorImplTests", dependencies: ["ULDorImpl"], path: "Tests/swift/ULDorImplTests"),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
