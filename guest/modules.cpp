#include "guest/modules.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/decompress.h"
#include "guest/elf_image.h"
#include "guest/error.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

/// Files and commands write '-' and '_' as they like; the kernel takes them for the same.
std::string normalised(std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

/// "virtio_net" of "virtio-net.ko.xz"; nothing for a file that is no module.
std::optional<std::string> module_name(const fs::path& file) {
    const std::string name = file.filename().string();
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) {
        return std::nullopt;
    }
    const std::string_view extension = std::string_view(name).substr(dot);
    if (extension != ".ko" && extension != ".ko.xz" && extension != ".ko.zst" &&
        extension != ".ko.gz") {
        return std::nullopt;
    }
    return normalised(name.substr(0, dot));
}

std::string read_module(const fs::path& file) {
    std::string bytes = read_file(file);
    if (file.extension() != ".ko") {
        bytes = decompress(bytes, file.string());
    }
    if (!looks_like_elf(bytes)) {
        throw Error(fmt::format("The module {} is damaged: it is not an ELF file.", file.string()));
    }
    return bytes;
}

/// What must be loaded before a module: "depends=a,b" and "softdep=pre: c d post: e" of .modinfo.
struct Dependencies {
    std::vector<std::string> hard;
    std::vector<std::string> soft;
};

Dependencies dependencies(const std::string& modinfo) {
    Dependencies found;
    std::istringstream entries(modinfo);
    for (std::string entry; std::getline(entries, entry, '\0');) {
        if (entry.starts_with("depends=")) {
            std::istringstream names(entry.substr(entry.find('=') + 1));
            for (std::string name; std::getline(names, name, ',');) {
                found.hard.push_back(normalised(name));
            }
        } else if (entry.starts_with("softdep=")) {
            std::istringstream words(entry.substr(entry.find('=') + 1));
            bool before = false;
            for (std::string word; words >> word;) {
                if (word.ends_with(':')) {
                    before = word == "pre:";
                } else if (before) {
                    found.soft.push_back(normalised(word));
                }
            }
        }
    }
    return found;
}

}  // namespace

ModuleTree::ModuleTree(const fs::path& directory) : directory_(directory) {
    if (directory.empty()) {
        return;
    }
    try {
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
            if (const auto name = module_name(entry.path())) {
                files_.emplace(*name, entry.path());
            }
        }
        const fs::path builtin = directory / "modules.builtin";
        if (fs::exists(builtin)) {
            std::istringstream lines(read_file(builtin));
            for (std::string line; std::getline(lines, line);) {
                if (const auto name = module_name(line)) {
                    builtin_.insert(*name);
                }
            }
        }
    } catch (const fs::filesystem_error& error) {
        throw Error(fmt::format("Could not look for modules in {}: {}.", directory.string(),
                                error.code().message()));
    }
}

bool ModuleTree::knows(const std::string& name) const {
    return files_.contains(normalised(name)) || builtin_.contains(normalised(name));
}

std::vector<Module> ModuleTree::closure(const std::vector<std::string>& wanted) const {
    std::vector<Module> order;
    std::set<std::string> seen;
    for (const std::string& name : wanted) {
        visit(normalised(name), {}, seen, order);
    }
    return order;
}

void ModuleTree::visit(const std::string& name, const std::string& wanted_by,
                       std::set<std::string>& seen, std::vector<Module>& order) const {
    if (builtin_.contains(name) || !seen.insert(name).second) {
        return;
    }
    const auto file = files_.find(name);
    if (file == files_.end()) {
        const std::string reason =
            wanted_by.empty() ? std::string() : fmt::format(" (needed by {})", wanted_by);
        const std::string place =
            directory_.empty()
                ? "no directory of modules was found for it; give one with "
                  "PATH,modules=DIR"
                : "it is neither in " + directory_.string() + " nor named there as built in";
        throw Error(fmt::format("This kernel has no module {}{}: {}.", name, reason, place));
    }
    std::string image = read_module(file->second);
    const Dependencies needs = dependencies(read_modinfo(image).value_or(std::string()));
    for (const std::string& need : needs.soft) {
        if (files_.contains(need)) {  // a soft dependency is a wish
            visit(need, name, seen, order);
        }
    }
    for (const std::string& need : needs.hard) {
        visit(need, name, seen, order);
    }
    order.push_back({.name = name, .image = std::move(image)});
}

}  // namespace skbtrail::guest
