#include "device/wire/reflect.h"

#include <algorithm>

#include <net/ethernet.h>

namespace skbtrail::device {

void ReflectWire::transmit(const Frame& frame) {
    if (frame.bytes.size() < ETHER_HDR_LEN) {
        ++from_guest_.dropped;  // has no two addresses to swap
        return;
    }
    ++from_guest_.frames;
    from_guest_.bytes += frame.bytes.size();
    swapped_.assign(frame.bytes.begin(), frame.bytes.end());
    std::swap_ranges(swapped_.begin(), swapped_.begin() + ETHER_ADDR_LEN,
                     swapped_.begin() + ETHER_ADDR_LEN);
    to_guest_.push(Frame{swapped_, {}});
}

WireCounters ReflectWire::counters() const {
    return {from_guest_, to_guest_.counters(), to_guest_.waiting()};
}

}  // namespace skbtrail::device
