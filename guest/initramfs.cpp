#include "guest/initramfs.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include <fmt/format.h>

#include "guest/content_hash.h"
#include "guest/cpio.h"
#include "guest/elf_image.h"
#include "guest/error.h"
#include "guest/kept_files.h"
#include "guest/modules.h"
#include "guest/process.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

/// Changes whenever what is put together here changes for the same input.
constexpr int layout_version = 2;
/// QEMU reads one at the start of a guest, and only then.
constexpr Retention archives_kept{.unused = std::chrono::hours(24 * 7), .most_bytes = 1U << 30};

/// The program's bytes. A guest has no libraries, so one that wants them fails there with nothing
/// but "not found": better said here.
std::string read_static_program(const fs::path& path, const std::string& advice) {
    if (!fs::exists(path)) {
        throw Error(
            fmt::format("The guest needs {}, which is not there: {}.", path.string(), advice));
    }
    std::string image = read_file(path);
    if (needs_loader(image)) {
        throw Error(fmt::format("{} needs shared libraries, which a guest does not have: {}.",
                                path.string(), advice));
    }
    return image;
}

/// The program without its debug information, which in a build for developers is nine tenths of it
/// and would be copied twice at every boot. Where there is no strip, as it is.
std::string stripped(const fs::path& program, const fs::path& scratch) {
    const fs::path result = scratch / "stripped";
    Command command;
    command.arguments = {"strip", "--strip-debug", "-o", result.string(), program.string()};
    try {
        return run_process(command).succeeded() ? read_file(result) : read_file(program);
    } catch (const Error&) {
        return read_file(program);
    }
}

std::vector<std::string> applets(const fs::path& busybox) {
    Command command;
    command.arguments = {busybox.string(), "--list"};
    const ProcessResult result = run_process(command);
    if (!result.succeeded()) {
        throw Error("Could not ask busybox for its commands: " + describe(command, result) + ".");
    }
    std::vector<std::string> names;
    std::istringstream lines(result.output);
    for (std::string name; std::getline(lines, name);) {
        if (name != "busybox" && name.find('/') == std::string::npos) {
            names.push_back(name);
        }
    }
    return names;
}

std::string module_path(const Module& module) {
    return "/modules/" + module.name + ".ko";
}

std::vector<std::string> module_paths(const std::vector<Module>& modules) {
    std::vector<std::string> paths;
    paths.reserve(modules.size());
    for (const Module& module : modules) {
        paths.push_back(module_path(module));
    }
    return paths;
}

/// What the stream itself needs, where a kernel has it as modules; Debian's cloud kernels have it
/// built in.
std::vector<Module> early_modules(const ModuleTree& tree) {
    std::vector<std::string> names;
    for (const char* name : {"virtio_pci", "virtio_console"}) {
        if (tree.knows(name)) {
            names.emplace_back(name);
        }
    }
    return tree.closure(names);
}

/// Everything in the base part. Its key is the hash of what it is made from, so that an unchanged
/// part is found without being built.
struct Base {
    std::string init;
    std::string collector;
    std::string busybox;
    std::vector<std::string> applets;
    std::vector<Module> modules;

    std::string key() const {
        std::string text = fmt::format("layout {}\n", layout_version);
        for (const std::string* program : {&init, &collector, &busybox}) {
            text += content_hash(*program) + "\n";
        }
        for (const Module& module : modules) {
            text += module.name + " " + content_hash(module.image) + "\n";
        }
        return content_hash(text);
    }

    std::string archive() const {
        CpioArchive archive;
        archive.add_file("/init", init, 0755);
        archive.add_file("/bin/skbtrail-collect", collector, 0755);
        archive.add_file("/bin/busybox", busybox, 0755);
        for (const std::string& applet : applets) {
            archive.add_link("/bin/" + applet, "busybox");
        }
        for (const char* path : {"/sbin", "/usr/bin", "/usr/sbin"}) {
            archive.add_link(path, "/bin");
        }
        for (const Module& module : modules) {
            archive.add_file(module_path(module), module.image, 0644);
        }
        for (const char* path : {"/proc", "/sys", "/dev", "/run", "/etc", "/root"}) {
            archive.add_directory(path);
        }
        archive.add_directory("/tmp", 01777);
        // Before devtmpfs is mounted there is this one device: the kernel opens it for PID 1.
        archive.add_device("/dev/console", 5, 1, 0600);
        archive.add_file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0644);
        archive.add_file("/etc/group", "root:x:0:\n", 0644);
        archive.add_file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0644);
        return archive.bytes();
    }
};

/// What belongs to the run alone.
void add_run(CpioArchive& archive, const InitramfsRequest& request, const JobSpec& job) {
    archive.add_file("/job.json", to_json_text(job), 0644);
    for (const GuestFile& file : request.files) {
        archive.add_file(file.destination, read_file(file.source), file.mode);
    }
}

/// The modules that a guest loads, before and after there is a stream to the host.
struct GuestModules {
    std::vector<Module> early;
    std::vector<Module> later;

    explicit GuestModules(const InitramfsRequest& request) {
        const ModuleTree tree(request.kernel.modules);
        early = early_modules(tree);
        later = tree.closure(request.modules);
        std::erase_if(later, [this](const Module& module) {
            return std::any_of(early.begin(), early.end(), [&module](const Module& loaded) {
                return loaded.name == module.name;
            });
        });
    }

    JobSpec named_in(JobSpec job) const {
        job.early_modules = module_paths(early);
        job.modules = module_paths(later);
        return job;
    }
};

/// The kernel looks for the next archive at a multiple of four bytes.
void pad(std::string& bytes) {
    bytes.resize((bytes.size() + 3) / 4 * 4, '\0');
}

}  // namespace

fs::path build_initramfs(const InitramfsRequest& request, const fs::path& cache) {
    const GuestModules modules(request);
    Base base;
    base.init = read_static_program(request.init, "build skbtrail-init (part of this project)");
    base.collector =
        read_static_program(request.collector, "build skbtrail-collect (part of this project)");
    base.busybox = read_static_program(request.busybox, "install the package busybox-static");
    base.modules = modules.early;
    base.modules.insert(base.modules.end(), modules.later.begin(), modules.later.end());

    const KeptFiles kept(cache / "initramfs", archives_kept);
    const std::string base_key = base.key();
    const std::string base_name = "base-" + base_key + ".cpio";
    std::string bytes;
    if (kept.use(base_name)) {
        bytes = read_file(kept.path(base_name));
    } else {
        const ScratchDirectory scratch(cache / "initramfs");
        base.init = stripped(request.init, scratch.path());
        base.collector = stripped(request.collector, scratch.path());
        base.applets = applets(request.busybox);
        bytes = base.archive();
        pad(bytes);
        kept.keep(base_name, bytes);
    }

    CpioArchive archive;
    add_run(archive, request, modules.named_in(request.job));
    const std::string run_part = archive.bytes();
    const std::string name = content_hash(base_key + "\n" + run_part) + ".cpio";
    return kept.use(name) ? kept.path(name) : kept.keep(name, bytes + run_part);
}

std::string build_job_archive(const InitramfsRequest& request) {
    const GuestModules modules(request);
    CpioArchive archive;
    for (const Module& module : modules.later) {
        archive.add_file(module_path(module), module.image, 0644);
    }
    add_run(archive, request, modules.named_in(request.job));
    return archive.bytes();
}

}  // namespace skbtrail::guest
