// A frame that outlives the call in which it was handed over.
#pragma once

#include <cstddef>
#include <vector>

#include "device/wire/wire.h"

namespace skbtrail::device {

struct FrameCopy {
    explicit FrameCopy(const Frame& frame)
        : bytes(frame.bytes.begin(), frame.bytes.end()),
          offload(frame.offload),
          queue_pair(frame.queue_pair) {}

    /// The frame again, as often as need be: whoever takes it must leave it as it is.
    Frame frame() const { return Frame{bytes, offload, queue_pair}; }
    /// The frame for the last time: whoever takes it may change it.
    Frame last_frame() { return Frame{bytes, offload, queue_pair, bytes}; }

    std::vector<std::byte> bytes;
    FrameOffload offload;
    unsigned queue_pair;
};

}  // namespace skbtrail::device
