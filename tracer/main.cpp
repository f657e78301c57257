// skbtrail-collect: records the way of every packet through the kernel while a command runs.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <variant>

#include <signal.h>

#include "tracer/collect.h"
#include "tracer/failure.h"
#include "tracer/options.h"
#include "tracer/status.h"

namespace {

using namespace skbtrail::tracer;

constexpr const char* out_of_memory =
    "Out of memory, or at a limit of processes or memory (ulimit -a). Record less, or give "
    "--memory-mib a smaller number.";

/// Returns the program's exit status.
int run(int argc, const char* const* argv) {
    const auto parsed = parse_options(argc, argv);
    if (const auto* exit = std::get_if<Exit>(&parsed)) {
        std::fputs(exit->text.c_str(), exit->is_error ? stderr : stdout);
        return exit->status;
    }
    const auto& options = std::get<Options>(parsed);
    ::signal(SIGPIPE, SIG_IGN);  // a reader of the status lines may go away
    StatusWriter status(options.status_fd);
    std::string message;
    try {
        collect(options, status);
        return exit_ok;
    } catch (const Failure& failure) {
        message = failure.what();
    } catch (const std::bad_alloc&) {
        message = out_of_memory;
    } catch (const std::system_error& error) {
        // What a thread is told for which there is no memory, or no room in a limit.
        const bool memory = error.code() == std::errc::not_enough_memory ||
                            error.code() == std::errc::resource_unavailable_try_again;
        message = memory ? out_of_memory : std::string("Unexpected: ") + error.what();
    } catch (const std::exception& error) {
        message = std::string("Unexpected: ") + error.what();
    }
    std::fprintf(stderr, "skbtrail-collect: %s\n", message.c_str());
    status.error(message);
    return exit_cannot_record;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "skbtrail-collect: %s\n", error.what());
        return exit_cannot_record;
    }
}
