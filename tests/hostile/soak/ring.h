// A ring as the guest of the soak uses it, split or packed: each chain is one buffer.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "device/virtqueue/packed_layout.h"
#include "tests/unit/device/fake_driver.h"
#include "tests/unit/device/fake_packed_driver.h"
#include "tests/unit/device/guest_ram.h"

namespace skbtrail::hostile {

enum class RingFormat : std::uint8_t { split, packed };

class Ring {
  public:
    using Split = device::test::FakeDriver;
    using Packed = device::test::FakePackedDriver;

    Ring(device::test::GuestRam& ram, std::uint32_t size, RingFormat format)
        : driver_(format == RingFormat::split ? Driver(std::in_place_type<Split>, ram, size)
                                              : Driver(std::in_place_type<Packed>, ram, size)) {}

    device::RingAddresses addresses() const {
        return std::visit([](const auto& driver) { return driver.addresses(); }, driver_);
    }
    /// Makes a buffer available. Returns its name until it is used.
    std::uint32_t offer(const Split::Piece& buffer) {
        return std::visit(
            [&](auto& driver) { return std::uint32_t{driver.chain().piece(buffer).offer().head}; },
            driver_);
    }
    std::optional<Split::Used> take_used() {
        return std::visit([](auto& driver) { return driver.take_used(); }, driver_);
    }
    /// An interrupt for the next one that is used, please.
    void ask_for_call() {
        if (auto* const split = std::get_if<Split>(&driver_)) {
            split->set_used_event(split->used_index());
        } else {
            auto& packed = std::get<Packed>(driver_);
            packed.set_driver_event(device::event_descriptor, packed.next_used().encode());
        }
    }

  private:
    using Driver = std::variant<Split, Packed>;
    Driver driver_;
};

}  // namespace skbtrail::hostile
