#include "device/memory/file_system.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <linux/magic.h>

namespace skbtrail::device {

namespace {

struct FileSystem {
    std::uint32_t type;
    std::string_view name;
};

constexpr std::array served_by_others{
    FileSystem{FUSE_SUPER_MAGIC, "FUSE"},
    FileSystem{NFS_SUPER_MAGIC, "NFS"},
    FileSystem{SMB_SUPER_MAGIC, "SMB"},
    FileSystem{CIFS_SUPER_MAGIC, "CIFS"},
    FileSystem{SMB2_SUPER_MAGIC, "SMB2"},
    FileSystem{V9FS_MAGIC, "9P"},
    FileSystem{CEPH_SUPER_MAGIC, "Ceph"},
    FileSystem{AFS_SUPER_MAGIC, "AFS"},
    FileSystem{AFS_FS_MAGIC, "AFS"},
    FileSystem{CODA_SUPER_MAGIC, "Coda"},
    FileSystem{OCFS2_SUPER_MAGIC, "OCFS2"},
    // Not in the header: as the file systems' own sources have them.
    FileSystem{0x01161970, "GFS2"},
    FileSystem{0x0bd00bd0, "Lustre"},
    FileSystem{0x786f4256, "vboxsf"},
};

}  // namespace

std::string_view served_elsewhere(long file_system_type) noexcept {
    // f_type is signed, and some of the numbers fill 32 bits.
    const auto found = std::ranges::find(
        served_by_others, static_cast<std::uint32_t>(file_system_type), &FileSystem::type);
    return found == served_by_others.end() ? std::string_view() : found->name;
}

}  // namespace skbtrail::device
