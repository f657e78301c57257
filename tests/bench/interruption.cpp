#include "tests/bench/interruption.h"

#include <csignal>

#include <signal.h>

namespace skbtrail::bench {

namespace {

volatile std::sig_atomic_t came = 0;

}  // namespace

Interruption::Interruption() {
    struct sigaction action{};
    action.sa_handler = [](int number) { came = number; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

const char* Interruption::signal() const noexcept {
    return came == 0 ? nullptr : came == SIGINT ? "SIGINT" : "SIGTERM";
}

int Interruption::exit_code() const noexcept {
    return came == 0 ? 0 : 128 + came;
}

}  // namespace skbtrail::bench
