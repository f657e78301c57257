#include "device/sandbox.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>

#include <cap-ng.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace skbtrail::device {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

/// Moving frames, keeping time, memory, threads, the log, and ending.
constexpr std::initializer_list<int> always = {
    // Descriptors that are open.
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(fcntl),
    SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat),
    SCMP_SYS(statx), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
    // Sockets that are open.
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    // Waiting.
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(restart_syscall),
    // Memory: the guest's comes and goes, and that of the log of written pages; a region that the
    // front end is given for chains in flight is made here.
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(memfd_create),
    // Threads and signals.
    SCMP_SYS(futex), SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(setpriority), SCMP_SYS(getpriority), SCMP_SYS(capset),
    SCMP_SYS(capget), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(membarrier),
    // Who and how much.
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
    SCMP_SYS(getrusage), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    // Sockets' files go when the NIC ends.
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/// What the sanitizers' run time does, most of it when the program ends or has failed.
constexpr std::initializer_list<int> of_sanitizers = {SCMP_SYS(clone),
                                                      SCMP_SYS(clone3),
                                                      SCMP_SYS(ptrace),
                                                      SCMP_SYS(wait4),
                                                      SCMP_SYS(kill),
                                                      SCMP_SYS(tkill),
                                                      SCMP_SYS(prctl),
                                                      SCMP_SYS(prlimit64),
                                                      SCMP_SYS(getdents64),
                                                      SCMP_SYS(arch_prctl),
                                                      SCMP_SYS(access),
                                                      SCMP_SYS(mprotect),
                                                      SCMP_SYS(mmap),
                                                      SCMP_SYS(sched_setaffinity),
                                                      SCMP_SYS(process_vm_readv),
                                                      SCMP_SYS(ioctl),
                                                      SCMP_SYS(pipe),
                                                      SCMP_SYS(pipe2)};

/// The names of system calls by number, so that the handler, which may not allocate, has them.
constexpr std::size_t named_calls = 512;
std::array<const char*, named_calls> call_names{};
std::array<std::atomic<bool>, named_calls> already_said{};

void append(char*& at, const char* end, const char* text) {
    while (*text != '\0' && at < end) {
        *at++ = *text++;
    }
}

/// A call that the filter does not allow.
void on_refused(int, siginfo_t* info, void* context) {
    const int call = info->si_syscall;
    const bool known = call >= 0 && static_cast<std::size_t>(call) < named_calls;
    const std::size_t at = known ? static_cast<std::size_t>(call) : 0;
    if (!already_said[at].exchange(true)) {
        std::array<char, 160> line{};
        char* end = line.data();
        const char* const limit = line.data() + line.size();
        append(end, limit, "skbtrail-nic: sandbox: refused the system call ");
        append(end, limit,
               known && call_names[at] != nullptr ? call_names[at] : "of no known name");
        append(end, limit, " (--no-sandbox allows it)\n");
        [[maybe_unused]] const auto written =
            ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(end - line.data()));
    }
    auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    machine.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    machine.regs[0] = static_cast<unsigned long long>(-EPERM);
#else
#error "where does this machine keep the result of a system call?"
#endif
}

struct ReleaseFilter {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

/// Rules are added one by one; the first that fails is remembered.
class Rules {
  public:
    explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

    void allow(int call) {
        // Calls that this machine does not have are passed over by the library.
        note(::seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 0, nullptr));
    }
    void allow_if(int call, std::initializer_list<scmp_arg_cmp> conditions) {
        note(::seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call,
                                      static_cast<unsigned>(conditions.size()),
                                      conditions.begin()));
    }
    int error() const noexcept { return error_; }

  private:
    void note(int result) { error_ = error_ == 0 ? result : error_; }

    scmp_filter_ctx filter_;
    int error_ = 0;
};

scmp_arg_cmp argument(unsigned number, scmp_compare comparison, std::uint64_t a,
                      std::uint64_t b = 0) {
    return {number, comparison, a, b};
}

void allow_needs(Rules& rules, const SandboxNeeds& needs) {
    // Not executable.
    rules.allow_if(SCMP_SYS(mmap), {argument(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    rules.allow_if(SCMP_SYS(mprotect), {argument(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    for (const int operation : {PR_SET_NAME, PR_GET_NO_NEW_PRIVS}) {
        rules.allow_if(SCMP_SYS(prctl),
                       {argument(0, SCMP_CMP_EQ, static_cast<std::uint64_t>(operation))});
    }
    if (needs.internet) {
        for (const int domain : {AF_INET, AF_INET6}) {
            rules.allow_if(SCMP_SYS(socket),
                           {argument(0, SCMP_CMP_EQ, static_cast<std::uint64_t>(domain))});
        }
        for (const int call : {SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen)}) {
            rules.allow(call);
        }
        rules.allow_if(SCMP_SYS(ioctl), {argument(1, SCMP_CMP_EQ, 0x541b)});  // FIONREAD
    }
    if (needs.unix_sockets) {
        rules.allow_if(SCMP_SYS(socket), {argument(0, SCMP_CMP_EQ, AF_UNIX)});
        rules.allow(SCMP_SYS(connect));
    }
    if (needs.internet || sanitized) {
        rules.allow_if(SCMP_SYS(openat),
                       {argument(2, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)});
    }
    if (needs.device_settings) {
        rules.allow(SCMP_SYS(ioctl));
    }
    if (sanitized) {
        for (const int call : of_sanitizers) {
            rules.allow(call);
        }
    }
}

Result<> catch_refusals() {
    for (std::size_t call = 0; call < named_calls; ++call) {
        // Never freed: the handler may need them at any time.
        call_names[call] =
            ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(call));
    }
    struct sigaction action{};
    action.sa_sigaction = on_refused;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (::sigaction(SIGSYS, &action, nullptr) != 0) {
        return failure(fmt::format("sandbox: sigaction: {}", std::strerror(errno)));
    }
    return {};
}

}  // namespace

Result<> drop_capabilities() {
    ::capng_clear(CAPNG_SELECT_BOTH);
    // The bounding set is root's to change, and means nothing without new programs.
    if (const int error = ::capng_apply(CAPNG_SELECT_CAPS); error != 0) {
        return failure(fmt::format("sandbox: the capabilities cannot be given up ({})", error));
    }
    return {};
}

Result<> enter_sandbox(const SandboxNeeds& needs) {
    if (auto caught = catch_refusals(); !caught) {
        return caught;
    }
    const Filter filter(::seccomp_init(SCMP_ACT_TRAP));
    if (!filter) {
        return failure("sandbox: no filter of system calls can be made here");
    }
    // All threads; the library sets no_new_privs by itself.
    ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    Rules rules(filter.get());
    for (const int call : always) {
        rules.allow(call);
    }
    allow_needs(rules, needs);
    if (rules.error() != 0) {
        return failure(
            fmt::format("sandbox: a rule was not taken: {}", std::strerror(-rules.error())));
    }
    if (auto dropped = drop_capabilities(); !dropped) {
        return dropped;
    }
    if (const int error = ::seccomp_load(filter.get()); error != 0) {
        return failure(fmt::format(
            "sandbox: the kernel does not take the filter of system calls: {}; --no-sandbox does "
            "without",
            std::strerror(-error)));
    }
    return {};
}

}  // namespace skbtrail::device
