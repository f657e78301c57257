#include "labs/runner/qemu_process.h"

#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "labs/runner/reaper.h"

namespace skbtrail::labs {
namespace {

constexpr int end_limit_ms = 2000;

}  // namespace

void adopt_orphans() noexcept {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

std::optional<QemuProcess> QemuProcess::find(const std::filesystem::path& directory) {
    for (const auto process : processes_of_run(directory, RunProcesses::qemu)) {
        device::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
        if (handle) {
            return QemuProcess(std::move(handle));
        }
    }
    return std::nullopt;
}

void QemuProcess::reap() noexcept {
    siginfo_t info{};
    // Fails with ECHILD when it is not our child: then somebody else reaps it.
    ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(handle_.get()), &info,
             WEXITED | WNOHANG);
}

void QemuProcess::kill() noexcept {
    ::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
    pollfd event{.fd = handle_.get(), .events = POLLIN, .revents = 0};
    ::poll(&event, 1, end_limit_ms);
    reap();
}

}  // namespace skbtrail::labs
