#include "device/wire/reflect.h"

#include <array>
#include <cstring>

#include <net/ethernet.h>

namespace skbtrail::device {

void ReflectWire::transmit(const Frame& frame) {
    if (frame.bytes.size() < ETHER_HDR_LEN) {
        ++from_guest_.dropped;  // has no two addresses to swap
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    std::span<std::byte> swapped = frame.scratch;
    if (swapped.empty()) {
        copy_.assign(frame.bytes.begin(), frame.bytes.end());
        swapped = copy_;
    }
    // Both addresses in two registers: a loop over bytes costs more than the rest of this wire.
    std::array<std::byte, ETHER_ADDR_LEN> destination;
    std::memcpy(destination.data(), swapped.data(), ETHER_ADDR_LEN);
    std::memcpy(swapped.data(), swapped.data() + ETHER_ADDR_LEN, ETHER_ADDR_LEN);
    std::memcpy(swapped.data() + ETHER_ADDR_LEN, destination.data(), ETHER_ADDR_LEN);
    to_guest_.push(Frame{swapped, {}, frame.queue_pair});
}

WireCounters ReflectWire::counters() const {
    return {from_guest_, to_guest_.counters(), to_guest_.waiting()};
}

}  // namespace skbtrail::device
