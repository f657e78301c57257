#include "labs/runner/qemu.h"

#include <cstdio>

#include <fmt/format.h>

#include "guest/process.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

constexpr auto default_program = "qemu-system-x86_64";
constexpr auto how_to_get_one =
    "On Debian 12: apt install -t bookworm-backports qemu-system-x86 "
    "(`make setup` does it); or name another one with --qemu.";

}  // namespace

std::string Qemu::version() const {
    return fmt::format("{}.{}.{}", major, minor, micro);
}

Qemu parse_qemu_version(const std::filesystem::path& program, std::string_view output) {
    Qemu qemu{.program = program};
    const auto line = std::string(output.substr(0, output.find('\n')));
    if (std::sscanf(line.c_str(), "QEMU emulator version %u.%u.%u", &qemu.major, &qemu.minor,
                    &qemu.micro) < 2) {
        throw CannotRun(fmt::format("{} is not QEMU: asked for its version it says \"{:.80}\". {}",
                                    program.string(), line, how_to_get_one));
    }
    return qemu;
}

Qemu find_qemu(const std::filesystem::path& named) {
    auto program = named;
    if (program.empty()) {
        const auto found = find_program(default_program);
        if (!found) {
            throw CannotRun(
                fmt::format("there is no {} in PATH. {}", default_program, how_to_get_one));
        }
        program = *found;
    }
    const auto result = guest::run_process({.arguments = {program.string(), "--version"},
                                            .environment = {},
                                            .directory = {},
                                            .deadline = std::chrono::seconds(20),
                                            .stop = {}});
    return parse_qemu_version(program, result.output);
}

void require_new_enough(const Qemu& qemu) {
    if (qemu.major < least_qemu_major) {
        throw CannotRun(fmt::format(
            "{} is QEMU {}, which is too old: QEMU before {} corrupts guests when it emulates the "
            "processor (about one boot in three dies of a random fault). {}",
            qemu.program.string(), qemu.version(), least_qemu_major, how_to_get_one));
    }
}

}  // namespace skbtrail::labs
