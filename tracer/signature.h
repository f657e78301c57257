// What a function's parameters are, as far as sk_buffs go: what BTF says, without BTF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skbtrail::tracer {

enum class Parameter : std::uint8_t {
    other,
    wide,         ///< a structure by value of 9 to 16 bytes: takes two registers
    in_memory,    ///< a larger one: lies on the stack, takes no register
    skb,          ///< struct sk_buff *
    skb_pointer,  ///< struct sk_buff **
    list,         ///< struct list_head *
    drop_reason,  ///< enum skb_drop_reason
    napi,         ///< struct napi_struct *
    device,       ///< struct net_device *
    queue,        ///< struct receive_queue *, of virtio_net
    sock,         ///< struct sock *
};

struct Signature {
    std::vector<Parameter> parameters;
    bool transmits = false;  ///< returns netdev_tx_t: a driver's ndo_start_xmit
};

}  // namespace skbtrail::tracer
