// Which files may stand behind memory that this process works on.
#pragma once

#include <string_view>

namespace skbtrail::device {

/// The name of a file system whose pages come from another process or another machine, by its
/// statfs(2) f_type: "FUSE", "NFS". Empty for all others. Touching a page of such a file can take
/// as long as whoever serves it likes, for ever too, and a front end can be who does.
///
/// Files on a disk are no such files: UML keeps its memory in one, and QEMU can
/// (memory-backend-file).
std::string_view served_elsewhere(long file_system_type) noexcept;

}  // namespace skbtrail::device
