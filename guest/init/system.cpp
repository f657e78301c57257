#include "guest/init/system.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/error.h"

namespace skbtrail::guest {
namespace {

struct FileSystem {
    const char* type;
    const char* place;
    bool required;
};

/// In this order: the later ones are mounted inside the earlier ones.
constexpr FileSystem file_systems[] = {
    {"proc", "/proc", true},
    {"sysfs", "/sys", true},
    {"devtmpfs", "/dev", true},
    {"tmpfs", "/run", true},
    {"tmpfs", "/tmp", true},
    {"tracefs", "/sys/kernel/tracing", false},
    {"debugfs", "/sys/kernel/debug", false},
    {"bpf", "/sys/fs/bpf", false},
};

/// sysctl(8): the first separator in the name, '.' or '/', is the one that separates; the other
/// is part of a name then ("net.ipv4.conf.eth0/100.forwarding").
std::string sysctl_path(std::string name) {
    const std::size_t first = name.find_first_of("./");
    if (first != std::string::npos && name[first] == '.') {
        for (char& character : name) {
            character = character == '.' ? '/' : character == '/' ? '.' : character;
        }
    }
    return "/proc/sys/" + name;
}

std::int64_t milliseconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void set_sysctl(const std::string& name, const std::string& value) {
    const std::string path = sysctl_path(name);
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool written = file >= 0 && ::write(file, value.data(), value.size()) ==
                                          static_cast<ssize_t>(value.size());
    const int error = errno;
    if (file >= 0) {
        ::close(file);
    }
    if (!written) {
        throw Error("The sysctl " + name + " could not be set to \"" + value + "\" (" + path +
                    "): " + reason(error) + ".");
    }
}

}  // namespace

std::string reason(int number) {
    return std::strerror(number);
}

void mount_file_systems() {
    ::umask(022);
    for (const FileSystem& system : file_systems) {
        // The directories in /sys exist where the kernel has the file system.
        ::mkdir(system.place, 0755);
        if (::mount(system.type, system.place, system.type, MS_NOSUID, nullptr) == 0 ||
            errno == EBUSY || !system.required) {
            continue;
        }
        throw Error(std::string("The guest could not mount ") + system.type + " on " +
                    system.place + ": " + reason(errno) + ".");
    }
    ::chmod("/tmp", 01777);
}

void load_modules(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const long result = file < 0 ? -1 : ::syscall(SYS_finit_module, file, "", 0);
        const int error = result == 0 ? 0 : errno;
        if (file >= 0) {
            ::close(file);
        }
        if (error != 0 && error != EEXIST) {
            throw Error("The guest's kernel did not load the module " + path + ": " +
                        reason(error) + ". The guest's console has the kernel's own words.");
        }
    }
}

void set_sysctls(const std::map<std::string, std::string>& settings) {
    for (const auto& [name, value] : settings) {
        set_sysctl(name, value);
    }
}

void unpack(const std::string& archive) {
    const char* const command[] = {"busybox", "cpio",          "-i",   "-d", "-u",
                                   "-F",      archive.c_str(), nullptr};
    const pid_t process = ::fork();
    if (process == 0) {
        if (::chdir("/") == 0) {
            ::execv("/bin/busybox", const_cast<char* const*>(command));
        }
        ::_exit(127);
    }
    int status = -1;
    while (process > 0 && ::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    ::unlink(archive.c_str());
    if (status != 0) {
        throw Error(
            "The job that the host sent could not be unpacked. The guest's console has the "
            "reason.");
    }
}

std::uint64_t uptime_ms() {
    return static_cast<std::uint64_t>(milliseconds(CLOCK_BOOTTIME));
}

std::int64_t monotonic_ms() {
    return milliseconds(CLOCK_MONOTONIC);
}

void power_off() {
    ::sync();
    ::reboot(RB_POWER_OFF);
    // A machine that cannot switch itself off: PID 1 must not return (that is a panic).
    while (true) {
        ::pause();
    }
}

}  // namespace skbtrail::guest
