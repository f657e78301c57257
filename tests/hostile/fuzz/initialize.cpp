// Before the first input of every fuzzer.
#include <signal.h>
#include <spdlog/spdlog.h>

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
    // What the NIC says of what it refuses is not wanted.
    spdlog::set_level(spdlog::level::off);
    // As the program has it: a front end may hand over a pipe to be called through, and leave it.
    ::signal(SIGPIPE, SIG_IGN);
    return 0;
}
