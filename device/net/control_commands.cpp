#include "device/net/control_commands.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

using Bytes = std::span<const std::byte>;
using Mac = ReceiveFilter::Mac;

struct Context {
    Features negotiated;
    ReceiveFilter& filter;
    ControlTarget& target;
};

template <typename T>
Result<T> exactly(Bytes data) {
    if (data.size() != sizeof(T)) {
        return failure(fmt::format("with {} bytes of data, not {}", data.size(), sizeof(T)));
    }
    T value;
    std::memcpy(&value, data.data(), sizeof value);
    return value;
}

Result<> set_mode(ReceiveFilter::Mode mode, Bytes data, Context& context) {
    return exactly<std::uint8_t>(data).and_then([&](std::uint8_t on) -> Result<> {
        if (on > 1) {
            return failure(fmt::format("neither on nor off: {}", on));
        }
        context.filter.set_mode(mode, on == 1);
        return {};
    });
}

/// One table: a count and so many addresses, taken from the front of `data`.
Result<std::vector<Mac>> take_table(Bytes& data) {
    std::uint32_t count = 0;
    if (data.size() < sizeof count) {
        return failure("cut short before a table's length");
    }
    std::memcpy(&count, data.data(), sizeof count);
    data = data.subspan(sizeof count);
    if (count > data.size() / sizeof(Mac)) {
        return failure(fmt::format("a table of {} addresses in {} bytes", count, data.size()));
    }
    std::vector<Mac> table(count);
    for (Mac& mac : table) {
        std::copy_n(data.begin(), mac.size(), mac.begin());
        data = data.subspan(mac.size());
    }
    return table;
}

Result<> set_tables(Bytes data, Context& context) {
    auto unicast = take_table(data);
    if (!unicast) {
        return tl::make_unexpected(unicast.error());
    }
    auto multicast = take_table(data);
    if (!multicast) {
        return tl::make_unexpected(multicast.error());
    }
    if (!data.empty()) {
        return failure(fmt::format("{} bytes behind its tables", data.size()));
    }
    context.filter.set_tables(std::move(*unicast), std::move(*multicast));
    return {};
}

Result<> set_mac(Bytes data, Context& context) {
    return exactly<Mac>(data).and_then([&](const Mac& mac) -> Result<> {
        if ((mac[0] & std::byte{1}) != std::byte{0}) {
            return failure("a group address as that of a station");
        }
        context.target.set_mac(mac);
        return {};
    });
}

Result<> set_vlan(bool on, Bytes data, Context& context) {
    return exactly<std::uint16_t>(data).and_then([&](std::uint16_t vlan) -> Result<> {
        if (vlan >= ReceiveFilter::vlans) {
            return failure(fmt::format("there is no VLAN {}", vlan));
        }
        context.filter.set_vlan(vlan, on);
        return {};
    });
}

Result<> acknowledge_announce(Bytes data, Context& context) {
    if (!data.empty()) {
        return failure(fmt::format("with {} bytes of data, not 0", data.size()));
    }
    context.target.announced();
    return {};
}

Result<> use_pairs(Bytes data, Context& context) {
    return exactly<std::uint16_t>(data).and_then(
        [&](std::uint16_t pairs) { return context.target.use_pairs(pairs); });
}

Result<> set_offloads(Bytes data, Context& context) {
    return exactly<std::uint64_t>(data).and_then(
        [&](std::uint64_t offloads) { return context.target.set_guest_offloads(offloads); });
}

struct Command {
    unsigned group;
    unsigned number;
    const char* name;  ///< as the specification writes it, without VIRTIO_NET_CTRL_
    Features needs;
    Result<> (*run)(Bytes, Context&);
};

template <ReceiveFilter::Mode mode>
Result<> run_mode(Bytes data, Context& context) {
    return set_mode(mode, data, context);
}

template <bool on>
Result<> run_vlan(Bytes data, Context& context) {
    return set_vlan(on, data, context);
}

using Mode = ReceiveFilter::Mode;

constexpr std::array commands = {
    Command{0, 0, "RX_PROMISC", feature_ctrl_rx, run_mode<Mode::promiscuous>},
    Command{0, 1, "RX_ALLMULTI", feature_ctrl_rx, run_mode<Mode::all_multicast>},
    Command{0, 2, "RX_ALLUNI", feature_ctrl_rx_extra, run_mode<Mode::all_unicast>},
    Command{0, 3, "RX_NOMULTI", feature_ctrl_rx_extra, run_mode<Mode::no_multicast>},
    Command{0, 4, "RX_NOUNI", feature_ctrl_rx_extra, run_mode<Mode::no_unicast>},
    Command{0, 5, "RX_NOBCAST", feature_ctrl_rx_extra, run_mode<Mode::no_broadcast>},
    // Linux sends the table with CTRL_RX alone.
    Command{1, 0, "MAC_TABLE_SET", feature_ctrl_rx, set_tables},
    Command{1, 1, "MAC_ADDR_SET", feature_ctrl_mac_addr, set_mac},
    Command{2, 0, "VLAN_ADD", feature_ctrl_vlan, run_vlan<true>},
    Command{2, 1, "VLAN_DEL", feature_ctrl_vlan, run_vlan<false>},
    Command{3, 0, "ANNOUNCE_ACK", feature_guest_announce, acknowledge_announce},
    Command{4, 0, "MQ_VQ_PAIRS_SET", feature_mq, use_pairs},
    Command{5, 0, "GUEST_OFFLOADS_SET", feature_ctrl_guest_offloads, set_offloads},
};

}  // namespace

Result<> execute_control(Bytes command, Features negotiated, ReceiveFilter& filter,
                         ControlTarget& target) {
    if (command.size() < 2) {
        return failure(fmt::format("a command of {} bytes", command.size()));
    }
    const auto group = std::to_integer<unsigned>(command[0]);
    const auto number = std::to_integer<unsigned>(command[1]);
    const auto* const found = std::find_if(
        commands.begin(), commands.end(),
        [&](const Command& one) { return one.group == group && one.number == number; });
    if (found == commands.end()) {
        return failure(fmt::format("there is no command {} of class {}", number, group));
    }
    if ((negotiated & found->needs) != found->needs) {
        return failure(fmt::format("{} needs {}, which was not negotiated", found->name,
                                   describe_features(found->needs)));
    }
    Context context{negotiated, filter, target};
    return found->run(command.subspan(2), context).map_error([&](Failure failed) {
        failed.message = fmt::format("{} {}", found->name, failed.message);
        return failed;
    });
}

}  // namespace skbtrail::device
