#include "device/control/commands.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "device/control/metrics.h"
#include "device/wire/suggest.h"

namespace skbtrail::device {

namespace {

constexpr std::array<std::string_view, 0> no_members{};
constexpr std::array<std::string_view, 1> queue_member{"queue"};
constexpr std::array<std::string_view, 3> step_members{"queue", "count", "to"};
constexpr std::array<std::string_view, 1> count_member{"count"};
constexpr std::array<std::string_view, 1> when_member{"when"};
constexpr std::array<std::string_view, 1> number_member{"number"};
constexpr std::array<std::string_view, 1> fault_member{"fault"};
constexpr std::array<std::string_view, 1> state_member{"state"};

std::string dump(const Json& json) {
    // What a client said comes back to it in errors, and need not be UTF-8.
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A member that is a whole number; none when it is absent.
Result<std::optional<std::uint64_t>> number_of(const Json& request, const char* member,
                                               std::uint64_t least, std::uint64_t most) {
    const auto found = request.find(member);
    if (found == request.end()) {
        return std::nullopt;
    }
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() < least ||
        found->get<std::uint64_t>() > most) {
        return failure(fmt::format("\"{}\" is a whole number from {} to {}", member, least, most));
    }
    return found->get<std::uint64_t>();
}

Result<std::string> text_of(const Json& request, const char* member, std::string_view example) {
    const auto found = request.find(member);
    if (found == request.end() || !found->is_string()) {
        return failure(fmt::format("it needs \"{}\", a text, like \"{}\"", member, example));
    }
    return found->get<std::string>();
}

constexpr std::uint64_t largest_count = 1'000'000'000;

/// Requests are flat; what is nested deeper than this could only exhaust somebody's stack.
constexpr int deepest_nesting = 8;

bool nested_too_deep(std::string_view line) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        const char c = line[at];
        if (in_string) {
            at += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > deepest_nesting) {
                return true;
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return false;
}

}  // namespace

struct CommandTable {
    using Handler = Result<Json> (Commands::*)(const Json&);
    struct Row {
        CommandName name;
        Handler handler;
    };
    static constexpr std::array<Row, 18> rows{{
        {{"state", no_members, "everything: features, memory, rings, counters, what holds what"},
         &Commands::state},
        {{"metrics", no_members, "the counters, for Prometheus"}, &Commands::metrics},
        {{"pause", queue_member, "a queue, or all of them, takes nothing more"}, &Commands::pause},
        {{"resume", queue_member, "a queue, or all of them, goes on"}, &Commands::resume},
        {{"step", step_members,
          "lets so many chains (transmit) or frames (receive) through and pauses [1]; or to "
          "\"notification\": goes on to the next kick or call"},
         &Commands::step},
        {{"hold", no_members, "keeps all frames for the guest until they are released"},
         &Commands::hold},
        {{"release", count_member, "lets so many of them go, or all and holds no more"},
         &Commands::release},
        {{"break-add", when_member,
          "pauses a queue where all this holds: queue=1 event=call head=3 index=7 length>=1000 "
          "ip.protocol=icmp ..."},
         &Commands::break_add},
        {{"break-list", no_members, "the breakpoints and how often they were hit"},
         &Commands::break_list},
        {{"break-remove", number_member, "one of them, or all"}, &Commands::break_remove},
        {{"fault-add", fault_member, "a fault as --fault has it: drop,p=0.1,direction=to_guest"},
         &Commands::fault_add},
        {{"fault-list", no_members, "the faults and how often they struck"}, &Commands::fault_list},
        {{"fault-remove", number_member, "one of them, or all"}, &Commands::fault_remove},
        {{"link", state_member, "\"up\" or \"down\": what the driver is told of the link"},
         &Commands::link},
        {{"announce", no_members, "the driver is asked to tell the network where it is"},
         &Commands::announce},
        {{"disconnect", no_members, "leaves the front end, which may come back"},
         &Commands::disconnect},
        {{"reset-counters", no_members, "the counters of the queues begin at 0 again"},
         &Commands::reset_counters},
        {{"help", no_members, "this"}, &Commands::help},
    }};
};

std::span<const CommandName> command_names() {
    static const auto names = [] {
        std::array<CommandName, CommandTable::rows.size()> all{};
        std::transform(CommandTable::rows.begin(), CommandTable::rows.end(), all.begin(),
                       [](const CommandTable::Row& row) { return row.name; });
        return all;
    }();
    return names;
}

std::string Commands::answer(std::string_view line) {
    const bool deep = nested_too_deep(line);
    const Json request = deep ? Json() : Json::parse(line, nullptr, false);
    Json answer;
    const auto reply = [&](Result<Json> result) {
        answer["ok"] = result.has_value();
        if (request.is_object() && request.contains("id")) {
            answer["id"] = request["id"];
        }
        if (result) {
            answer["result"] = std::move(*result);
        } else {
            answer["error"] = result.error().message;
        }
        return dump(answer);
    };
    if (deep) {
        return reply(failure("the line is nested too deeply for a request"));
    }
    if (request.is_discarded()) {
        return reply(failure("the line is no JSON; a request is {\"command\":\"state\"}"));
    }
    if (!request.is_object()) {
        return reply(failure("a request is an object: {\"command\":\"state\"}"));
    }
    return reply(run(request));
}

std::string Commands::too_long() {
    return R"({"ok":false,"error":"a request has at most 65536 characters"})";
}

Result<Json> Commands::run(const Json& request) {
    std::vector<std::string_view> names;
    for (const CommandName& one : command_names()) {
        names.push_back(one.name);
    }
    const auto said = text_of(request, "command", "state");
    if (!said) {
        return tl::make_unexpected(said.error());
    }
    const auto row = std::find_if(CommandTable::rows.begin(), CommandTable::rows.end(),
                                  [&](const auto& one) { return one.name.name == *said; });
    if (row == CommandTable::rows.end()) {
        return failure(
            fmt::format("there is no command \"{}\"{}", *said, did_you_mean(*said, names)));
    }
    for (const auto& [member, value] : request.items()) {
        if (member != "command" && member != "id" &&
            std::find(row->name.members.begin(), row->name.members.end(), member) ==
                row->name.members.end()) {
            return failure(row->name.members.empty()
                               ? fmt::format("{} takes nothing, and no \"{}\"", *said, member)
                               : fmt::format("{} has no \"{}\"{}", *said, member,
                                             did_you_mean(member, row->name.members)));
        }
    }
    return (this->*row->handler)(request);
}

Result<std::vector<unsigned>> Commands::queues_of(const Json& request) const {
    const unsigned count = nic_.oversight.data_queues();
    std::vector<unsigned> queues;
    const auto found = request.find("queue");
    if (found == request.end()) {
        for (unsigned queue = 0; queue < count; ++queue) {
            queues.push_back(queue);
        }
        return queues;
    }
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() >= count) {
        return failure(
            fmt::format("there is no queue {}: this device has 0 to {}", dump(*found), count - 1));
    }
    queues.push_back(found->get<unsigned>());
    return queues;
}

Json Commands::holds() const {
    Json queues = Json::array();
    for (unsigned queue = 0; queue < nic_.oversight.data_queues(); ++queue) {
        const auto view = nic_.oversight.debugger().view(queue);
        queues.push_back({{"queue", queue},
                          {"paused", view.paused},
                          {"steps", view.steps},
                          {"waiting", view.asked}});
    }
    return {{"queues", std::move(queues)},
            {"frames_held", nic_.oversight.debugger().holds_frames()},
            {"frames_released", nic_.oversight.debugger().frame_credits()}};
}

Result<Json> Commands::state(const Json&) {
    return state_json(nic_);
}

Result<Json> Commands::metrics(const Json&) {
    return Json(metrics_text(nic_));
}

Result<Json> Commands::help(const Json&) {
    Json list = Json::array();
    for (const CommandName& one : command_names()) {
        list.push_back({{"command", one.name}, {"members", one.members}, {"meaning", one.meaning}});
    }
    return list;
}

Result<Json> Commands::pause(const Json& request) {
    return queues_of(request).map([&](const std::vector<unsigned>& queues) {
        for (const unsigned queue : queues) {
            nic_.oversight.debugger().pause(queue);
        }
        nic_.oversight.changed();
        return holds();
    });
}

Result<Json> Commands::resume(const Json& request) {
    return queues_of(request).map([&](const std::vector<unsigned>& queues) {
        for (const unsigned queue : queues) {
            nic_.oversight.debugger().resume(queue);
        }
        nic_.oversight.changed();
        return holds();
    });
}

Result<Json> Commands::step(const Json& request) {
    const auto count = number_of(request, "count", 1, largest_count);
    if (!count) {
        return tl::make_unexpected(count.error());
    }
    const bool to_notification = request.contains("to");
    if (to_notification && (request["to"] != "notification" || *count)) {
        return failure(R"(step goes on for a "count", or "to" the next "notification")");
    }
    const auto queues = queues_of(request);
    if (!queues) {
        return tl::make_unexpected(queues.error());
    }
    // In the way first: a step runs at once.
    for (const unsigned queue : *queues) {
        nic_.oversight.debugger().pause(queue);
    }
    nic_.oversight.changed();
    for (const unsigned queue : *queues) {
        if (to_notification) {
            nic_.oversight.debugger().step_to_notification(queue);
        } else {
            nic_.oversight.debugger().step(queue, count->value_or(1));
        }
    }
    return holds();
}

Result<Json> Commands::hold(const Json&) {
    nic_.oversight.debugger().hold_frames();
    nic_.oversight.changed();
    return holds();
}

Result<Json> Commands::release(const Json& request) {
    const auto count = number_of(request, "count", 1, largest_count);
    if (!count) {
        return tl::make_unexpected(count.error());
    }
    if (!nic_.oversight.debugger().holds_frames()) {
        return failure("nothing is held; say hold first");
    }
    nic_.oversight.debugger().release_frames(*count);
    nic_.oversight.changed();
    return holds();
}

Result<Json> Commands::break_add(const Json& request) {
    const auto when = request.find("when");
    if (when == request.end() || !when->is_array() ||
        !std::all_of(when->begin(), when->end(), [](const Json& one) { return one.is_string(); })) {
        return failure(
            R"(it needs "when", a list of conditions, like ["queue=1","ip.protocol=icmp"])");
    }
    return Breakpoint::parse(when->get<std::vector<std::string>>())
        .and_then([&](Breakpoint breakpoint) {
            return nic_.oversight.debugger().add(std::move(breakpoint));
        })
        .map([&](unsigned number) {
            nic_.oversight.changed();
            return Json{{"number", number}};
        });
}

Result<Json> Commands::break_list(const Json&) {
    return breakpoints_json(nic_.oversight.debugger());
}

Result<Json> Commands::break_remove(const Json& request) {
    const auto number = number_of(request, "number", 1, std::numeric_limits<unsigned>::max());
    if (!number) {
        return tl::make_unexpected(number.error());
    }
    Debugger& debugger = nic_.oversight.debugger();
    if (const auto& one = *number; !one) {
        while (!debugger.breakpoints().empty()) {
            debugger.remove(debugger.breakpoints().front().number);
        }
    } else if (!debugger.remove(static_cast<unsigned>(*one))) {
        return failure(fmt::format("there is no breakpoint {}", *one));
    }
    nic_.oversight.changed();
    return breakpoints_json(debugger);
}

Result<Json> Commands::fault_add(const Json& request) {
    return text_of(request, "fault", "drop,p=0.1,direction=to_guest")
        .and_then([](const std::string& text) { return parse_fault(text); })
        .and_then([&](FaultSpec spec) -> Result<unsigned> {
            return check_queue(spec, nic_.oversight.data_queues()).and_then([&] {
                return nic_.oversight.faults().add(std::move(spec));
            });
        })
        .map([&](unsigned number) {
            nic_.oversight.changed();
            return Json{{"number", number}};
        });
}

Result<Json> Commands::fault_list(const Json&) {
    return faults_json(nic_.oversight.faults());
}

Result<Json> Commands::fault_remove(const Json& request) {
    const auto number = number_of(request, "number", 1, std::numeric_limits<unsigned>::max());
    if (!number) {
        return tl::make_unexpected(number.error());
    }
    if (const auto& one = *number; !one) {
        nic_.oversight.faults().clear();
    } else if (!nic_.oversight.faults().remove(static_cast<unsigned>(*one))) {
        return failure(fmt::format("there is no fault {}", *one));
    }
    nic_.oversight.changed();
    return faults_json(nic_.oversight.faults());
}

Result<Json> Commands::link(const Json& request) {
    const auto state = text_of(request, "state", "down");
    if (!state || (*state != "up" && *state != "down")) {
        return failure(R"(it needs "state", which is "up" or "down")");
    }
    NetDevice& device = nic_.oversight.device();
    const bool told = device.set_link(*state == "up");
    return Json{{"link_up", device.link_up()}, {"driver_told", told}};
}

Result<Json> Commands::announce(const Json&) {
    return nic_.oversight.device().ask_to_announce().map(
        [](bool told) { return Json{{"driver_told", told}}; });
}

Result<Json> Commands::disconnect(const Json&) {
    return Json{{"was_connected", nic_.disconnect()}};
}

Result<Json> Commands::reset_counters(const Json&) {
    for (unsigned queue = 0; queue < nic_.oversight.data_queues(); ++queue) {
        nic_.oversight.device().queue(queue).reset_counters();
    }
    return Json::object();
}

}  // namespace skbtrail::device
