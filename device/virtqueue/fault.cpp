#include "device/virtqueue/fault.h"

namespace skbtrail::device {

const char* to_string(RingFaultKind kind) {
    switch (kind) {
        case RingFaultKind::bad_size:
            return "bad_size";
        case RingFaultKind::bad_base:
            return "bad_base";
        case RingFaultKind::misaligned:
            return "misaligned";
        case RingFaultKind::unmapped_ring:
            return "unmapped_ring";
        case RingFaultKind::available_jump:
            return "available_jump";
        case RingFaultKind::ring_overrun:
            return "ring_overrun";
        case RingFaultKind::offer_withdrawn:
            return "offer_withdrawn";
        case RingFaultKind::head_out_of_range:
            return "head_out_of_range";
        case RingFaultKind::next_out_of_range:
            return "next_out_of_range";
        case RingFaultKind::loop:
            return "loop";
        case RingFaultKind::chain_too_long:
            return "chain_too_long";
        case RingFaultKind::indirect_not_negotiated:
            return "indirect_not_negotiated";
        case RingFaultKind::indirect_bad_length:
            return "indirect_bad_length";
        case RingFaultKind::indirect_nested:
            return "indirect_nested";
        case RingFaultKind::indirect_with_next:
            return "indirect_with_next";
        case RingFaultKind::indirect_unmapped:
            return "indirect_unmapped";
        case RingFaultKind::buffer_empty:
            return "buffer_empty";
        case RingFaultKind::buffer_unmapped:
            return "buffer_unmapped";
        case RingFaultKind::buffer_too_large:
            return "buffer_too_large";
        case RingFaultKind::wrong_order:
            return "wrong_order";
        case RingFaultKind::wrong_direction:
            return "wrong_direction";
        case RingFaultKind::chain_too_short:
            return "chain_too_short";
        case RingFaultKind::bad_header:
            return "bad_header";
        case RingFaultKind::bad_inflight:
            return "bad_inflight";
        case RingFaultKind::memory_lost:
            return "memory_lost";
    }
    return "unknown";
}

}  // namespace skbtrail::device
