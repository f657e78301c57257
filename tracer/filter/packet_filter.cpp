#include "tracer/filter/packet_filter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

constexpr const char* own_namespace = "/proc/self/ns/net";

std::string namespace_path(const std::string& text) {
    if (text.empty()) return own_namespace;
    if (text.front() == '/') return text;
    if (chain::whole_number<std::uint32_t>(text)) return fmt::format("/proc/{}/ns/net", text);
    return "/run/netns/" + text;
}

std::uint32_t inode_of_namespace(const std::string& path, const std::string& text) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        throw Failure(fmt::format(
            "There is no network namespace \"{}\" ({}: {}). Give a name that `ip netns` "
            "lists, the path of a namespace's file, or the number of a process in it.",
            text, path, std::strerror(errno)));
    }
    return static_cast<std::uint32_t>(status.st_ino);
}

/// An interface's number in the namespace at `path`; 0 when it has none of that name.
std::uint32_t interface_number(const std::string& name, const std::string& path) {
    if (path == own_namespace) return ::if_nametoindex(name.c_str());
    const Fd own(::open(own_namespace, O_RDONLY | O_CLOEXEC));
    const Fd other(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!own || !other || ::setns(other.get(), CLONE_NEWNET) != 0) {
        throw Failure(fmt::format("The network namespace {} cannot be entered to look for {}: {}.",
                                  path, name, std::strerror(errno)));
    }
    const auto number = ::if_nametoindex(name.c_str());
    if (::setns(own.get(), CLONE_NEWNET) != 0) {
        throw Failure(
            fmt::format("Cannot return to the own network namespace: {}.", std::strerror(errno)));
    }
    return number;
}

/// Where control groups of version 2 are mounted.
std::string cgroup_mount() {
    for (const auto line : chain::split_lines(try_read_file("/proc/self/mounts").value_or(""))) {
        const auto words = split_words(line);
        if (words.size() > 2 && words[2] == "cgroup2") return std::string(words[1]);
    }
    throw Failure(
        "No cgroup2 file system is mounted, so packets cannot be told by their control group. "
        "Mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

void resolve_cgroup(const std::string& text, PacketFilter& filter) {
    const auto mount = cgroup_mount();
    auto path = text.starts_with(mount) ? text.substr(mount.size()) : text;
    while (path.starts_with('/')) path.erase(0, 1);
    while (path.ends_with('/')) path.pop_back();
    const auto full = fmt::format("{}/{}", mount, path);
    struct stat status{};
    if (::stat(full.c_str(), &status) != 0) {
        throw Failure(fmt::format("There is no control group \"{}\" ({}: {}).", text, full,
                                  std::strerror(errno)));
    }
    filter.cgroup = status.st_ino;
    if (!path.empty()) {
        filter.cgroup_level =
            static_cast<std::uint32_t>(std::count(path.begin(), path.end(), '/')) + 1;
    }
}

}  // namespace

PacketFilter resolve_filter(const FilterText& text) {
    PacketFilter filter;
    filter.packets = text.packets;
    if (!text.expression.empty()) filter.expression = compile_expression(text.expression);
    const auto path = namespace_path(text.netns);
    // An interface's number says nothing without its namespace: lo is number 1 in each.
    if (!text.netns.empty() || !text.interface.empty()) {
        filter.netns = inode_of_namespace(path, text.netns);
    }
    if (!text.interface.empty()) {
        filter.ifindex = interface_number(text.interface, path);
        if (filter.ifindex == 0)
            filter.ifindex = chain::whole_number<std::uint32_t>(text.interface).value_or(0);
        if (filter.ifindex == 0) {
            throw Failure(fmt::format("There is no interface \"{}\" in {}. `ip link` lists them.",
                                      text.interface,
                                      text.netns.empty() ? "this network namespace"
                                                         : "the network namespace " + text.netns));
        }
    }
    if (!text.cgroup.empty()) resolve_cgroup(text.cgroup, filter);
    if (text.process != 0) {
        if (::access(fmt::format("/proc/{}", text.process).c_str(), F_OK) != 0) {
            throw Failure(fmt::format("There is no process {}.", text.process));
        }
        filter.process = text.process;
    }
    return filter;
}

}  // namespace skbtrail::tracer
