#include "labs/runner/bpf_objects.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/content_hash.h"
#include "guest/error.h"
#include "guest/kept_files.h"
#include "guest/process.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view source_ending = ".bpf.c";
constexpr const char* compilers[] = {"clang-19", "clang"};

/// Nothing when there is no compiler of that name.
std::optional<guest::ProcessResult> compile(const std::string& compiler, const fs::path& source,
                                            const fs::path& object) {
    guest::Command command;
    // asm/types.h is in the architecture's own folder on Debian. libbpf wants the types, in BTF.
    command.arguments = {compiler,
                         "-target",
                         "bpf",
                         "-mcpu=v3",
                         "-O2",
                         "-g",
                         "-Wall",
                         "-fno-color-diagnostics",
                         "-c",
                         "-idirafter",
                         "/usr/include/x86_64-linux-gnu",
                         source.string(),
                         "-o",
                         object.string()};
    command.deadline = 30s;
    try {
        return guest::run_process(command);
    } catch (const guest::Error&) {
        return std::nullopt;
    }
}

/// The object's bytes.
std::string compiled(const fs::path& source, const fs::path& directory) {
    const auto object = directory / "program.o";
    for (const auto* const compiler : compilers) {
        const auto result = compile(compiler, source, object);
        if (!result) continue;
        if (!result->succeeded()) {
            throw CannotRun(fmt::format("{}: this BPF program does not compile:\n{}",
                                        source.string(), result->errors));
        }
        return guest::read_file(object);
    }
    throw CannotRun(fmt::format(
        "there is a BPF program to run, {}, and this machine has no clang to compile it: "
        "install clang-19 (`make setup` does)",
        source.string()));
}

}  // namespace

std::vector<guest::GuestFile> bpf_objects(const fs::path& folder, const fs::path& cache,
                                          const std::string& place) {
    std::vector<guest::GuestFile> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        if (!entry.is_regular_file() || !name.ends_with(source_ending)) continue;
        const auto kept = cache / "bpf";
        fs::create_directories(kept);
        const guest::ScratchDirectory scratch(kept);
        const auto bytes = compiled(entry.path(), scratch.path());
        // By its content: a header that the program includes may have changed, and it has not.
        const guest::KeptFiles objects(kept, {});
        const auto object_name = guest::content_hash(bytes) + ".o";
        const auto object =
            objects.use(object_name) ? objects.path(object_name) : objects.keep(object_name, bytes);
        files.push_back({object, place + "/" + name.substr(0, name.size() - 1) + "o", 0644U});
    }
    return files;
}

}  // namespace skbtrail::labs
