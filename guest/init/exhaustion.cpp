#include "guest/init/exhaustion.h"

#include <algorithm>
#include <fstream>

#include <sys/statvfs.h>

namespace skbtrail::guest {
namespace {

/// Those that programs write to, all in memory. "/" is where the initramfs was unpacked.
constexpr const char* places[] = {"/", "/run", "/tmp"};

/// Documentation/admin-guide/mm/concepts.rst: the OOM killer; counted in /proc/vmstat. 0 where the
/// kernel does not say.
std::uint64_t killed_for_memory() {
    std::ifstream statistics("/proc/vmstat");
    std::string name;
    std::uint64_t value = 0;
    while (statistics >> name >> value) {
        if (name == "oom_kill") {
            return value;
        }
    }
    return 0;
}

}  // namespace

Exhaustion::Exhaustion() : killed_(killed_for_memory()) {}

std::vector<std::string> Exhaustion::news() {
    std::vector<std::string> sentences;
    for (const char* place : places) {
        struct statvfs now{};
        // One without a limit (ramfs) has no blocks at all.
        const bool full = ::statvfs(place, &now) == 0 && now.f_blocks > 0 && now.f_bavail == 0;
        if (full && std::find(full_.begin(), full_.end(), place) == full_.end()) {
            full_.emplace_back(place);
            sentences.push_back(std::string("The file system ") + place +
                                " of the guest, which is in its memory, is full (" +
                                std::to_string((now.f_blocks * now.f_frsize) >> 20) + " MiB).");
        }
    }
    if (const std::uint64_t killed = killed_for_memory(); killed > killed_) {
        sentences.push_back("The guest ran out of memory: its kernel killed " +
                            std::to_string(killed - killed_) +
                            " process(es); its console tells which.");
        killed_ = killed;
    }
    return sentences;
}

}  // namespace skbtrail::guest
