#include "guest/kernel_store.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "guest/additions.h"
#include "guest/apt_state.h"
#include "guest/boot_image.h"
#include "guest/content_hash.h"
#include "guest/debian_mirror.h"
#include "guest/debian_version.h"
#include "guest/elf_image.h"
#include "guest/kept_files.h"
#include "guest/own_build.h"
#include "guest/package.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

using nlohmann::json;

constexpr const char* record_name = "kernel.json";
constexpr const char* record_format = "skbtrail-kernel";
constexpr int record_version = 1;
constexpr const char* debug_name = "debug";
constexpr const char* source_name = "source";

/// A guest without a plan takes a second or two longer to start.
constexpr Retention plans_kept{.unused = std::chrono::hours(24 * 30), .most_bytes = 256U << 20};
/// Images of kernels that are given by a path: unpacked again in half a second.
constexpr Retention unpacked_kept{.unused = std::chrono::hours(24 * 7), .most_bytes = 1U << 30};

/// A letter first: a version begins with a digit.
bool is_build_name(const std::string& text) {
    const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
    return !text.empty() && letter(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
           });
}

std::uintmax_t size_below(const fs::path& directory) {
    std::uintmax_t bytes = 0;
    std::error_code gone;  // removed meanwhile by another process: what is left counts
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory, gone)) {
        if (entry.is_regular_file(gone)) {
            bytes += entry.file_size(gone);
        }
    }
    return bytes;
}

/// The kernel in `directory`, whatever the directory is called, if one was completed there by a
/// version of skbtrail that this one understands.
std::optional<Kernel> read_any_kernel(const fs::path& directory) {
    const fs::path record = directory / record_name;
    if (!fs::exists(record)) {
        return std::nullopt;
    }
    const json document = json::parse(read_file(record), nullptr, /*allow_exceptions=*/false);
    if (!document.is_object() || document.value("format", json()) != record_format ||
        document.value("version", json()) != record_version) {
        return std::nullopt;
    }
    const auto text = [&document](const char* name) {
        const json value = document.value(name, json());
        return value.is_string() ? value.get<std::string>() : std::string();
    };
    Kernel kernel{.release = text("release"),
                  .vmlinux = directory / "vmlinux",
                  .modules = if_there(directory / "modules"),
                  .config = if_there(directory / "config"),
                  .system_map = if_there(directory / "System.map"),
                  .debug_info = if_there(directory / debug_name),
                  .source = if_there(directory / source_name),
                  .build_id = text("build_id"),
                  .package = text("package"),
                  .package_version = text("package_version"),
                  .suite = text("suite")};
    return fs::exists(kernel.vmlinux) ? std::optional(kernel) : std::nullopt;
}

/// The kernel in `directory`, which is called by its release.
std::optional<Kernel> read_kernel(const fs::path& directory) {
    const auto kernel = read_any_kernel(directory);
    return kernel && kernel->release == directory.filename() ? kernel : std::nullopt;
}

void write_kernel(const fs::path& directory, const AvailableKernel& kernel,
                  const std::string& build_id) {
    const json document = {{"format", record_format},   {"version", record_version},
                           {"release", kernel.release}, {"build_id", build_id},
                           {"package", kernel.package}, {"package_version", kernel.package_version},
                           {"suite", kernel.suite}};
    write_file_atomically(directory / record_name, document.dump(2) + "\n");
}

/// Moves `name`, which stands in one of several places of an unpacked package, to `target`.
bool move_first(const std::vector<fs::path>& places, const fs::path& target) {
    for (const fs::path& place : places) {
        if (fs::exists(place)) {
            fs::rename(place, target);
            return true;
        }
    }
    return false;
}

/// "6.1 (newest: 6.1.192), 6.12 (newest: 6.12.117)"; `kernels` are ordered by version.
std::string spell(const std::vector<AvailableKernel>& kernels) {
    std::vector<std::pair<std::string, std::string>> newest;
    for (const AvailableKernel& kernel : kernels) {
        const std::string series = series_of(kernel.package_version);
        if (newest.empty() || newest.back().first != series) {
            newest.emplace_back(series, std::string());
        }
        newest.back().second = upstream_version(kernel.package_version);
    }
    std::vector<std::string> texts;
    for (const auto& [series, version] : newest) {
        texts.push_back(fmt::format("{} (newest: {})", series, version));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

std::string spell_cached(const std::vector<Kernel>& kernels) {
    std::vector<std::string> releases;
    for (const Kernel& kernel : kernels) {
        releases.push_back(kernel.release);
    }
    return releases.empty() ? "which is empty"
                            : fmt::format("which has {}", fmt::join(releases, ", "));
}

/// The last match, which is the newest, as both lists are ordered.
template <typename Kernels>
auto newest_match(const std::string& spec, const Kernels& kernels) {
    return std::find_if(kernels.rbegin(), kernels.rend(), [&spec](const auto& kernel) {
        return matches(spec, kernel.release, kernel.package_version);
    });
}

/// Removes what a process that was killed left half unpacked. Only under the store's lock: nobody
/// else is unpacking then.
void remove_leftovers(const fs::path& directory) {
    std::error_code ignored;  // they do no harm but take room
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored)) {
        if (entry.path().filename().string().starts_with(".scratch-")) {
            fs::remove_all(entry.path(), ignored);
        }
    }
}

/// What a kernel's plans are called begins with this.
std::string plan_prefix(const Kernel& kernel) {
    return kernel.build_id.empty() ? kernel.release : kernel.build_id;
}

/// Another build of the collector makes other lists, and both may be in use by turns.
std::string plan_name(const Kernel& kernel, std::string_view collector,
                      const std::vector<std::string>& modules) {
    const auto of = content_hash(fmt::format("{}\n{}", collector, fmt::join(modules, " ")));
    return fmt::format("{}-{}.plan", plan_prefix(kernel), of.substr(0, 12));
}

}  // namespace

KernelStore::KernelStore(fs::path root) : root_(std::move(root)) {}

std::vector<Kernel> KernelStore::list() const {
    std::vector<Kernel> found;
    std::error_code none;  // no directory yet: no kernels
    for (const fs::directory_entry& entry : fs::directory_iterator(kernels(), none)) {
        if (auto kernel = read_kernel(entry.path())) {
            found.push_back(std::move(*kernel));
        }
    }
    std::sort(found.begin(), found.end(), [](const Kernel& left, const Kernel& right) {
        const auto order = compare_debian_versions(left.package_version, right.package_version);
        return order != 0 ? order < 0 : left.release < right.release;
    });
    return found;
}

Kernel KernelStore::resolve(const std::string& spec, const Progress& progress,
                            std::stop_token stop) {
    if (spec.find('/') != std::string::npos) {
        return resolve_file(spec);
    }
    if (is_build_name(spec)) {
        if (const auto build = read_any_kernel(named_builds() / spec)) {
            return *build;
        }
    }
    const auto cached = [this, &spec]() -> std::optional<Kernel> {
        const std::vector<Kernel> kernels = list();
        const auto found = newest_match(spec, kernels);
        return found == kernels.rend() ? std::nullopt : std::optional(*found);
    };
    if (const auto kernel = cached()) {
        return *kernel;
    }
    const FileLock lock = lock_for_fetching(progress);
    if (const auto kernel = cached()) {
        return *kernel;  // another process has fetched it while this one waited
    }
    return fetch_locked(spec, progress, std::move(stop));
}

Kernel KernelStore::fetch(const std::string& spec, const Progress& progress, std::stop_token stop) {
    const FileLock lock = lock_for_fetching(progress);
    return fetch_locked(spec, progress, std::move(stop));
}

FileLock KernelStore::lock_for_fetching(const Progress& progress) const {
    // One apt state and one kernel's directory serve all processes.
    return FileLock(root_ / "kernels.lock", [&progress] {
        if (progress) {
            progress("another skbtrail is at the kernels; waiting for it");
        }
    });
}

Kernel KernelStore::fetch_locked(const std::string& spec, const Progress& progress,
                                 std::stop_token stop) {
    AptState apt(root_ / "apt", progress, stop);
    apt.update();
    const std::vector<AvailableKernel> known = apt.kernels();
    if (known.empty()) {
        throw Error(fmt::format(
            "There is no kernel {} in {} ({}), and no list of kernels could be fetched from the "
            "Debian mirror. Check the network, or give the path of a kernel of your own.",
            spec, kernels().string(), spell_cached(list())));
    }
    const auto wanted = newest_match(spec, known);
    if (wanted == known.rend()) {
        throw Error(
            fmt::format("There is no kernel {}. The Debian mirror has {}. A path (with a slash) to "
                        "a bzImage or "
                        "vmlinux of your own works too.",
                        spec, spell(known)));
    }
    if (const auto cached = read_kernel(kernels() / wanted->release);
        cached && cached->package_version == wanted->package_version) {
        return *cached;
    }
    remove_leftovers(kernels());
    const ScratchDirectory scratch(kernels());
    return install(*wanted, apt.download(*wanted, scratch.path()), scratch.path(), progress, stop);
}

Kernel KernelStore::install(const AvailableKernel& kernel, const std::vector<fs::path>& packages,
                            const fs::path& scratch, const Progress& progress,
                            std::stop_token stop) {
    if (progress) {
        progress("unpacking " + kernel.release);
    }
    const fs::path tree = scratch / "tree";
    const fs::path result = scratch / "kernel";
    for (const fs::path& package : packages) {
        unpack_package(package, tree, stop);
    }
    fs::create_directories(result);
    const fs::path modules = fs::path("lib/modules") / kernel.release;
    const auto take = [&](const std::string& name) {
        // Where they stand has changed with the years; newer packages keep all beside the modules.
        return move_first({tree / "boot" / (name + "-" + kernel.release), tree / modules / name,
                           tree / "usr" / modules / name},
                          result / name);
    };
    take("config");
    take("System.map");
    if (!take("vmlinuz")) {
        throw Error(fmt::format(
            "The packages of {} hold no kernel image where one is known to be. This release of "
            "Debian's packages is newer than this skbtrail; choose an older kernel.",
            kernel.release));
    }
    move_first({tree / modules, tree / "usr" / modules}, result / "modules");
    const BootImage image =
        read_boot_image(read_file(result / "vmlinuz"), "the kernel of " + kernel.package);
    write_file_atomically(result / "vmlinux", image.vmlinux);
    write_kernel(result, kernel, image.build_id);

    const fs::path place = kernels() / kernel.release;
    fs::remove_all(place);  // an incomplete one, or one of another version
    fs::rename(result, place);
    return *read_kernel(place);
}

Kernel KernelStore::fetch_addition(const Kernel& kernel, Addition addition,
                                   const Progress& progress, std::stop_token stop) {
    if (kernel.package.empty()) {
        throw Error(fmt::format(
            "{} is not one of Debian's kernels: its source and its debug information are where it "
            "was built.",
            kernel.release));
    }
    const FileLock lock = lock_for_fetching(progress);
    const fs::path place = kernels() / kernel.release;
    const fs::path target = place / (addition == Addition::source ? source_name : debug_name);
    if (!fs::exists(target)) {
        AptState apt(root_ / "apt", progress, stop);
        apt.update();
        remove_leftovers(kernels());
        const ScratchDirectory scratch(kernels());
        const AvailableKernel wanted{kernel.release, addition_package(kernel, addition),
                                     kernel.package_version, kernel.suite};
        const auto packages = apt.download(wanted, scratch.path());
        if (progress) progress("unpacking " + wanted.package);
        fs::rename(unpack_addition(addition, kernel, packages, scratch.path() / "tree", stop),
                   target);
    }
    return *read_kernel(place);
}

Kernel KernelStore::resolve_file(const std::string& spec) {
    const OwnBuild build = find_own_build(spec);
    Kernel kernel;
    kernel.release = build.boot.release;
    kernel.vmlinux = build.image;
    kernel.build_id = build.boot.build_id;
    kernel.modules = build.modules;
    kernel.config = build.config;
    kernel.debug_info = build.debug_info;
    if (build.packed) {
        // Kept unpacked, so that QEMU has a file to start from.
        const KeptFiles unpacked(kernels() / "own", unpacked_kept);
        const std::string name = content_hash(build.boot.vmlinux) + ".vmlinux";
        kernel.vmlinux =
            unpacked.use(name) ? unpacked.path(name) : unpacked.keep(name, build.boot.vmlinux);
    }
    return kernel;
}

Kernel KernelStore::add_build(const std::string& name, const std::string& spec) {
    if (!is_build_name(name)) {
        throw Error(
            fmt::format("\"{}\" is not a name for a kernel: it begins with a letter, and has "
                        "letters, digits, - "
                        "and _ in it.",
                        name));
    }
    const OwnBuild build = find_own_build(spec);
    const FileLock lock = lock_for_fetching({});
    fs::create_directories(named_builds());
    remove_leftovers(named_builds());
    const ScratchDirectory scratch(named_builds());
    const fs::path result = scratch.path() / "kernel";
    fs::create_directories(result);
    write_file_atomically(result / "vmlinux", without_sections(build.boot.vmlinux));
    if (!build.config.empty()) {
        fs::copy_file(build.config, result / "config");
    }
    if (!build.modules.empty()) {
        copy_modules(build.modules, result / "modules");
    }
    AvailableKernel own;
    own.release = build.boot.release;
    write_kernel(result, own, build.boot.build_id);
    const fs::path place = named_builds() / name;
    fs::remove_all(place);
    fs::rename(result, place);
    return resolve(name);
}

std::vector<NamedBuild> KernelStore::builds() const {
    std::vector<NamedBuild> found;
    std::error_code none;
    for (const fs::directory_entry& entry : fs::directory_iterator(named_builds(), none)) {
        const std::string name = entry.path().filename();
        if (!is_build_name(name)) {
            continue;
        }
        if (const auto kernel = read_any_kernel(entry.path())) {
            found.push_back({name, *kernel, size_below(entry.path())});
        }
    }
    std::sort(found.begin(), found.end(),
              [](const NamedBuild& a, const NamedBuild& b) { return a.name < b.name; });
    return found;
}

std::vector<AvailableKernel> KernelStore::available(const Progress& progress,
                                                    std::stop_token stop) {
    const FileLock lock = lock_for_fetching(progress);
    AptState apt(root_ / "apt", progress, std::move(stop));
    apt.update();
    return apt.kernels();
}

void KernelStore::remove(const std::string& release) {
    const FileLock lock = lock_for_fetching({});
    if (is_build_name(release)) {
        if (const auto build = read_any_kernel(named_builds() / release)) {
            remove(*build);
            return;
        }
    }
    for (const Kernel& kernel : list()) {
        if (kernel.release == release) {
            remove(kernel);
            return;
        }
    }
    throw Error(fmt::format("There is no kernel {} in {}.", release, kernels().string()));
}

void KernelStore::remove(const Kernel& kernel) const {
    fs::remove_all(kernel.vmlinux.parent_path());
    std::error_code none;  // no plan yet
    for (const fs::directory_entry& plan : fs::directory_iterator(root_ / "plans", none)) {
        if (plan.path().filename().string().starts_with(plan_prefix(kernel))) {
            fs::remove(plan.path());
        }
    }
}

std::uintmax_t KernelStore::size(const std::string& release) const {
    return size_below(kernels() / release);
}

fs::path KernelStore::plan_path(const Kernel& kernel, std::string_view collector,
                                const std::vector<std::string>& modules) const {
    const std::string name = plan_name(kernel, collector, modules);
    const KeptFiles plans(root_ / "plans", plans_kept);
    plans.use(name);
    return plans.path(name);
}

void KernelStore::keep_plan(const Kernel& kernel, std::string_view collector,
                            const std::vector<std::string>& modules, std::string_view plan) const {
    const KeptFiles plans(root_ / "plans", plans_kept);
    plans.keep(plan_name(kernel, collector, modules), plan);
}

Kernel resolve_kernel(const std::string& spec, const Progress& progress) {
    return KernelStore().resolve(spec, progress);
}

}  // namespace skbtrail::guest
