#include "labs/runner/libvirt.h"

#include <atomic>

#include <fmt/format.h>
#include <libvirt/virterror.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

/// libvirt's reason for the failure of the last call of this thread.
std::string last_error() {
    const auto* error = virGetLastError();
    return error != nullptr && error->message != nullptr ? error->message : "no reason given";
}

}  // namespace

struct EventLoop::State {
    std::atomic<bool> stopping{false};
};

EventLoop::EventLoop() : state_(std::make_shared<State>()) {
    // By default libvirt prints every error; ours are told once, in our words.
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    if (virEventRegisterDefaultImpl() < 0 || virInitialize() < 0) {
        throw CannotRun(fmt::format("libvirt cannot be set up: {}", last_error()));
    }
    thread_ = std::thread([state = state_] {
        while (!state->stopping.load(std::memory_order_relaxed)) {
            virEventRunDefaultImpl();
        }
    });
}

EventLoop::~EventLoop() {
    state_->stopping.store(true, std::memory_order_relaxed);
    // The loop sleeps in poll(): a timer that is due wakes it.
    virEventAddTimeout(0, [](int timer, void*) { virEventRemoveTimeout(timer); }, nullptr, nullptr);
    thread_.join();
}

std::string format_libvirt_version(unsigned long packed) {
    return fmt::format("{}.{}.{}", packed / 1000000, packed / 1000 % 1000, packed % 1000);
}

std::string libvirt_version() {
    unsigned long packed = 0;
    return virGetVersion(&packed, nullptr, nullptr) < 0 ? "unknown"
                                                        : format_libvirt_version(packed);
}

void Hypervisor::Close::operator()(virConnectPtr connection) const {
    virConnectClose(connection);
}

Hypervisor::Hypervisor(const std::string& uri) : connection_(virConnectOpen(uri.c_str()), Close{}) {
    if (!connection_) {
        throw CannotRun(
            fmt::format("libvirt cannot open {}: {}. `skbtrail doctor` says what is missing.", uri,
                        last_error()));
    }
}

unsigned long Hypervisor::hypervisor_version() const {
    unsigned long version = 0;
    if (virConnectGetVersion(connection_.get(), &version) < 0) {
        throw CannotRun(
            fmt::format("libvirt does not know which QEMU it would run: {}", last_error()));
    }
    return version;
}

Domain Hypervisor::start(const std::string& xml) const {
    auto* domain = virDomainCreateXML(connection_.get(), xml.c_str(), 0);
    if (domain == nullptr) {
        throw CannotRun(fmt::format("libvirt cannot start the guest: {}", last_error()));
    }
    return Domain(domain);
}

Domain Hypervisor::resume(const std::filesystem::path& file, const std::string& name,
                          const std::string& xml) const {
    if (virDomainRestoreFlags(connection_.get(), file.c_str(), xml.c_str(),
                              VIR_DOMAIN_SAVE_RUNNING) < 0) {
        throw CannotRun(fmt::format("libvirt cannot take up the guest that was kept in {}: {}",
                                    file.string(), last_error()));
    }
    auto* domain = virDomainLookupByName(connection_.get(), name.c_str());
    if (domain == nullptr) {
        throw CannotRun(fmt::format("libvirt has lost the guest that was kept in {}: {}",
                                    file.string(), last_error()));
    }
    return Domain(domain);
}

void Domain::Free::operator()(virDomainPtr domain) const {
    virDomainFree(domain);
}

Domain::~Domain() {
    destroy();
}

void Domain::keep(const std::filesystem::path& file) {
    if (virDomainSave(domain_.get(), file.c_str()) < 0) {
        throw CannotRun(fmt::format("libvirt cannot keep the guest: {}", last_error()));
    }
    domain_.reset();
}

void Domain::destroy() noexcept {
    if (domain_) {
        virDomainDestroy(domain_.get());
        domain_.reset();
    }
}

bool Domain::running() const noexcept {
    return domain_ && virDomainIsActive(domain_.get()) == 1;
}

}  // namespace skbtrail::labs
