#include <cstdint>
#include <initializer_list>

#include "device/net/features.h"
#include "device/vhost_user/protocol.h"
#include "device/virtqueue/inflight_area.h"
#include "device/virtqueue/layout.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/message_script.h"
#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

using namespace skbtrail::device;
using vhost_user::MemoryRegion;
using vhost_user::Request;
using vhost_user::VringAddress;
using vhost_user::VringState;

constexpr std::uint32_t ring_size = 8;

/// A conversation, written down.
class Talk {
  public:
    explicit Talk(bool serve_config = false) {
        writer_.put(static_cast<std::uint8_t>(serve_config ? 1 : 0));
    }

    template <typename Payload>
    Talk& say(Request request, const Payload& payload, std::initializer_list<Descriptor> with = {},
              std::uint8_t shape = 0) {
        return say_bytes(request, std::as_bytes(std::span(&payload, 1)), with, shape);
    }
    Talk& say(Request request, std::uint8_t shape = 0) { return say_bytes(request, {}, {}, shape); }
    Talk& say_bytes(Request request, std::span<const std::byte> payload,
                    std::initializer_list<Descriptor> with = {}, std::uint8_t shape = 0) {
        writer_.put(MessageStep::message)
            .put(static_cast<std::uint8_t>(request))
            .put(static_cast<std::uint8_t>(shape | with.size()));
        for (const Descriptor kind : with) {
            writer_.put(kind);
        }
        writer_.put(static_cast<std::uint16_t>(payload.size())).put_bytes(payload);
        return *this;
    }
    Talk& step(MessageStep what) {
        writer_.put(what);
        return *this;
    }
    Talk& poke(std::uint16_t offset, std::span<const std::byte> bytes) {
        writer_.put(MessageStep::poke)
            .put(offset)
            .put(static_cast<std::uint8_t>(bytes.size()))
            .put_bytes(bytes);
        return *this;
    }
    Talk& signal(std::uint8_t which) {
        writer_.put(MessageStep::signal).put(which);
        return *this;
    }
    Talk& deliver(std::uint16_t length) {
        writer_.put(MessageStep::deliver).put(length);
        return *this;
    }

    // What every front end says.

    Talk& negotiate(std::uint64_t protocol_features, std::uint64_t features,
                    std::uint8_t shape = 0) {
        return say(Request::get_features, shape)
            .say(Request::get_protocol_features, shape)
            .say(Request::set_protocol_features, protocol_features, {}, shape)
            .say(Request::get_queue_num, shape)
            .say(Request::set_owner, shape)
            .say(Request::set_features, features | vhost_user::protocol_features_bit, {}, shape);
    }
    /// Two regions of one file, as QEMU has them.
    Talk& share_memory(std::uint8_t shape = 0) {
        struct Table {
            std::uint32_t count = 2;
            std::uint32_t padding = 0;
            MemoryRegion regions[2] = {{memory_guest, memory_bytes / 2, memory_user, 0},
                                       {memory_guest + memory_bytes, memory_bytes / 2,
                                        memory_user + memory_bytes / 2, memory_bytes / 2}};
        };
        return say(Request::set_mem_table, Table{}, {Descriptor::memory, Descriptor::memory},
                   shape);
    }
    /// Queue `index` with its parts at `page`, the second eventfd of each pair being its kick.
    Talk& start_ring(std::uint32_t index, std::uint64_t page, std::uint8_t shape = 0) {
        const std::uint64_t at = memory_user + page * 4096;
        return say(Request::set_vring_call, std::uint64_t{index}, {Descriptor::event}, shape)
            .say(Request::set_vring_num, VringState{index, ring_size}, {}, shape)
            .say(Request::set_vring_base, VringState{index, 0}, {}, shape)
            .say(Request::set_vring_addr, VringAddress{index, 0, at, at + 0x200, at + 0x100, 0}, {},
                 shape)
            .say(Request::set_vring_err, std::uint64_t{index}, {Descriptor::event}, shape)
            .say(Request::set_vring_kick, std::uint64_t{index}, {Descriptor::event}, shape)
            .say(Request::set_vring_enable, VringState{index, 1}, {}, shape);
    }
    /// One chain of one descriptor in the ring at `page`.
    Talk& offer(std::uint16_t page, std::uint16_t flags) {
        const auto at = static_cast<std::uint16_t>(page * 4096);
        const RingDescriptor descriptor{memory_guest + 0x8000, 256, flags, 0};
        const std::uint16_t available[] = {0, 1, 0};
        return poke(at, std::as_bytes(std::span(&descriptor, 1)))
            .poke(static_cast<std::uint16_t>(at + 0x100), std::as_bytes(std::span(available)));
    }

    const std::vector<std::byte>& bytes() const { return writer_.bytes(); }

  private:
    InputWriter writer_;
};

constexpr std::uint64_t features =
    feature_version_1 | feature_mrg_rxbuf | feature_event_idx | feature_indirect_desc;
constexpr std::uint64_t protocol_features =
    vhost_user::protocol_mq | vhost_user::protocol_reply_ack | vhost_user::protocol_rarp |
    vhost_user::protocol_mtu | vhost_user::protocol_status | vhost_user::protocol_reset_device |
    vhost_user::protocol_configure_mem_slots;

/// From the first word to traffic both ways and the end.
Talk whole_session(std::uint8_t shape) {
    Talk talk;
    talk.negotiate(protocol_features, features, shape)
        .say(Request::set_vring_enable, VringState{0, 1})
        .share_memory(shape)
        .offer(0, descriptor_write)
        .offer(1, 0)
        .start_ring(0, 0, shape)
        .start_ring(1, 1, shape)
        .step(MessageStep::drain)
        .deliver(100)
        .signal(2)
        .signal(5)
        .say(Request::get_vring_base, VringState{0, 0})
        .say(Request::get_vring_base, VringState{1, 0})
        .step(MessageStep::drain)
        .step(MessageStep::hang_up);
    return talk;
}

}  // namespace

Seeds message_seeds() {
    Seeds seeds;
    seeds["session"] = whole_session(0).bytes();
    seeds["session-acknowledged"] = whole_session(wants_reply).bytes();
    seeds["session-in-bytes"] = whole_session(split_header).bytes();
    seeds["session-in-halves"] = whole_session(split_payload).bytes();
    const vhost_user::SingleMemoryRegion low{0, {memory_guest, 0x10000, memory_user, 0}};
    const vhost_user::SingleMemoryRegion high{
        0, {memory_guest + 0x10000, 0x10000, memory_user + 0x10000, 0x10000}};
    seeds["memory-slots"] = Talk()
                                .negotiate(protocol_features, features)
                                .say(Request::get_max_mem_slots)
                                .say(Request::add_mem_reg, low, {Descriptor::memory}, wants_reply)
                                .say(Request::add_mem_reg, high, {Descriptor::memory}, wants_reply)
                                .start_ring(0, 0)
                                .say(Request::rem_mem_reg, high, {}, wants_reply)
                                .say(Request::rem_mem_reg, low, {Descriptor::memory}, wants_reply)
                                .step(MessageStep::drain)
                                .bytes();
    struct ReadConfig {
        vhost_user::ConfigHeader header{0, 12, 0};
        std::byte room[12]{};
    };
    seeds["configuration"] =
        Talk(true)
            .negotiate(protocol_features | vhost_user::protocol_config, features)
            .say(Request::get_config, ReadConfig{})
            .say(Request::set_config, ReadConfig{{0, 12, vhost_user::config_flag_migration}, {}})
            .step(MessageStep::drain)
            .bytes();
    seeds["status-and-reset"] = Talk()
                                    .negotiate(protocol_features, features)
                                    .say(Request::set_status, std::uint64_t{0x0f})
                                    .say(Request::get_status)
                                    .share_memory()
                                    .start_ring(1, 1)
                                    .say(Request::reset_device)
                                    .say(Request::set_status, std::uint64_t{0})
                                    .say(Request::reset_owner)
                                    .step(MessageStep::drain)
                                    .bytes();
    seeds["network"] = Talk()
                           .negotiate(protocol_features, features)
                           .say(Request::net_set_mtu, std::uint64_t{1500}, {}, wants_reply)
                           .say(Request::send_rarp, std::uint64_t{0x563412005452}, {}, wants_reply)
                           .step(MessageStep::drain)
                           .bytes();
    seeds["wrong-descriptors"] =
        Talk()
            .negotiate(protocol_features, features)
            .share_memory()
            .say(Request::set_vring_kick, std::uint64_t{0}, {Descriptor::null}, wants_reply)
            .say(Request::set_vring_kick, std::uint64_t{0}, {Descriptor::pipe_read}, wants_reply)
            .say(Request::set_vring_call, std::uint64_t{0}, {Descriptor::saturated}, wants_reply)
            .say(Request::set_vring_err, std::uint64_t{0x100}, {}, wants_reply)
            .say(Request::set_vring_call, std::uint64_t{1},
                 {Descriptor::socket, Descriptor::pipe_write}, wants_reply)
            .say(Request::set_mem_table, std::uint64_t{1}, {Descriptor::empty}, wants_reply)
            .step(MessageStep::drain)
            .bytes();
    // Everything that is written is logged, from before the rings start.
    seeds["migration"] =
        Talk()
            .negotiate(protocol_features | vhost_user::protocol_log_shmfd,
                       features | feature_log_all)
            .say(Request::set_log_base, vhost_user::LogDescription{64, 0}, {Descriptor::small})
            .say(Request::set_log_fd, std::uint64_t{0}, {Descriptor::event}, wants_reply)
            .share_memory()
            .offer(0, descriptor_write)
            .start_ring(0, 0)
            .say(Request::set_vring_addr,
                 VringAddress{0, vhost_user::vring_flag_log, memory_user, memory_user + 0x200,
                              memory_user + 0x100, memory_guest + 0x200},
                 {}, wants_reply)
            .deliver(100)
            .say(Request::get_vring_base, VringState{0, 0})
            .say(Request::set_features, features | vhost_user::protocol_features_bit)
            .step(MessageStep::drain)
            .bytes();
    // Notes of chains in flight: where the guest's rings and buffers are, to be written over.
    Talk noted;
    noted.negotiate(protocol_features | vhost_user::protocol_inflight_shmfd,
                    features | feature_ring_packed);
    for (const InflightDescription& area : {InflightDescription{0, 0, 2, ring_size},
                                            InflightDescription{0x1000, 0x4000, 2, ring_size}}) {
        const auto payload = vhost_user::to_payload(area, vhost_user::most_inflight);
        noted.say_bytes(Request::get_inflight_fd, payload)
            .say_bytes(Request::set_inflight_fd, payload, {Descriptor::memory}, wants_reply);
    }
    noted.share_memory()
        .offer(1, 0)
        .start_ring(0, 0)
        .start_ring(1, 1)
        .signal(5)
        .say(Request::get_vring_base, VringState{1, 0})
        .poke(0x4000, std::as_bytes(std::span("what the next one will believe")))
        .start_ring(1, 1)
        .step(MessageStep::drain)
        .step(MessageStep::hang_up);
    seeds["inflight"] = noted.bytes();
    // Kicks and calls over the sockets.
    seeds["in-band"] =
        Talk()
            .negotiate(protocol_features | vhost_user::protocol_backend_req |
                           vhost_user::protocol_inband_notifications,
                       features)
            .share_memory()
            .say_bytes(Request::set_backend_req_fd, {}, {Descriptor::socket}, wants_reply)
            .offer(1, 0)
            .say(Request::set_vring_num, VringState{1, ring_size})
            .say(Request::set_vring_base, VringState{1, 0})
            .say(Request::set_vring_addr,
                 VringAddress{1, 0, memory_user + 0x1000, memory_user + 0x1200,
                              memory_user + 0x1100, 0})
            .say(Request::set_vring_call, std::uint64_t{0x101}, {}, wants_reply)
            .say(Request::set_vring_kick, std::uint64_t{0x101}, {}, wants_reply)
            .say(Request::vring_kick, VringState{1, 0}, {}, wants_reply)
            .say(Request::set_vring_enable, VringState{1, 1})
            .say(Request::vring_kick, VringState{1, 0}, {}, wants_reply)
            .step(MessageStep::drain)
            .bytes();
    // Every request with a payload of eight bytes, so that none is unknown to the fuzzer.
    Talk all;
    all.negotiate(protocol_features, features);
    for (std::uint8_t request = 1; request <= 44; ++request) {
        all.say(static_cast<Request>(request), std::uint64_t{0}, {}, wants_reply)
            .step(MessageStep::drain);
    }
    seeds["every-request"] = all.bytes();
    return seeds;
}

}  // namespace skbtrail::hostile
