#include "labs/runner/programs.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/elf_image.h"
#include "guest/process.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// Of the x86-64 ABI; every dynamic program of a Debian system names it.
constexpr const char* loader = "/lib64/ld-linux-x86-64.so.2";

fs::path must_find(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream places(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/sbin:/bin");
    for (std::string place; std::getline(places, place, ':');) {
        std::error_code error;
        const fs::path candidate = fs::path(place) / name;
        if (!place.empty() && fs::is_regular_file(candidate, error)) return candidate;
    }
    throw CannotRun(fmt::format(
        "the lab needs the program {} in its guest, and this machine does not have it: install the "
        "Debian package that holds it (`make setup` installs those of the shipped labs)",
        name));
}

std::vector<std::string> libraries_of(const fs::path& program) {
    if (!guest::needs_loader(guest::read_file(program))) return {};
    guest::Command command;
    command.arguments = {loader, "--list", program.string()};
    const auto result = guest::run_process(command);
    if (!result.succeeded()) {
        throw CannotRun(fmt::format("the libraries of {} could not be listed: {}", program.string(),
                                    guest::describe(command, result)));
    }
    return listed_libraries(result.output, program.string());
}

}  // namespace

std::vector<std::string> listed_libraries(const std::string& listing, const std::string& program) {
    // "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)", and the loader without an
    // arrow.
    std::vector<std::string> paths;
    std::istringstream lines(listing);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("not found") != std::string::npos) {
            throw CannotRun(fmt::format("a library of {} is not installed:{}", program, line));
        }
        const auto begin = line.find('/');
        if (begin == std::string::npos) continue;  // the kernel's own: linux-vdso.so.1
        // Where the loader's own name is one with a slash, what it is mapped from follows it.
        const auto arrow = line.find("=> /");
        const auto from = arrow == std::string::npos ? begin : arrow + 3;
        paths.push_back(line.substr(from, line.find(' ', from) - from));
    }
    return paths;
}

void GuestPrograms::add(const fs::path& program, const std::string& destination) {
    files_.push_back({program, destination, 0755U});
    for (const std::string& library : libraries_of(program)) {
        // /lib is /usr/lib on the host; in the guest a library has its name's own folder.
        if (libraries_.insert(library).second) files_.push_back({library, library, 0755U});
    }
    if (!libraries_.empty() && libraries_.insert(loader).second) {
        files_.push_back({loader, loader, 0755U});
    }
}

std::vector<guest::GuestFile> guest_programs(const std::vector<std::string>& names) {
    GuestPrograms programs;
    for (const std::string& name : names) programs.add(must_find(name), "/bin/" + name);
    return programs.files();
}

}  // namespace skbtrail::labs
