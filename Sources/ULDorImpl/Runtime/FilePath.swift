import Glibc

/// Questions about paths that the disk answers.
enum FilePath {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Absolute and without symbolic links; nil where there is nothing.
    static func resolved(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }
}
