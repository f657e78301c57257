// Which of the negotiated features change a ring.
#pragma once

namespace skbtrail::device {

struct RingFeatures {
    bool indirect = false;   ///< VIRTIO_F_INDIRECT_DESC
    bool event_idx = false;  ///< VIRTIO_F_EVENT_IDX
    bool packed = false;     ///< VIRTIO_F_RING_PACKED
    bool in_order = false;   ///< VIRTIO_F_IN_ORDER
};

}  // namespace skbtrail::device
