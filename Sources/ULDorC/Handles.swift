import CULDor
import ULDorImpl
import ULDorKernels

/// What a host's handle points to: a mark of its kind, and the object that it owns.
struct Handle {
    enum Kind: UInt64 {
        case model = 0x554c_446f_724d_6f64
        case session = 0x554c_446f_7253_6573
        case tensors = 0x554c_446f_7254_656e
        case froc = 0x554c_446f_7246_726f
        case dataset = 0x554c_446f_7244_6174
        case slices = 0x554c_446f_7253_6c69
        case trainer = 0x554c_446f_7254_7261
    }

    var magic: UInt64
    let object: Unmanaged<AnyObject>
    /// Sessions and trainers: the last failure's message, NUL-terminated, `messageCapacity` bytes.
    let message: UnsafeMutablePointer<CChar>?

    static let messageCapacity = 1024

    static func bytes(hasMessage: Bool) -> Int { MemoryLayout<Handle>.stride + (hasMessage ? messageCapacity : 0) }
}

/// A new handle that owns `object`.
func makeHandle(_ kind: Handle.Kind, _ object: AnyObject) throws(ULDorError) -> OpaquePointer {
    let hasMessage = kind == .session || kind == .trainer
    let bytes = Handle.bytes(hasMessage: hasMessage)
    guard let memory = uk_system_allocate(bytes, 16) else { throw .noMemory(bytes: bytes) }
    let message =
        hasMessage ? (memory + MemoryLayout<Handle>.stride).bindMemory(to: CChar.self, capacity: Handle.messageCapacity) : nil
    message?[0] = 0
    memory.bindMemory(to: Handle.self, capacity: 1).initialize(
        to: Handle(magic: kind.rawValue, object: Unmanaged.passRetained(object), message: message))
    return OpaquePointer(memory)
}

private func checked(
    _ pointer: OpaquePointer?, _ kind: Handle.Kind, _ name: StaticString
) throws(ULDorError) -> UnsafeMutablePointer<Handle> {
    let pointer = try require(pointer, name)
    let raw = UnsafeMutableRawPointer(pointer)
    guard Int(bitPattern: raw) % 8 == 0, raw.load(as: UInt64.self) == kind.rawValue else {
        throw .invalidArgument("\(name) is not such a handle, or was freed")
    }
    return raw.assumingMemoryBound(to: Handle.self)
}

/// The object of a handle, which the handle goes on owning.
func object<Object: AnyObject>(
    _ pointer: OpaquePointer?, _ kind: Handle.Kind, _ name: StaticString
) throws(ULDorError) -> Object {
    unsafeDowncast(try checked(pointer, kind, name).pointee.object.takeUnretainedValue(), to: Object.self)
}

func dropHandle(_ pointer: OpaquePointer?, _ kind: Handle.Kind, _ name: StaticString) throws(ULDorError) {
    let handle = try checked(pointer, kind, name)
    let object = handle.pointee.object
    handle.pointee.magic = 0
    uk_system_free(handle, Handle.bytes(hasMessage: handle.pointee.message != nil))
    object.release()
}

/// What one thread uses at a time.
protocol ExclusiveUse: AnyObject {
    /// False where a call runs already.
    func acquire() -> Bool
    func release()
}

extension Session: ExclusiveUse {}
extension Trainer: ExclusiveUse {}

/// Runs a call on a handle: alone, with what it throws noted on the handle too.
func exclusively<Object: ExclusiveUse>(
    _ pointer: OpaquePointer?, _ kind: Handle.Kind, _ name: StaticString, _ body: (Object) throws(ULDorError) -> Void
) -> uldor_status {
    let held: Object
    let message: UnsafeMutablePointer<CChar>?
    do throws(ULDorError) {
        let handle = try checked(pointer, kind, name)
        held = unsafeDowncast(handle.pointee.object.takeUnretainedValue(), to: Object.self)
        message = handle.pointee.message
        // Not noted on the handle: its message belongs to the call that runs.
        guard held.acquire() else { throw ULDorError(.busy, "\(name) is in use by another call") }
    } catch {
        return fail(error)
    }
    defer { held.release() }
    do throws(ULDorError) {
        try body(held)
        return Status.ok.rawValue
    } catch {
        let status = fail(error)
        message?.update(from: uk_last_error(), count: Handle.messageCapacity)
        return status
    }
}

func onSession(_ pointer: OpaquePointer?, _ body: (Session) throws(ULDorError) -> Void) -> uldor_status {
    exclusively(pointer, .session, "session", body)
}

func handleMessage(_ pointer: OpaquePointer?, _ kind: Handle.Kind, _ name: StaticString) -> UnsafePointer<CChar>? {
    guard let handle = try? checked(pointer, kind, name) else { return nil }
    return UnsafePointer(handle.pointee.message)
}
