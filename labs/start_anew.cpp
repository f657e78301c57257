#include "labs/start_anew.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

/// A file of strings, each with a zero behind it.
std::vector<std::string> strings_in(const char* path) {
    std::vector<std::string> strings;
    std::ifstream file(path, std::ios::binary);
    for (std::string one; std::getline(file, one, '\0');) strings.push_back(one);
    return strings;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (auto& one : strings) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

void start_anew(const std::vector<std::string>& more) {
    auto arguments = strings_in("/proc/self/cmdline");
    arguments.insert(arguments.end(), more.begin(), more.end());
    // As the kernel keeps it: a run sets variables for libvirt.
    auto environment = strings_in("/proc/self/environ");
    ::execve("/proc/self/exe", pointers_to(arguments).data(), pointers_to(environment).data());
    throw CannotRun(fmt::format("the run cannot be started again: {}", std::strerror(errno)));
}

}  // namespace skbtrail::labs
