#include "guest/package.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "guest/error.h"
#include "guest/process.h"

namespace skbtrail::guest {

void unpack_package(const std::filesystem::path& package, const std::filesystem::path& target,
                    std::stop_token stop) {
    Command command;
    command.arguments = {"dpkg-deb", "-x", package.string(), target.string()};
    command.deadline = std::chrono::minutes(5);
    command.stop = std::move(stop);
    const ProcessResult result = run_process(command);
    if (!result.succeeded()) {
        throw Error(fmt::format("{} could not be unpacked: {}.", package.filename().string(),
                                describe(command, result)));
    }
}

}  // namespace skbtrail::guest
