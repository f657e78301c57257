#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "device/net/features.h"
#include "tests/hostile/fuzz/driver_command_script.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

using namespace skbtrail::device;

using Octets = std::initializer_list<unsigned>;

constexpr Features everything = feature_ctrl_rx | feature_ctrl_rx_extra | feature_ctrl_vlan |
                                feature_ctrl_mac_addr | feature_guest_announce | feature_mq |
                                feature_ctrl_guest_offloads | feature_guest_csum |
                                feature_guest_tso4 | feature_mrg_rxbuf | feature_status;

/// What a driver says, written down.
class Orders {
  public:
    explicit Orders(Features features = everything) { writer_.put(std::uint64_t{features}); }

    /// A command, and then a frame to a station.
    Orders& say(Octets command, std::uint8_t shape = 0, Octets cuts = {}) {
        writer_.put(static_cast<std::uint8_t>(shape | cuts.size()));
        put(cuts);
        writer_.put(static_cast<std::uint16_t>(command.size()));
        put(command);
        // To 02:00:00:00:00:09, with a tag of VLAN 5.
        put({2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0});
        return *this;
    }
    const std::vector<std::byte>& bytes() const { return writer_.bytes(); }

  private:
    void put(Octets octets) {
        for (const unsigned octet : octets) {
            writer_.put(static_cast<std::uint8_t>(octet));
        }
    }
    InputWriter writer_;
};

}  // namespace

Seeds driver_command_seeds() {
    Seeds seeds;
    seeds["receive-modes"] = Orders()
                                 .say({0, 0, 0})
                                 .say({0, 1, 1})
                                 .say({0, 2, 1})
                                 .say({0, 3, 1})
                                 .say({0, 4, 0})
                                 .say({0, 5, 1})
                                 .say({0, 0, 2})
                                 .bytes();
    seeds["addresses"] =
        Orders()
            .say({0, 0, 0})
            .say({1, 1, 2, 0, 0, 0, 0, 9})
            .say({1, 1, 3, 0, 0, 0, 0, 9})
            .say({1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1})
            .say({1, 0, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9})
            .say({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7})
            .bytes();
    seeds["vlans"] = Orders().say({2, 0, 5, 0}).say({2, 1, 5, 0}).say({2, 0, 0, 16}).bytes();
    seeds["queues-and-offloads"] = Orders()
                                       .say({4, 0, 3, 0})
                                       .say({4, 0, 1, 0})
                                       .say({4, 0, 0, 0})
                                       .say({4, 0, 9, 0})
                                       .say({5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0})
                                       .say({5, 0, 0x80, 0, 0, 0, 0, 0, 0, 0})
                                       .say({3, 0})
                                       .say({3, 0, 1})
                                       .bytes();
    seeds["in-pieces"] =
        Orders()
            .say({1, 1, 2, 0, 0, 0, 0, 9}, 0, {1, 1, 2})
            .say({1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0}, command_indirect, {1, 3, 1, 5})
            .say({0, 0, 1}, command_indirect)
            .bytes();
    seeds["not-negotiated"] =
        Orders(0).say({0, 0, 0}).say({2, 0, 5, 0}).say({4, 0, 1, 0}).say({9, 9}).say({}).bytes();
    seeds["no-room-for-an-answer"] =
        Orders().say({0, 0, 0}).say({0, 0, 1}, command_without_answer).bytes();
    return seeds;
}

}  // namespace skbtrail::hostile
