#include "device/memory/mapping_guard.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <stdexcept>

#include <signal.h>
#include <sys/mman.h>

namespace skbtrail::device {

namespace {

/// One guarded mapping. The handler reads these without a lock: `begin` is written last on
/// entering and first on leaving, and none means "free".
struct Slot {
    std::atomic<std::byte*> begin{nullptr};
    std::atomic<std::byte*> end{nullptr};
    std::atomic<bool> lost{false};
    bool taken = false;  // under the mutex
};

std::array<Slot, 512> slots;
std::mutex slots_mutex;
struct sigaction previous_action;

static_assert(std::atomic<std::byte*>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

void call_previous(int signal_number, siginfo_t* info, void* context) {
    if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
        previous_action.sa_sigaction(signal_number, info, context);
        return;
    }
    if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
        previous_action.sa_handler(signal_number);
        return;
    }
    // The access faults again when we return, and then ends the process as it would have.
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    sigaction(signal_number, &standard, nullptr);
}

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
    const int saved_errno = errno;
    const auto* const address = static_cast<std::byte*>(info->si_addr);
    const std::less<const std::byte*> before;
    for (Slot& slot : slots) {
        std::byte* const begin = slot.begin.load(std::memory_order_acquire);
        std::byte* const end = slot.end.load(std::memory_order_relaxed);
        if (begin == nullptr || before(address, begin) || !before(address, end)) {
            continue;
        }
        // The whole mapping at once: its bounds are aligned to the page size of its file, which
        // may be a huge one, and a guest without part of its memory is of no use.
        void* replaced = mmap(begin, static_cast<std::size_t>(end - begin), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (replaced == MAP_FAILED) {
            break;
        }
        slot.lost.store(true, std::memory_order_relaxed);
        errno = saved_errno;
        return;
    }
    errno = saved_errno;
    call_previous(signal_number, info, context);
}

void install_handler() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGBUS, &action, &previous_action);
    });
}

}  // namespace

MappingGuard::MappingGuard(void* base, std::size_t length) : slot_(0) {
    install_handler();
    const std::lock_guard lock(slots_mutex);
    while (slot_ < slots.size() && slots[slot_].taken) {
        ++slot_;
    }
    if (slot_ == slots.size()) {
        throw std::length_error("too many memory mappings to guard");
    }
    Slot& slot = slots[slot_];
    slot.taken = true;
    slot.lost.store(false, std::memory_order_relaxed);
    auto* const begin = static_cast<std::byte*>(base);
    slot.end.store(begin + length, std::memory_order_relaxed);
    slot.begin.store(begin, std::memory_order_release);
}

MappingGuard::~MappingGuard() {
    const std::lock_guard lock(slots_mutex);
    slots[slot_].begin.store(nullptr, std::memory_order_release);
    slots[slot_].taken = false;
}

bool MappingGuard::lost() const noexcept {
    return slots[slot_].lost.load(std::memory_order_relaxed);
}

std::size_t MappingGuard::capacity() noexcept {
    return slots.size();
}

}  // namespace skbtrail::device
