// NetDevice: its status and its configuration space (virtio 1.3, 2.1 and 5.1.4).

#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "device/net/net_device.h"
#include "device/net/rarp.h"

namespace skbtrail::device {

namespace {

// Device status (virtio 1.3, 2.1).
constexpr std::uint8_t status_driver_ok = 0x04;
constexpr std::uint8_t status_features_ok = 0x08;
constexpr std::uint8_t status_needs_reset = 0x40;

}  // namespace

std::uint8_t NetDevice::status() const {
    const bool broken = any_in_state(Virtqueue::State::broken);
    return static_cast<std::uint8_t>(status_ | (broken ? status_needs_reset : 0));
}

void NetDevice::set_status(std::uint8_t status) {
    // That a reset is needed is for the device to say. FEATURES_OK that does not stay is how a
    // driver learns that its features were not accepted (2.2.2, 3.1.1).
    const std::uint8_t refused = features_accepted_ ? 0 : status_features_ok;
    status_ = static_cast<std::uint8_t>(status & ~(status_needs_reset | refused));
    if (status == 0) {
        forget_driver_config();
        forget_driver();
        for (NetQueue* const queue : queues()) {
            retire(*queue);
            queue->virtqueue().stop();
        }
        forget_inflight();
    }
}

Result<> NetDevice::read_config(std::uint32_t offset, std::span<std::byte> to) const {
    return config_.read(offset, to);
}

Result<> NetDevice::write_config(std::uint32_t offset, std::span<const std::byte> from,
                                 bool migration) {
    if (!migration) {
        return failure("every field of the configuration space is read-only");
    }
    auto restored = config_.restore(offset, from);
    if (restored) {
        filter_.set_mac(config_.mac);
        apply_mtu();
        // This wire has never seen the guest, and its link is its own.
        config_.announce = config_.announce || (negotiated_ & feature_guest_announce) != 0;
        tell_config_changed();
    }
    return restored;
}

void NetDevice::on_config_change(std::function<bool()> callback) {
    config_changed_ = std::move(callback);
}

Result<> NetDevice::announce(std::span<const std::byte, 6> mac) {
    wire_.transmit(Frame{make_rarp(mac), {}});
    return {};
}

Result<> NetDevice::set_mtu(std::uint64_t mtu) {
    if (mtu < smallest_mtu || mtu > largest_mtu) {
        return failure(
            fmt::format("an MTU of {}: must be {} to {}", mtu, smallest_mtu, largest_mtu));
    }
    config_.mtu = static_cast<std::uint16_t>(mtu);
    apply_mtu();
    return {};
}

bool NetDevice::set_link(bool up) {
    const bool changed = std::exchange(config_.link_up, up) != up;
    for (NetQueue* const queue : queues()) {
        queue->set_link(up);
    }
    if (changed) {
        spdlog::info("the link is {}", up ? "up" : "down");
    }
    return changed && tell_config_changed();
}

Result<bool> NetDevice::ask_to_announce() {
    if ((negotiated_ & feature_guest_announce) == 0) {
        return failure("the driver did not negotiate guest_announce");
    }
    config_.announce = true;
    return tell_config_changed();
}

void NetDevice::announced() {
    config_.announce = false;
}

void NetDevice::set_mac(const ConfigSpace::Mac& mac) {
    filter_.set_mac(mac);
    if ((negotiated_ & feature_mac) != 0) {
        config_.mac = mac;  // 5.1.6.5.2.1
    }
}

void NetDevice::forget_driver_config() {
    config_.mac = options_.mac;
    config_.announce = false;
}

void NetDevice::apply_mtu() {
    const bool known = (negotiated_ & feature_mtu) != 0;
    for (const auto& pair : pairs_) {
        pair->receive.set_mtu(known ? std::optional(config_.mtu) : std::nullopt);
    }
}

bool NetDevice::tell_config_changed() {
    return config_changed_ && config_changed_();
}

void NetDevice::tell_of_broken_queues() {
    const bool broken = any_in_state(Virtqueue::State::broken);
    if (broken != broken_) [[unlikely]] {
        broken_ = broken;
        if (broken && (status_ & status_driver_ok) != 0) {
            tell_config_changed();
        }
    }
}

}  // namespace skbtrail::device
