#include "device/control/breakpoint.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "device/parse_number.h"
#include "device/wire/frame_headers.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

constexpr std::array moments{QueueMoment::available, QueueMoment::used, QueueMoment::kick,
                             QueueMoment::call, QueueMoment::call_suppressed};
/// More than any frame is long.
constexpr std::uint64_t largest_length = 1 << 17;
/// Most virtqueues that a device can have here: eight pairs and the control queue.
constexpr std::uint64_t largest_queue = 16;

std::vector<std::string_view> all_words() {
    std::vector<std::string_view> words{"queue", "event", "head", "index", "length"};
    const auto headers = known_header_words();
    words.insert(words.end(), headers.begin(), headers.end());
    return words;
}

}  // namespace

const char* to_string(QueueMoment moment) {
    switch (moment) {
        case QueueMoment::available:
            return "available";
        case QueueMoment::used:
            return "used";
        case QueueMoment::kick:
            return "kick";
        case QueueMoment::call:
            return "call";
        case QueueMoment::call_suppressed:
            return "call_suppressed";
    }
    return "unknown";
}

bool Breakpoint::Number::holds(std::uint64_t actual) const {
    return (relation == "=" && actual == value) || (relation == "<" && actual < value) ||
           (relation == ">" && actual > value) || (relation == "<=" && actual <= value) ||
           (relation == ">=" && actual >= value);
}

Result<Breakpoint> Breakpoint::parse(std::span<const std::string> conditions) {
    if (conditions.empty()) {
        return failure(
            "a breakpoint needs a condition, like queue=1, event=call or ip.protocol=icmp; to stop "
            "at everything, pause and step");
    }
    Breakpoint breakpoint;
    for (const std::string& condition : conditions) {
        if (auto added = breakpoint.add(condition); !added) {
            return tl::make_unexpected(added.error());
        }
    }
    const bool has_chain =
        breakpoint.moment_ == QueueMoment::available || breakpoint.moment_ == QueueMoment::used;
    if (!has_chain && (breakpoint.head_ || breakpoint.index_)) {
        return failure(fmt::format("a {} is about no chain, so head and index say nothing there",
                                   to_string(breakpoint.moment_)));
    }
    if (breakpoint.moment_ != QueueMoment::available &&
        (breakpoint.length_ || !breakpoint.headers_.empty())) {
        return failure(
            fmt::format("frames are looked at before they have an effect (event=available), not "
                        "at event={}",
                        to_string(breakpoint.moment_)));
    }
    breakpoint.conditions_.assign(conditions.begin(), conditions.end());
    return breakpoint;
}

Result<> Breakpoint::add(const std::string& condition) {
    const std::size_t at = condition.find_first_of("=<>");
    if (at == std::string::npos || at == 0) {
        return failure(fmt::format("\"{}\" is no condition, which is WORD=VALUE", condition));
    }
    const bool two = condition[at] != '=' && condition.substr(at + 1, 1) == "=";
    const std::string word = condition.substr(0, at);
    const std::string relation = condition.substr(at, two ? 2 : 1);
    const std::string value = condition.substr(at + relation.size());
    if (word == "length") {
        return add_number(word, relation, value, largest_length, length_);
    }
    if (word == "index") {
        return add_number(word, relation, value, 0xffff, index_);
    }
    if (relation != "=") {
        return failure(fmt::format("{}: {} can only be compared with =", condition, word));
    }
    if (word == "head") {
        return add_number(word, relation, value, 0xffff, head_);
    }
    if (word == "queue") {
        std::optional<Number> number;
        if (auto added = add_number(word, relation, value, largest_queue, number); !added) {
            return added;
        }
        if (number) {
            queue_ = static_cast<unsigned>(number->value);
        }
        return {};
    }
    if (word == "event") {
        const auto found = std::find_if(moments.begin(), moments.end(), [&](QueueMoment moment) {
            return value == to_string(moment);
        });
        if (found == moments.end()) {
            std::vector<std::string_view> known;
            std::transform(moments.begin(), moments.end(), std::back_inserter(known),
                           [](QueueMoment moment) { return to_string(moment); });
            return failure(
                fmt::format("there is no event \"{}\"{}", value, did_you_mean(value, known)));
        }
        moment_ = *found;
        return {};
    }
    const auto headers = known_header_words();
    if (std::find(headers.begin(), headers.end(), word) == headers.end()) {
        return failure(
            fmt::format("nothing is called \"{}\"{}", word, did_you_mean(word, all_words())));
    }
    auto canonical = canonical_header_value(word, value);
    if (!canonical) {
        return failure(fmt::format("{}: {} is {}", condition, word, expected_header_value(word)));
    }
    headers_.push_back({word, std::move(*canonical)});
    return {};
}

Result<> Breakpoint::add_number(std::string_view word, std::string_view relation,
                                std::string_view value, std::uint64_t most,
                                std::optional<Number>& to) {
    const auto number = parse_number<std::uint64_t>(value);
    if (!number || *number > most) {
        return failure(
            fmt::format("{}{}{}: {} is a number from 0 to {}", word, relation, value, word, most));
    }
    if (to) {
        return failure(fmt::format("{} is said twice", word));
    }
    constexpr std::array<std::string_view, 5> relations{"=", "<", ">", "<=", ">="};
    to = Number{*std::find(relations.begin(), relations.end(), relation), *number};
    return {};
}

bool Breakpoint::matches(unsigned queue, QueueMoment moment, const ChainSight* sight) const {
    if (moment != moment_ || (queue_ && *queue_ != queue)) {
        return false;
    }
    if (sight == nullptr) {
        return true;
    }
    if ((head_ && !head_->holds(sight->head)) || (index_ && !index_->holds(sight->index)) ||
        (length_ && !length_->holds(sight->frame.size()))) {
        return false;
    }
    if (headers_.empty()) {
        return true;
    }
    const HeaderWords words = header_words(sight->frame);
    return std::all_of(headers_.begin(), headers_.end(), [&](const HeaderWord& wanted) {
        const auto found = words.find(wanted.word);
        return found != words.end() && found->second == wanted.value;
    });
}

}  // namespace skbtrail::device
