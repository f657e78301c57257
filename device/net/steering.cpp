#include "device/net/steering.h"

#include "device/net/flow.h"

namespace skbtrail::device {

void Steering::note_sent(std::span<const std::byte> frame, unsigned pair) {
    if (const auto flow = flow_of(frame)) {
        seen_[place_of(*flow)] = {tag_of(*flow), static_cast<std::uint8_t>(pair), true};
    }
}

unsigned Steering::choose(std::span<const std::byte> frame, unsigned pairs) const {
    if (pairs < 2) {
        return 0;
    }
    const auto flow = flow_of(frame);
    if (!flow) {
        return 0;
    }
    const Seen& seen = seen_[place_of(*flow)];
    // A pair that no longer receives is as good as unknown.
    if (seen.known && seen.tag == tag_of(*flow) && seen.pair < pairs) {
        return seen.pair;
    }
    // As many to each pair, without a division.
    return static_cast<unsigned>(std::uint64_t{tag_of(*flow)} * pairs >> 32);
}

}  // namespace skbtrail::device
