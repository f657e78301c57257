#include "guest/additions.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "guest/debian_version.h"
#include "guest/error.h"
#include "guest/package.h"
#include "guest/process.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

/// Of the modules' debug information.
constexpr std::array<std::string_view, 3> kept_modules = {"net/", "drivers/net/",
                                                          "drivers/virtio/"};
/// Of the source: what the labs name, and what the calls in it are looked up in.
constexpr std::array<std::string_view, 9> kept_source = {
    "Makefile", "arch/x86", "drivers/net", "drivers/virtio",     "include",
    "kernel",   "lib",      "net",         "security/security.c"};

/// Leaves the debug information of modules, below `modules`, that is for networking.
void keep_networking(const fs::path& modules) {
    const auto is_kept = [&](const fs::path& file) {
        const std::string below = file.lexically_relative(modules);
        return std::any_of(kept_modules.begin(), kept_modules.end(),
                           [&](std::string_view folder) { return below.starts_with(folder); });
    };
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(modules)) {
        if (entry.is_regular_file() && !is_kept(entry.path())) {
            fs::remove(entry.path());
        }
    }
}

/// Unpacks linux-source-6.12.tar.xz, whose one folder is called as the package is.
fs::path unpack_source(const std::string& package, const fs::path& tree, std::stop_token stop) {
    const fs::path target = tree / "source";
    fs::create_directories(target);
    Command command;
    command.arguments = {"tar",
                         "--extract",
                         "--file",
                         (tree / "usr/src" / (package + ".tar.xz")).string(),
                         "--directory",
                         target.string(),
                         "--strip-components=1"};
    for (const std::string_view part : kept_source) {
        command.arguments.push_back(fmt::format("{}/{}", package, part));
    }
    command.deadline = std::chrono::minutes(10);
    command.stop = std::move(stop);
    const ProcessResult result = run_process(command);
    if (!result.succeeded()) {
        throw Error(fmt::format("the source in {} could not be unpacked: {}.", package,
                                describe(command, result)));
    }
    return target;
}

}  // namespace

std::string addition_package(const Kernel& kernel, Addition addition) {
    return addition == Addition::source ? "linux-source-" + series_of(kernel.package_version)
                                        : kernel.package + "-dbg";
}

fs::path unpack_addition(Addition addition, const Kernel& kernel,
                         const std::vector<fs::path>& packages, const fs::path& tree,
                         std::stop_token stop) {
    for (const fs::path& package : packages) {
        unpack_package(package, tree, stop);
    }
    if (addition == Addition::source) {
        return unpack_source(addition_package(kernel, addition), tree, std::move(stop));
    }
    const fs::path found = tree / "usr/lib/debug";
    keep_networking(found / "lib/modules" / kernel.release / "kernel");
    return found;
}

}  // namespace skbtrail::guest
