#include "tracer/ftrace/kprobe_events.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

constexpr std::string_view group_prefix = "skbtrail_";
/// The other functions are probed too if that takes no longer than this.
constexpr std::chrono::duration<double> time_for_others{2.0};
/// A call instruction, which ftrace patches.
constexpr std::uint64_t patched_size = 5;
constexpr std::uint64_t landing_pad = 4;
constexpr const char* optimisation = "/proc/sys/debug/kprobes-optimization";

/// An argument of a function as a fetch argument (x86-64, System V ABI). Behind the patched call
/// the return address is still on top of the stack.
std::string fetch_of(std::uint32_t argument) {
    constexpr std::array registers{"%di", "%si", "%dx", "%cx", "%r8", "%r9"};
    if (argument < registers.size()) return registers[argument];
    return fmt::format("$stack{}", argument - registers.size() + 1);
}

std::string follow(std::uint32_t offset_bits, const std::string& pointer) {
    return fmt::format("+{}({})", offset_bits / 8, pointer);
}

}  // namespace

void remove_abandoned_kprobe_events(const std::string& tracefs) {
    // A group carries the process id of its collector.
    std::set<std::string> groups;
    std::set<std::string> events;
    const auto text = try_read_file(tracefs + "/kprobe_events").value_or("");
    for (const auto line : chain::split_lines(text)) {  // "p:GROUP/EVENT PLACE ARGUMENTS"
        const auto colon = line.find(':');
        const auto slash = line.find('/');
        const auto blank = line.find(' ');
        if (colon > slash || slash > blank || blank == std::string_view::npos) continue;
        const auto group = line.substr(colon + 1, slash - colon - 1);
        if (!group.starts_with(group_prefix)) continue;
        const auto pid = chain::whole_number<long>(group.substr(group_prefix.size()));
        if (!pid || ::kill(static_cast<pid_t>(*pid), 0) == 0 || errno != ESRCH) continue;
        groups.emplace(group);
        events.emplace(line.substr(colon + 1, blank - colon - 1));
    }
    if (groups.empty()) return;
    for (const auto& group : groups) {
        try_write_file(fmt::format("{}/events/{}/enable", tracefs, group), "0");
    }
    const Fd fd(::open((tracefs + "/kprobe_events").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    for (const auto& event : events) {
        const auto line = fmt::format("-:{}\n", event);
        (void)!::write(fd.get(), line.data(), line.size());
    }
}

std::vector<KprobeText> kprobe_texts(std::uint32_t cookie, const SkbLayout& layout,
                                     std::uint64_t page_offset_address, std::size_t first_point) {
    const auto first = cookie & 0xfU;
    const auto shape = cookie >> 4U & 0xfU;
    const auto second = cookie >> 8U & 0xfU;
    const auto extra = cookie >> 12U & 0xfU;
    std::vector<KprobeText> texts;
    // What `extra` leads to, and for a socket where it lies: the decoder has to know whether it is
    // there.
    auto value = extra == SKBTRAIL_NO_ARGUMENT ? "\\0" : fetch_of(extra);
    std::string socket;
    if ((cookie & SKBTRAIL_COOKIE_SOCKET) != 0) {
        const bool known = layout.sock_socket.size != 0 && layout.socket_inode.size != 0;
        socket = known ? follow(layout.sock_socket.offset, value) : "\\0";
        value = known ? follow(layout.socket_inode.offset, socket) : "\\0";
    } else if ((cookie & SKBTRAIL_COOKIE_NAPI) != 0) {
        value = layout.napi_id.size == 0 ? "\\0" : follow(layout.napi_id.offset, value);
    }
    const auto add = [&](std::uint32_t argument, unsigned member, const std::string& skb,
                         const std::string& base) {
        const auto point = first_point + texts.size();
        const auto device = follow(layout.dev.offset, skb);
        const auto net = follow(layout.dev_net.offset, device);
        KprobeText text;
        text.argument = static_cast<std::uint8_t>(argument);
        text.member = static_cast<std::uint8_t>(member);
        // The constant comes first: the kernel compares definitions argument by argument.
        text.arguments = fmt::format(
            "point=\\{}:u32 base={}:x64 skb={}:x64 extra={}:x64 ifindex={}:u32 netns={}:u32 "
            "words={}:x64[{}]",
            point, socket.empty() ? base : socket, skb, value,
            follow(layout.dev_ifindex.offset, device), follow(layout.net_inum.offset, net),
            follow(0, skb), layout.size / 8);
        const bool gro = (cookie & SKBTRAIL_COOKIE_GRO) != 0 && layout.cb.size != 0;
        if (gro || (cookie & SKBTRAIL_COOKIE_HEADERS_DONE) != 0) {
            const auto& begin = gro ? layout.cb : layout.data;
            text.with_bytes = true;
            text.arguments += fmt::format(
                " page_offset={}:x64 data={}:x64[{}]",
                page_offset_address == 0 ? "\\0" : fmt::format("@{:#x}", page_offset_address),
                follow(0, follow(begin.offset, skb)), kprobe_data_words);
        }
        texts.push_back(std::move(text));
    };
    if (first != SKBTRAIL_NO_ARGUMENT) {
        const auto argument = fetch_of(first);
        auto skb = argument;
        switch (shape) {
            case SKBTRAIL_SHAPE_SKB_POINTER:
                add(first, 0, follow(0, argument), "\\0");
                break;
            case SKBTRAIL_SHAPE_LIST:
                for (unsigned member = 0; member < kprobe_list_members; ++member) {
                    skb = follow(0, skb);
                    add(first, member, skb, argument);
                }
                break;
            case SKBTRAIL_SHAPE_CHAIN:
                for (unsigned member = 0; member < kprobe_list_members; ++member) {
                    add(first, member, skb, "\\0");
                    skb = follow(layout.next.offset, skb);
                }
                break;
            default:
                add(first, 0, skb, "\\0");
        }
    }
    // A plain value only: the pointers lead somewhere, and what is there is not looked at.
    if (first == SKBTRAIL_NO_ARGUMENT && extra != SKBTRAIL_NO_ARGUMENT) {
        add(SKBTRAIL_NO_ARGUMENT, 0, fetch_of(0), "\\0");
    }
    if (second != SKBTRAIL_NO_ARGUMENT) add(second, 0, fetch_of(second), "\\0");
    return texts;
}

KprobeEvents::KprobeEvents(std::string tracefs, std::string directory, const SkbLayout& layout,
                           std::uint64_t page_offset_address, SavedState& saved)
    : tracefs_(std::move(tracefs)),
      directory_(std::move(directory)),
      layout_(layout),
      page_offset_address_(page_offset_address),
      saved_(saved),
      group_(fmt::format("{}{}", group_prefix, ::getpid())),
      plain_(fmt::format("skb_{}", ::getpid())),
      with_bytes_(fmt::format("data_{}", ::getpid())) {
    if (layout_.size == 0) {
        throw Failure(
            "The kernel's types do not tell where the members of struct sk_buff lie, so kprobe "
            "events cannot read them.");
    }
    if (::access((tracefs_ + "/kprobe_events").c_str(), W_OK) != 0) {
        throw Failure(fmt::format(
            "This kernel has no kprobe events ({}/kprobe_events: {}): it was built without "
            "CONFIG_KPROBE_EVENTS.",
            tracefs_, std::strerror(errno)));
    }
}

KprobeEvents::~KprobeEvents() {
    if (keep_) return;
    try {
        try_write_file(fmt::format("{}/events/{}/enable", directory_, group_), "0");
        const Fd fd(::open((tracefs_ + "/kprobe_events").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
        for (const auto& event : {std::cref(plain_), std::cref(with_bytes_)}) {
            const auto line = fmt::format("-:{}/{}\n", group_, event.get());
            (void)!::write(fd.get(), line.data(), line.size());
        }
    } catch (const std::exception&) {
        return;  // out of memory: the journal of saved_state.h has the next start remove them
    }
}

bool KprobeEvents::define(const Fd& file, const Probe& probe, std::string& why) {
    const auto texts = kprobe_texts(probe.cookie, layout_, page_offset_address_, points_.size());
    if (texts.empty()) return false;  // a root without an sk_buff: only its name was wanted
    for (const auto& text : texts) {
        // Where the kernel does not tell whether a landing pad comes before the patched call, only
        // one of the two places is the beginning of an instruction.
        auto place = probe.site + patched_size;
        int error = 0;
        for (int attempt = 0; attempt < 2; ++attempt) {
            const auto line =
                fmt::format("p:{}/{} {:#x} {}\n", group_, text.with_bytes ? with_bytes_ : plain_,
                            place, text.arguments);
            error = ::write(file.get(), line.data(), line.size()) < 0 ? errno : 0;
            if (error == 0 || probe.site != probe.address) break;
            place += landing_pad;
        }
        if (error != 0) {
            why = fmt::format("the kernel refuses a kprobe event there: {}", std::strerror(error));
            return false;
        }
        points_.push_back({probe.address, probe.cookie, text.argument, text.member});
    }
    return true;
}

std::vector<Refused> KprobeEvents::attach(const std::vector<Probe>& probes) {
    if (const auto before = try_read_file(optimisation); before && trim(*before) != "0") {
        saved_.remember(optimisation, std::string(trim(*before)));
        try_write_file(optimisation, "0");
    }
    const auto path = tracefs_ + "/kprobe_events";
    const Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!file) throw Failure(fmt::format("Cannot open {}: {}.", path, std::strerror(errno)));

    std::vector<Refused> refused;
    const auto define_all = [&](bool core) {
        for (std::size_t i = 0; i < probes.size(); ++i) {
            if (probes[i].core != core) continue;
            std::string why;
            if (!define(file, probes[i], why)) refused.push_back({i, why, !why.empty()});
        }
    };
    const auto begin = std::chrono::steady_clock::now();
    define_all(true);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    std::size_t others = 0;
    for (const auto& probe : probes) others += probe.core ? 0U : 1U;
    if (points_.empty()) {
        throw Failure(fmt::format("The kernel takes no kprobe event on any function{}.",
                                  refused.empty() ? "" : ": " + refused.front().reason));
    }
    const auto each = taken / static_cast<double>(points_.size());
    if (each * static_cast<double>(others) <= time_for_others) {
        define_all(false);
    } else {
        for (std::size_t i = 0; i < probes.size(); ++i) {
            if (probes[i].core) continue;
            refused.push_back(
                {i, fmt::format("setting a kprobe event takes {:.1f} ms on this machine, so only "
                                "functions of the network's core got one",
                                each.count() * 1000)});
        }
    }
    decoder_ = std::make_unique<KprobeDecoder>(
        parse_format(format_of(plain_)), parse_format(format_of(with_bytes_)), layout_, points_);
    // Arming takes a while; records flow once the buffer is switched on.
    for (const auto& event : {plain_, with_bytes_}) {
        write_file(fmt::format("{}/events/{}/{}/enable", directory_, group_, event), "1");
    }
    return refused;
}

std::string KprobeEvents::format_of(const std::string& event) const {
    return read_file(fmt::format("{}/events/{}/{}/format", directory_, group_, event));
}

void KprobeEvents::save_raw(const std::string& directory) const {
    write_whole(directory + "/kprobe.format", format_of(plain_));
    write_whole(directory + "/kprobe_bytes.format", format_of(with_bytes_));
    std::string points;
    for (const auto& point : points_) {
        fmt::format_to(std::back_inserter(points), "{:x} {} {} {}\n", point.function, point.cookie,
                       point.argument, point.member);
    }
    write_whole(directory + "/kprobe_points", points);
}

void KprobeEvents::switch_on() {
    missed_before_ = missed();
}

void KprobeEvents::switch_off() {}

std::uint64_t KprobeEvents::missed() const {
    std::uint64_t count = 0;
    const auto text = try_read_file(tracefs_ + "/kprobe_profile").value_or("");
    for (const auto line : chain::split_lines(text)) {  // event, hits, misses
        const auto words = split_words(line);
        if (words.size() != 3 || (words[0] != plain_ && words[0] != with_bytes_)) continue;
        std::uint64_t misses = 0;
        std::from_chars(words[2].data(), words[2].data() + words[2].size(), misses);
        count += misses;
    }
    return count;
}

std::vector<chain::Loss> KprobeEvents::losses(const std::vector<unsigned>& /*cpus*/) const {
    return {{"probe_missed", std::nullopt, missed() - missed_before_,
             "calls whose kprobe the kernel did not run, another one being at work on that CPU"}};
}

}  // namespace skbtrail::tracer
