// Which frames from the wire the driver wants (virtio 1.3, 5.1.6.5.1 and 5.1.6.5.3).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace skbtrail::device {

/// Starts as a card that takes everything, until the driver has said what it wants. Frames must
/// have an Ethernet header (14 bytes).
class ReceiveFilter {
  public:
    using Mac = std::array<std::byte, 6>;

    /// What a driver switches on and off.
    enum class Mode : std::uint8_t {
        promiscuous,    ///< everything, whatever else is set; on at first
        all_multicast,  ///< every group address
        all_unicast,    ///< every address of one station
        no_multicast,   ///< no group address, but broadcast
        no_unicast,     ///< no address of one station
        no_broadcast,
    };
    /// Addresses that are kept of each kind. Longer tables are legal; of such a kind every
    /// address is let through, because too much is better than too little.
    static constexpr std::size_t most_addresses = 1024;
    static constexpr unsigned vlans = 4096;

    /// The state of a card that was reset. `mac`: the station's own address. `by_vlan`: frames
    /// with a tag are let through only if their VLAN was added (VIRTIO_NET_F_CTRL_VLAN).
    void reset(const Mac& mac, bool by_vlan);

    void set_mode(Mode mode, bool on) { modes_.set(static_cast<std::size_t>(mode), on); }
    void set_mac(const Mac& mac) { mac_ = mac; }
    /// Replaces both tables.
    void set_tables(std::vector<Mac> unicast, std::vector<Mac> multicast);
    /// `vlan` is below `vlans`.
    void set_vlan(unsigned vlan, bool on) { vlan_.set(vlan, on); }

    bool accepts(std::span<const std::byte> frame) const;

  private:
    struct Table {
        std::vector<Mac> addresses;  ///< sorted
        bool overflown = false;
        bool holds(const Mac& mac) const;
    };
    static Table make_table(std::vector<Mac> addresses);
    bool is(Mode mode) const { return modes_.test(static_cast<std::size_t>(mode)); }
    bool accepts_vlan(std::span<const std::byte> frame) const;
    bool accepts_address(const Mac& target) const;

    Mac mac_{};
    std::bitset<6> modes_{1};
    Table unicast_;
    Table multicast_;
    bool by_vlan_ = false;
    std::bitset<vlans> vlan_;
};

}  // namespace skbtrail::device
