// Where the members of struct sk_buff lie on one kernel, for reading one from its bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace skbtrail::tracer {

/// A member of a structure, which may be a bit field; of a larger one the first word.
struct Member {
    std::uint32_t offset = 0;  ///< in bits
    std::uint32_t size = 0;    ///< in bits, 64 at most; 0: there is no such member
    bool operator==(const Member&) const = default;
};

/// The members that are read. A test gives those of another kernel.
struct SkbLayout {
    std::uint32_t size = 0;  ///< of struct sk_buff in bytes; 0: not known
    Member next, dev, sk, cb, len, data_len, queue_mapping, cloned, ip_summed, hash, mark, tstamp,
        vlan_proto, vlan_tci, protocol, transport_header, network_header, mac_header, tail, end,
        head, data, users;
    Member dev_ifindex;   ///< net_device.ifindex
    Member dev_net;       ///< net_device.nd_net.net
    Member net_inum;      ///< net.ns.inum
    Member sock_socket;   ///< sock.sk_socket
    Member socket_inode;  ///< its inode's number, from the struct socket on
    Member napi_id;       ///< napi_struct.napi_id
    bool operator==(const SkbLayout&) const = default;
};

/// One member of SkbLayout: its name in a plan, the kernel's path to it, and where it belongs.
struct LayoutEntry {
    std::string_view structure;
    std::string_view path;
    Member SkbLayout::* target;
    bool needed;  ///< without it an sk_buff cannot be read
};

inline constexpr std::array layout_entries{
    LayoutEntry{"sk_buff", "next", &SkbLayout::next, true},
    LayoutEntry{"sk_buff", "dev", &SkbLayout::dev, true},
    LayoutEntry{"sk_buff", "sk", &SkbLayout::sk, false},
    // its first word: in GRO's use of it (struct napi_gro_cb) that is frag0
    LayoutEntry{"sk_buff", "cb", &SkbLayout::cb, false},
    LayoutEntry{"sk_buff", "tstamp", &SkbLayout::tstamp, false},
    LayoutEntry{"sk_buff", "len", &SkbLayout::len, true},
    LayoutEntry{"sk_buff", "data_len", &SkbLayout::data_len, true},
    LayoutEntry{"sk_buff", "queue_mapping", &SkbLayout::queue_mapping, false},
    LayoutEntry{"sk_buff", "cloned", &SkbLayout::cloned, true},
    LayoutEntry{"sk_buff", "ip_summed", &SkbLayout::ip_summed, false},
    LayoutEntry{"sk_buff", "hash", &SkbLayout::hash, false},
    LayoutEntry{"sk_buff", "mark", &SkbLayout::mark, false},
    LayoutEntry{"sk_buff", "vlan_proto", &SkbLayout::vlan_proto, false},
    LayoutEntry{"sk_buff", "vlan_tci", &SkbLayout::vlan_tci, false},
    LayoutEntry{"sk_buff", "protocol", &SkbLayout::protocol, true},
    LayoutEntry{"sk_buff", "transport_header", &SkbLayout::transport_header, true},
    LayoutEntry{"sk_buff", "network_header", &SkbLayout::network_header, true},
    LayoutEntry{"sk_buff", "mac_header", &SkbLayout::mac_header, true},
    LayoutEntry{"sk_buff", "tail", &SkbLayout::tail, true},
    LayoutEntry{"sk_buff", "end", &SkbLayout::end, true},
    LayoutEntry{"sk_buff", "head", &SkbLayout::head, true},
    LayoutEntry{"sk_buff", "data", &SkbLayout::data, true},
    LayoutEntry{"sk_buff", "users", &SkbLayout::users, true},
    LayoutEntry{"net_device", "ifindex", &SkbLayout::dev_ifindex, true},
    LayoutEntry{"net_device", "nd_net.net", &SkbLayout::dev_net, true},
    LayoutEntry{"net", "ns.inum", &SkbLayout::net_inum, true},
    LayoutEntry{"sock", "sk_socket", &SkbLayout::sock_socket, false},
    // struct socket is its first member
    LayoutEntry{"socket_alloc", "vfs_inode.i_ino", &SkbLayout::socket_inode, false},
    LayoutEntry{"napi_struct", "napi_id", &SkbLayout::napi_id, false},
};

/// The member's value in the `bytes` of its structure; 0 where they do not reach that far.
std::uint64_t read_member(std::span<const std::byte> bytes, const Member& member);

}  // namespace skbtrail::tracer
