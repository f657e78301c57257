#include "device/faults/fault_spec.h"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "device/parse_number.h"
#include "device/wire/spec.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

using namespace std::chrono_literals;

constexpr auto longest_time = std::chrono::nanoseconds(10min);

/// Everything about a kind that is not code. An empty name of the number: it has none.
struct KindTraits {
    FaultKind kind;
    std::string_view name;
    FaultPlace place;
    std::string_view meaning;
    std::string_view number;  ///< the key of FaultSpec::number
    unsigned default_number = 0;
    unsigned most = 0;           ///< of the number
    std::string_view time = {};  ///< what the time is, empty: it has none
    std::chrono::nanoseconds default_time = 0ns;
    bool jitter = false;
};

constexpr std::array<KindTraits, fault_kinds> kinds{{
    {FaultKind::drop, "drop", FaultPlace::wire, "the frame is lost", "", 0, 0},
    {FaultKind::delay, "delay", FaultPlace::wire, "the frame goes on later", "", 0, 0, "how long",
     1ms, true},
    {FaultKind::duplicate, "duplicate", FaultPlace::wire, "the frame goes on twice", "", 0, 0},
    {FaultKind::reorder, "reorder", FaultPlace::wire, "frames that come later go first", "by", 1,
     64, "how long at most", 10ms},
    {FaultKind::corrupt, "corrupt", FaultPlace::wire, "one byte is another", "", 0, 0},
    {FaultKind::checksum_flag, "checksum_flag", FaultPlace::wire,
     "what is said of the checksum is wrong", "", 0, 0},
    {FaultKind::lost_call, "lost_call", FaultPlace::queue, "the interrupt never comes", "", 0, 0},
    {FaultKind::late_call, "late_call", FaultPlace::queue, "the interrupt comes late", "", 0, 0,
     "how late", 1ms, true},
    {FaultKind::double_call, "double_call", FaultPlace::queue, "the interrupt comes twice", "", 0,
     0},
    {FaultKind::coalesce, "coalesce", FaultPlace::queue,
     "one interrupt for many chains, or after a time", "chains", 16, 65536, "how long at most",
     1ms},
    {FaultKind::no_buffers, "no_buffers", FaultPlace::queue,
     "receive buffers are there, and not seen", "", 0, 0, "how long", 1ms},
    {FaultKind::never_used, "never_used", FaultPlace::queue,
     "a frame is sent and its chain never returned", "", 0, 0},
    {FaultKind::unordered_used, "unordered_used", FaultPlace::queue,
     "chains are returned in another order", "window", 4, 256, "how long at most", 10ms},
    {FaultKind::link_flap, "link_flap", FaultPlace::card, "the link goes down, and up again", "", 0,
     0, "how long", 100ms},
    {FaultKind::disconnect, "disconnect", FaultPlace::card, "the front end is left alone", "", 0,
     0},
}};

const KindTraits& traits_of(FaultKind kind) {
    return kinds[static_cast<std::size_t>(kind)];
}

const KindTraits* find_kind(std::string_view name) {
    const auto found = std::find_if(kinds.begin(), kinds.end(),
                                    [&](const KindTraits& traits) { return traits.name == name; });
    return found == kinds.end() ? nullptr : &*found;
}

std::vector<std::string_view> keys_of(const KindTraits& traits) {
    std::vector<std::string_view> keys;
    if (traits.kind != FaultKind::coalesce) {  // which is a way to work, not an accident
        keys = {"p", "every", "skip", "count"};
    }
    keys.push_back(traits.place == FaultPlace::queue ? "queue" : "direction");
    if (!traits.number.empty()) {
        keys.push_back(traits.number);
    }
    if (!traits.time.empty()) {
        keys.push_back("time");
    }
    if (traits.jitter) {
        keys.push_back("jitter");
    }
    return keys;
}

std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number<std::uint32_t>(text.substr(0, digits));
    const std::string_view unit = text.substr(digits);
    if (!number) {
        return std::nullopt;
    }
    std::chrono::nanoseconds time{};
    if (unit == "us") {
        time = std::chrono::microseconds(*number);
    } else if (unit == "ms") {
        time = std::chrono::milliseconds(*number);
    } else if (unit == "s") {
        time = std::chrono::seconds(*number);
    } else {
        return std::nullopt;
    }
    return time <= longest_time ? std::optional(time) : std::nullopt;
}

/// Sets one key. What the value should have been, when it is wrong.
std::string_view set_key(FaultSpec& spec, const KindTraits& traits, std::string_view key,
                         std::string_view value) {
    constexpr std::string_view time_words = "a time of up to 600 s, like 50us, 20ms or 1s";
    if (key == "p") {
        const auto p = parse_number<double>(value);
        if (!p || !(*p >= 0 && *p <= 1)) {
            return "a probability from 0 to 1";
        }
        spec.probability = *p;
    } else if (key == "every" || key == "skip" || key == "count") {
        const auto number = parse_number<std::uint64_t>(value);
        if (!number || (key != "skip" && *number == 0)) {
            return key == "skip" ? "a number from 0" : "a number from 1";
        }
        (key == "every" ? spec.every : key == "skip" ? spec.skip : spec.count) = *number;
    } else if (key == "queue") {
        const auto number = parse_number<unsigned>(value);
        if (!number) {
            return "the number of a queue: even ones receive, odd ones transmit";
        }
        spec.queue = number;
    } else if (key == "direction") {
        if (value != "to_guest" && value != "from_guest" && value != "both") {
            return "to_guest, from_guest or both";
        }
        spec.to_guest = value != "from_guest";
        spec.from_guest = value != "to_guest";
    } else if (key == "time" || key == "jitter") {
        const auto time = parse_time(value);
        if (!time) {
            return time_words;
        }
        (key == "time" ? spec.time : spec.jitter) = *time;
    } else {
        const auto number = parse_number<unsigned>(value);
        if (!number || *number == 0 || *number > traits.most) {
            return "a number from 1, and not as large";
        }
        spec.number = *number;
    }
    return {};
}

}  // namespace

const char* to_string(FaultKind kind) {
    return traits_of(kind).name.data();
}

FaultPlace place_of(FaultKind kind) {
    return traits_of(kind).place;
}

Result<FaultSpec> parse_fault(std::string_view text) {
    WireSpec words;
    try {
        words = parse_wire_spec(text);
    } catch (const std::invalid_argument& wrong) {
        return failure(fmt::format("\"{}\" is no fault, which is KIND[,key=value...]", text));
    }
    const KindTraits* const traits = find_kind(words.kind);
    if (traits == nullptr) {
        std::vector<std::string_view> names;
        std::transform(kinds.begin(), kinds.end(), std::back_inserter(names),
                       [](const KindTraits& one) { return one.name; });
        return failure(
            fmt::format("there is no fault \"{}\"{}", words.kind, did_you_mean(words.kind, names)));
    }
    FaultSpec spec;
    spec.kind = traits->kind;
    spec.time = traits->default_time;
    spec.number = traits->default_number;
    spec.text = text;
    const auto keys = keys_of(*traits);
    std::vector<std::string> seen;
    for (const auto& [key, value] : words.options) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
            return failure(
                fmt::format("{}: it has no \"{}\"{}", traits->name, key, did_you_mean(key, keys)));
        }
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
            return failure(fmt::format("{}: {} is said twice", traits->name, key));
        }
        seen.push_back(key);
        if (const auto expected = set_key(spec, *traits, key, value); !expected.empty()) {
            return failure(
                fmt::format("{}: {}={}: {} is {}", traits->name, key, value, key, expected));
        }
    }
    const auto said = [&](std::string_view key) {
        return std::find(seen.begin(), seen.end(), key) != seen.end();
    };
    if (said("every") && said("p")) {
        return failure(fmt::format("{}: say p or every, not both", traits->name));
    }
    if (spec.kind == FaultKind::no_buffers && spec.queue && *spec.queue % 2 != 0) {
        return failure(
            fmt::format("no_buffers: queue {} transmits; even ones receive", *spec.queue));
    }
    if (spec.kind == FaultKind::never_used && spec.queue && *spec.queue % 2 == 0) {
        return failure(
            fmt::format("never_used: queue {} receives; odd ones transmit", *spec.queue));
    }
    return spec;
}

Result<> check_queue(const FaultSpec& fault, unsigned queues) {
    if (fault.queue && *fault.queue >= queues) {
        return failure(
            fmt::format("there is no queue {}: this device has 0 to {}", *fault.queue, queues - 1));
    }
    return {};
}

std::string fault_help() {
    std::string help;
    for (const KindTraits& traits : kinds) {
        help += fmt::format("  {:<15} {}\n", traits.name, traits.meaning);
        if (!traits.number.empty()) {
            help += fmt::format("      {}=N [{}]\n", traits.number, traits.default_number);
        }
        if (!traits.time.empty()) {
            const auto us =
                std::chrono::duration_cast<std::chrono::microseconds>(traits.default_time).count();
            help += fmt::format(
                "      time=T {} [{}]{}\n", traits.time,
                us % 1000 == 0 ? fmt::format("{}ms", us / 1000) : fmt::format("{}us", us),
                traits.jitter ? ", jitter=T up to so much more" : "");
        }
    }
    help +=
        "  of all: p=0..1 how often [1], or every=N; skip=N the first N pass; count=N no more "
        "often;\n"
        "  of frames: direction=to_guest|from_guest|both; of queues: queue=N\n";
    return help;
}

}  // namespace skbtrail::device
