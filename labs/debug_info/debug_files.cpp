#include "labs/debug_info/debug_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "labs/debug_info/error.h"

namespace skbtrail::labs::debug_info {
namespace fs = std::filesystem;

namespace {

/// Where packages of debug information put things (dpkg's -dbg, `make modules_install`).
constexpr std::array<std::string_view, 3> roots = {"usr/lib/debug", "lib/debug", ""};

fs::path find_kernel(const fs::path& path, const std::string& release) {
    if (fs::is_regular_file(path)) return path;
    std::vector<fs::path> places = {path / "vmlinux"};
    for (const std::string_view root : roots) {
        places.push_back(path / root / "boot" / ("vmlinux-" + release));
        places.push_back(path / root / ("vmlinux-" + release));
        places.push_back(path / root / "lib/modules" / release / "vmlinux");
    }
    const auto found = std::find_if(places.begin(), places.end(),
                                    [](const fs::path& place) { return fs::exists(place); });
    if (found != places.end()) return *found;
    throw Error(fmt::format(
        "there is no vmlinux with debug information in {}: neither as in a tree that a kernel was "
        "built in, nor usr/lib/debug/boot/vmlinux-{} as Debian's -dbg packages have it",
        path.string(), release));
}

/// The directory below which the modules are that belong to `kernel`, found from `path`.
fs::path find_modules(const fs::path& path, const fs::path& kernel, const std::string& release) {
    const fs::path top = fs::is_directory(path) ? path : kernel.parent_path();
    for (const std::string_view root : roots) {
        const fs::path place = top / root / "lib/modules" / release;
        if (fs::is_directory(place)) return place;
    }
    // …/boot/vmlinux-RELEASE by itself; a tree that both were built in.
    const fs::path beside = top.parent_path() / "lib/modules" / release;
    return fs::is_directory(beside) ? beside : top;
}

/// "virtio_net" of virtio-net.ko and virtio_net.ko.debug; empty: the file is no module.
std::string module_of(const fs::path& file) {
    std::string name = file.filename();
    const auto dot = name.find(".ko");
    if (dot == std::string::npos || name.starts_with('.')) return {};
    const std::string_view ending = std::string_view(name).substr(dot);
    if (ending != ".ko" && ending != ".ko.debug") return {};
    name.resize(dot);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

}  // namespace

DebugFiles find_debug_files(const fs::path& path, const std::string& release,
                            const std::set<std::string>& modules) {
    DebugFiles files;
    files.kernel = find_kernel(path, release);
    if (modules.empty()) return files;
    std::error_code unreadable;  // what cannot be looked into has none that could be read
    for (fs::recursive_directory_iterator
             entry(find_modules(path, files.kernel, release),
                   fs::directory_options::skip_permission_denied, unreadable),
         end;
         entry != end && files.modules.size() < modules.size(); entry.increment(unreadable)) {
        const auto name = module_of(entry->path());
        if (modules.contains(name)) files.modules.emplace(name, entry->path());
    }
    return files;
}

}  // namespace skbtrail::labs::debug_info
