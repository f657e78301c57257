#include "guest/own_build.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/elf_image.h"
#include "guest/error.h"
#include "guest/process.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

/// The one kernel that `make install` left in a tree: boot/vmlinuz-RELEASE.
fs::path installed_image(const fs::path& tree) {
    std::vector<fs::path> found;
    std::error_code none;
    for (const fs::directory_entry& entry : fs::directory_iterator(tree / "boot", none)) {
        if (entry.path().filename().string().starts_with("vmlinuz-")) {
            found.push_back(entry.path());
        }
    }
    if (found.size() > 1) {
        throw Error(fmt::format(
            "{} has several kernels, {} and {} among them: give the path of the one that is meant.",
            (tree / "boot").string(), found[0].filename().string(), found[1].filename().string()));
    }
    return found.empty() ? fs::path() : found.front();
}

/// The kernel of a tree that one was built in, or installed in.
fs::path image_in(const fs::path& tree) {
    const fs::path packed = tree / "arch/x86/boot/bzImage";
    const fs::path plain = tree / "vmlinux";
    if (fs::exists(packed) && fs::exists(plain)) {
        // Packed from the other, as the last step: older, and it is of a build before.
        return fs::last_write_time(packed) < fs::last_write_time(plain) ? plain : packed;
    }
    for (const fs::path& image : {packed, plain, installed_image(tree)}) {
        if (!image.empty() && fs::exists(image)) {
            return image;
        }
    }
    throw Error(fmt::format(
        "There is no kernel in {}: neither arch/x86/boot/bzImage nor vmlinux, as in a tree that "
        "one "
        "was built in (the directory of O=, if it was built with that), nor boot/vmlinuz-RELEASE, "
        "as in one that it was installed in.",
        tree.string()));
}

/// Where the modules of a kernel of the user's may be, most likely place first: as an installation
/// tree around or beside the image, as the build tree that the image stands in, as installed here.
fs::path find_modules(const fs::path& image, const std::string& release) {
    const fs::path beside = image.parent_path();
    for (const fs::path& place :
         {beside / "lib/modules" / release, beside / "usr/lib/modules" / release,
          beside / "modules" / release, beside / "modules", beside / "../lib/modules" / release,
          beside / "../usr/lib/modules" / release}) {
        if (fs::is_directory(place)) {
            return fs::canonical(place);
        }
    }
    // A build tree: modules.order is written at its top, the bzImage in arch/x86/boot.
    for (const fs::path& top : {beside, beside / "../../.."}) {
        if (fs::exists(top / "modules.order")) {
            return fs::canonical(top);
        }
    }
    return if_there(fs::path("/lib/modules") / release);
}

fs::path find_config(const fs::path& image, const std::string& release) {
    const fs::path beside = image.parent_path();
    for (const fs::path& place :
         {beside / ("config-" + release), beside / ".config", beside / "../../../.config"}) {
        if (fs::exists(place)) {
            return fs::canonical(place);
        }
    }
    return {};
}

/// The image itself, or what it was packed from.
fs::path find_debug_info(const fs::path& image) {
    for (const fs::path& place : {image, image.parent_path() / "../../../vmlinux"}) {
        if (has_debug_info(place)) {
            return fs::canonical(place);
        }
    }
    return {};
}

/// Not ".veth.ko.cmd", which a build leaves beside it.
bool is_module(std::string_view name) {
    constexpr std::array<std::string_view, 4> endings = {".ko", ".ko.xz", ".ko.zst", ".ko.gz"};
    return !name.starts_with('.') &&
           std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return name.ends_with(ending); });
}

/// Takes the debug information out of modules, where there is a `strip`; with it they work as well.
void strip(const std::vector<fs::path>& modules) {
    if (modules.empty()) {
        return;
    }
    Command command;
    command.arguments = {"strip", "--strip-debug", "--"};
    for (const fs::path& module : modules) {
        command.arguments.push_back(module.string());
    }
    command.deadline = std::chrono::minutes(5);
    try {
        run_process(command);
    } catch (const Error&) {
        return;
    }
}

}  // namespace

OwnBuild find_own_build(const std::string& spec) {
    constexpr std::string_view option = ",modules=";
    const std::size_t comma = spec.find(option);
    const fs::path path = fs::absolute(spec.substr(0, comma));
    OwnBuild build;
    build.image = fs::is_directory(path) ? image_in(path) : path;
    if (!fs::is_regular_file(build.image)) {
        throw Error(fmt::format(
            "There is no kernel image {}. Give a bzImage, a vmlinux, the tree that one was built "
            "in, or a version such as 6.12.",
            build.image.string()));
    }
    const std::string file = read_file(build.image);
    build.boot = read_boot_image(file, build.image.string());
    build.packed = build.boot.vmlinux.size() != file.size();
    build.config = find_config(build.image, build.boot.release);
    build.debug_info = find_debug_info(build.image);
    if (comma == std::string::npos) {
        build.modules = find_modules(build.image, build.boot.release);
        return build;
    }
    build.modules = fs::absolute(spec.substr(comma + option.size()));
    if (!fs::is_directory(build.modules)) {
        throw Error(fmt::format("There is no directory of modules {}.", build.modules.string()));
    }
    return build;
}

void copy_modules(const fs::path& tree, const fs::path& place) {
    std::vector<fs::path> plain;
    for (auto entry = fs::recursive_directory_iterator(tree);
         entry != fs::recursive_directory_iterator(); ++entry) {
        const std::string name = entry->path().filename();
        if ((!name.starts_with("modules.") && !is_module(name)) || !entry->is_regular_file()) {
            continue;
        }
        const fs::path copy = place / entry->path().lexically_relative(tree);
        fs::create_directories(copy.parent_path());
        fs::copy_file(entry->path(), copy);
        if (name.ends_with(".ko")) {
            plain.push_back(copy);
        }
    }
    strip(plain);
}

}  // namespace skbtrail::guest
