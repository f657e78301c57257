#include "tracer/kprobe_decoder.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

/// Addresses of the kernel are in the upper half. What fails to be fetched leaves in a record what
/// was there before, so a pointer is believed before what it leads to is.
bool is_kernel_address(std::uint64_t address) {
    return address >> 63U != 0;
}

}  // namespace

KprobeDecoder::Form KprobeDecoder::form_of(const EventFormat& format, const SkbLayout& layout,
                                           bool with_bytes) {
    const auto need = [&format](std::string_view name) {
        const auto field = format.field(name);
        if (!field) {
            throw Failure(fmt::format(
                "The kernel made an event without the field \"{}\" of the kprobe event that was "
                "defined: it has another form of kprobe events than is known.",
                name));
        }
        return *field;
    };
    const auto need_array = [&format](std::string_view name, std::size_t size) {
        const auto field = format.array(name);
        if (!field || field->size != size) {
            throw Failure(fmt::format(
                "The kernel made an event whose array \"{}\" is not of {} bytes: it has another "
                "form of kprobe events than is known.",
                name, size));
        }
        return field->offset;
    };
    Form form;
    form.id = format.id;
    form.pid = need("common_pid");
    form.point = need("point");
    form.base = need("base");
    form.skb = need("skb");
    form.extra = need("extra");
    form.ifindex = need("ifindex");
    form.netns = need("netns");
    form.words = need_array("words", layout.size / 8 * std::size_t{8});
    form.size = form.words + layout.size / 8 * std::size_t{8};
    if (with_bytes) {
        form.data = need_array("data", SKBTRAIL_SNAP);
        form.page_offset = need("page_offset");
        form.size = std::max({form.size, form.data + SKBTRAIL_SNAP,
                              form.page_offset.offset + form.page_offset.size});
    }
    for (const auto& field :
         {form.pid, form.point, form.base, form.skb, form.extra, form.ifindex, form.netns}) {
        form.size = std::max(form.size, field.offset + field.size);
    }
    return form;
}

KprobeDecoder::KprobeDecoder(const EventFormat& plain, const EventFormat& with_bytes,
                             const SkbLayout& layout, std::vector<KprobePoint> points)
    : plain_(form_of(plain, layout, false)),
      with_bytes_(form_of(with_bytes, layout, true)),
      layout_(layout),
      points_(std::move(points)) {}

std::optional<KprobeSighting> KprobeDecoder::decode(std::span<const std::byte> data) const {
    if (data.size() < 2) return std::nullopt;
    const auto id = static_cast<std::uint16_t>(load(data, Field{0, 2}));
    const Form* form = id == plain_.id ? &plain_ : id == with_bytes_.id ? &with_bytes_ : nullptr;
    if (form == nullptr || data.size() < form->size) return std::nullopt;
    const auto point = load(data, form->point);
    if (point >= points_.size()) return std::nullopt;
    const auto& probe = points_[point];

    KprobeSighting sighting;
    auto& event = sighting.event;
    event.function = probe.function;
    event.tid = static_cast<std::uint32_t>(load(data, form->pid));
    event.extra = load(data, form->extra);
    event.skb = load(data, form->skb);
    event.argument = probe.argument;
    event.member = probe.member;
    sighting.base = load(data, form->base);
    if ((probe.cookie & SKBTRAIL_COOKIE_SOCKET) != 0) {
        // Such an event has no list; its base is the struct socket, which may be missing.
        if (!is_kernel_address(std::exchange(sighting.base, 0))) event.extra = 0;
    }
    if ((probe.cookie & SKBTRAIL_COOKIE_NAPI) != 0) event.extra &= 0xffffffffU;
    if (!is_kernel_address(event.skb) || probe.argument == SKBTRAIL_NO_ARGUMENT) {
        event.skb = 0;
        return sighting;
    }
    if ((probe.cookie & SKBTRAIL_COOKIE_UNSET) != 0 && probe.argument == (probe.cookie & 0xfU)) {
        event.flags |= SKBTRAIL_EVENT_UNSET;
        return sighting;
    }
    describe(data.subspan(form->words, layout_.size),
             static_cast<std::uint32_t>(load(data, form->ifindex)),
             static_cast<std::uint32_t>(load(data, form->netns)), sighting);
    // The buffer's end, where the count of its owners is, cannot be reached by a fetch argument. A
    // buffer that was never cloned has one owner; of others skb_free_head tells the end.
    if ((probe.cookie & SKBTRAIL_COOKIE_RELEASES) != 0 &&
        (event.flags & SKBTRAIL_EVENT_CLONED) == 0) {
        event.flags |= SKBTRAIL_EVENT_LAST;
    }
    if (form->data != 0) {
        sighting.page_offset = load(data, form->page_offset);
        const auto bytes = data.subspan(form->data, SKBTRAIL_SNAP);
        if ((probe.cookie & SKBTRAIL_COOKIE_GRO) != 0) {
            const auto first = read_member(data.subspan(form->words, layout_.size), layout_.cb);
            if (is_kernel_address(first)) add_first_bytes(bytes, sighting);
        } else if ((probe.cookie & SKBTRAIL_COOKIE_HEADERS_DONE) != 0) {
            add_bytes(bytes, sighting);
        }
    }
    return sighting;
}

void KprobeDecoder::describe(std::span<const std::byte> skb, std::uint32_t ifindex,
                             std::uint32_t netns, KprobeSighting& sighting) const {
    auto& event = sighting.event;
    const auto value = [&skb](const Member& member) { return read_member(skb, member); };
    const auto narrow = [&value](const Member& member, auto& target) {
        target = static_cast<std::remove_reference_t<decltype(target)>>(value(member));
    };
    event.head = value(layout_.head);
    event.data = value(layout_.data);
    event.sock = value(layout_.sk);
    narrow(layout_.tail, event.tail);
    narrow(layout_.end, event.end);
    narrow(layout_.len, event.len);
    narrow(layout_.data_len, event.data_len);
    narrow(layout_.users, event.users);
    narrow(layout_.protocol, event.protocol);
    narrow(layout_.mac_header, event.mac_header);
    narrow(layout_.network_header, event.network_header);
    narrow(layout_.transport_header, event.transport_header);
    narrow(layout_.queue_mapping, event.queue);
    narrow(layout_.vlan_proto, event.vlan_protocol);
    narrow(layout_.vlan_tci, event.vlan_tag);
    narrow(layout_.mark, event.mark);
    narrow(layout_.hash, event.hash);
    event.tstamp = value(layout_.tstamp);
    narrow(layout_.ip_summed, event.ip_summed);
    if (value(layout_.cloned) != 0) event.flags |= SKBTRAIL_EVENT_CLONED;
    if (is_kernel_address(value(layout_.dev))) {
        event.ifindex = ifindex;
        event.netns = netns;
    }
    sighting.next = value(layout_.next);
}

void KprobeDecoder::add_first_bytes(std::span<const std::byte> data, KprobeSighting& sighting) {
    // The linear buffer ends before the network header, which is at the beginning of the first
    // page; or it is not looked for yet, and nothing is behind the link layer's header.
    auto& event = sighting.event;
    const bool found = event.network_header == event.tail;
    const bool unset = event.network_header == 0 || event.network_header == 0xffff;
    const bool empty = event.data == event.head + event.tail;
    if (event.protocol == 0 || event.len == 0 || !(found || (unset && empty))) return;
    const auto size = std::min<std::size_t>(data.size(), event.len);
    std::memcpy(sighting.bytes.data(), data.data(), size);
    event.bytes_used = static_cast<skbtrail_u8>(size);
    event.flags |= SKBTRAIL_EVENT_BYTES | SKBTRAIL_EVENT_DONE;
}

void KprobeDecoder::add_bytes(std::span<const std::byte> data, KprobeSighting& sighting) {
    // They were copied from skb->data on; wanted are those from the network header on.
    auto& event = sighting.event;
    if (event.protocol == 0 || event.network_header == 0 || event.network_header == 0xffff) return;
    const auto start = event.head + event.network_header;
    const auto end = event.head + event.tail;
    if (start < event.data || start - event.data >= data.size() || end <= start) return;
    const auto skipped = static_cast<std::size_t>(start - event.data);
    const auto size = std::min<std::uint64_t>(data.size() - skipped, end - start);
    std::memcpy(sighting.bytes.data(), data.data() + skipped, size);
    event.bytes_used = static_cast<skbtrail_u8>(size);
    event.flags |= SKBTRAIL_EVENT_BYTES | SKBTRAIL_EVENT_DONE;
}

bool order_sightings(std::vector<KprobeSighting>& sightings) {
    std::sort(sightings.begin(), sightings.end(), [](const auto& left, const auto& right) {
        return std::tuple(left.event.argument, left.event.member) <
               std::tuple(right.event.argument, right.event.member);
    });
    std::vector<KprobeSighting> kept;
    bool more = false;
    for (const auto& sighting : sightings) {
        const auto& event = sighting.event;
        if (event.member > 0) {
            // A list ends where it comes back to its head, a chain where there is no next one.
            const bool follows = !kept.empty() && kept.back().event.argument == event.argument &&
                                 kept.back().event.member + 1 == event.member;
            if (!follows) continue;
        }
        if (event.skb == 0 || event.skb == sighting.base) continue;
        const bool last_probe = event.member + 1U == kprobe_list_members;
        if (last_probe) more = sighting.next != 0 && sighting.next != sighting.base;
        kept.push_back(sighting);
    }
    if (kept.empty() && !sightings.empty()) {
        kept.push_back(sightings.front());
        kept.front().event.skb = 0;
        kept.front().event.argument = SKBTRAIL_NO_ARGUMENT;
        kept.front().event.flags = 0;
    }
    sightings = std::move(kept);
    return more;
}

}  // namespace skbtrail::tracer
