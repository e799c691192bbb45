import CULDor
import ULDorKernels

@_cdecl("uldor_version")
public func version() -> Int32 { ULDOR_VERSION_MAJOR << 16 | ULDOR_VERSION_MINOR << 8 | ULDOR_VERSION_PATCH }

@_cdecl("uldor_abi_version")
public func abiVersion() -> Int32 { ULDOR_ABI_VERSION }

@_cdecl("uldor_last_error")
public func lastError() -> UnsafePointer<CChar> { uk_last_error() }

@_cdecl("uldor_status_name")
public func statusName(_ status: uldor_status) -> UnsafePointer<CChar> {
    let name: StaticString =
        switch Int(status) {
        case ULDOR_OK: "ULDOR_OK"
        case ULDOR_ERROR_INVALID_ARGUMENT: "ULDOR_ERROR_INVALID_ARGUMENT"
        case ULDOR_ERROR_NOMEM: "ULDOR_ERROR_NOMEM"
        case ULDOR_ERROR_IO: "ULDOR_ERROR_IO"
        case ULDOR_ERROR_FORMAT: "ULDOR_ERROR_FORMAT"
        case ULDOR_ERROR_MODEL: "ULDOR_ERROR_MODEL"
        case ULDOR_ERROR_IMAGE: "ULDOR_ERROR_IMAGE"
        case ULDOR_ERROR_BUSY: "ULDOR_ERROR_BUSY"
        case ULDOR_ERROR_CANCELLED: "ULDOR_ERROR_CANCELLED"
        case ULDOR_ERROR_BUFFER_TOO_SMALL: "ULDOR_ERROR_BUFFER_TOO_SMALL"
        case ULDOR_ERROR_DEGENERATE: "ULDOR_ERROR_DEGENERATE"
        case ULDOR_ERROR_UNSUPPORTED: "ULDOR_ERROR_UNSUPPORTED"
        case ULDOR_ERROR_INTERNAL: "ULDOR_ERROR_INTERNAL"
        default: "unknown status"
        }
    return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}
