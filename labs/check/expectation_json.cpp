#include "labs/check/expectation_json.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "labs/check/json_parts.h"
#include "labs/check/packet_selection.h"
#include "labs/check/paths.h"
#include "labs/check/step_reader.h"
#include "tracer/chain/glob.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/names.h"
#include "tracer/chain/packet_words.h"
#include "tracer/chain/suggest.h"

namespace skbtrail::labs {
namespace {

using chain::JsonObject;
using chain::JsonValue;

constexpr chain::DocumentKind expectation_kind{"skbtrail-expectation", 1, "an expectation"};

std::vector<Forbidden> read_forbidden(const JsonValue& value, const StepReader& steps) {
    return chain::read_array(value, [&](const JsonValue& item) {
        Forbidden forbidden;
        forbidden.place = item.pointer();
        if (item.is_text()) {
            forbidden.pattern = item.get<std::string>();
        } else {
            JsonObject object(item);
            object.required("call", forbidden.pattern);
            if (const auto packet = object.find("packet")) {
                forbidden.packet = steps.read_binding(*packet);
            }
            if (const auto when = object.find("when")) forbidden.when = read_conditions(*when);
            object.finish();
        }
        if (forbidden.pattern.empty()) item.fail("a name or a glob cannot be empty");
        return forbidden;
    });
}

/// Fails unless each of `globs`, which stand under `word`, can be one of `kinds`.
void check_kinds(const JsonValue& value, std::string_view word,
                 const std::vector<std::string>& globs, std::span<const std::string_view> kinds) {
    for (const std::string& glob : globs) {
        const bool known = std::any_of(kinds.begin(), kinds.end(), [&](std::string_view kind) {
            return chain::glob_matches(glob, std::string(kind));
        });
        if (known) continue;
        const std::string hint = chain::did_you_mean(glob, kinds);
        value.fail(fmt::format(
            "no packet has the {} \"{}\"{}", word, glob,
            hint.empty() ? fmt::format("; it is {} or {}",
                                       fmt::join(kinds.first(kinds.size() - 1), ", "), kinds.back())
                         : hint));
    }
}

PacketSelector read_headers(const JsonValue& value) {
    if (!value.is_object()) {
        value.fail("expected an object of headers like {\"icmp.type\": \"echo-reply\"}");
    }
    PacketSelector selector;
    for (const auto& member : value.json().items()) {
        const JsonValue wanted(member.value(), value, member.key());
        auto& values = selector.headers[member.key()] = read_one_or_more(wanted);
        if (member.key() == "fate") check_kinds(wanted, "fate", values, chain::fate_kinds);
        if (member.key() == "edge") check_kinds(wanted, "edge", values, chain::edge_kinds);
        if (member.key() == "ring.kick" || member.key() == "ring.call") {
            check_kinds(wanted, member.key(), values, notice_kinds);
        }
    }
    return selector;
}

/// Headers, or the name of a binding.
PacketSelector read_packet(const JsonValue& value, const StepReader& steps) {
    if (value.is_object()) return read_headers(value);
    if (!value.is_text()) {
        value.fail(
            "expected the name of a binding, or an object of headers like "
            "{\"icmp.type\": \"echo-reply\"}");
    }
    PacketSelector selector;
    selector.same_as = steps.read_binding(value);
    return selector;
}

std::map<std::string, PacketSelector> read_packets(const JsonValue& value) {
    std::map<std::string, PacketSelector> packets;
    const JsonObject object(value);
    for (const auto& member : value.json().items()) {
        const JsonValue headers(member.value(), value, member.key());
        packets[member.key()] = read_headers(headers);
    }
    return packets;
}

/// Reads the chains of one expectation, in order: each may refer to what those above have bound.
class ChainReader {
  public:
    /// `bindings`: the packets that have a name in all chains.
    ChainReader(std::vector<std::string> bindings, const Fragments& fragments)
        : bindings_(std::move(bindings)), fragments_(fragments) {}

    ExpectedChain read(const JsonValue& value) {
        ExpectedChain expected;
        expected.place = value.pointer();
        JsonObject object(value);
        const auto name = object.required("name");
        expected.name = name.get<std::string>();
        if (expected.name.empty()) name.fail("a chain needs a name that people can read");
        if (std::find(names_.begin(), names_.end(), expected.name) != names_.end()) {
            name.fail(fmt::format("there is a chain \"{}\" above already", expected.name));
        }
        names_.push_back(expected.name);
        object.optional("about", expected.about);
        if (const auto when = object.find("when")) expected.when = read_conditions(*when);
        read_roots(object.required("root"), expected);
        const StepReader before(bindings_, fragments_);
        if (const auto packet = object.find("packet")) {
            expected.packet = read_packet(*packet, before);
        }
        if (const auto cpu = object.find("cpu")) expected.cpu = cpu->get<std::uint16_t>();
        if (const auto bind = object.find("bind")) read_bind(*bind, expected);
        if (const auto count = object.find("count")) expected.count = read_count(*count);
        const StepReader steps(bindings_, fragments_);
        if (const auto calls = object.find("calls")) expected.calls = steps.read_steps(*calls);
        if (const auto forbid = object.find("forbid")) {
            expected.forbid = read_forbidden(*forbid, steps);
        }
        object.finish();
        return expected;
    }

    const std::vector<std::string>& bindings() const { return bindings_; }

  private:
    static void read_roots(const JsonValue& value, ExpectedChain& expected) {
        if (value.is_array()) {
            expected.roots = chain::read_array(value, read_function);
            if (expected.roots.empty()) value.fail("this list is empty; name at least one");
        } else {
            expected.roots = {read_function(value)};
        }
    }

    void read_bind(const JsonValue& value, ExpectedChain& expected) {
        expected.bind = value.get<std::string>();
        if (expected.bind.empty()) value.fail("a binding needs a name");
        if (!expected.packet) {
            value.fail("there is no packet to bind: say with \"packet\" which one is meant");
        }
        if (std::find(bindings_.begin(), bindings_.end(), expected.bind) != bindings_.end()) {
            value.fail(fmt::format("there is a packet \"{}\" already", expected.bind));
        }
        bindings_.push_back(expected.bind);
    }

    std::vector<std::string> names_;
    std::vector<std::string> bindings_;
    const Fragments& fragments_;
};

void read_aliases(const JsonValue& value, std::map<std::string, std::vector<std::string>>& to) {
    const JsonObject object(value);
    for (const auto& member : value.json().items()) {
        const JsonValue names(member.value(), value, member.key());
        to[std::string(chain::base_name(member.key()))] = chain::read_array(names, read_function);
    }
}

}  // namespace

Expectation parse_expectation(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const JsonValue document_value(document);
    JsonObject object = chain::open_document(document_value, expectation_kind);
    Expectation expectation;
    object.optional("title", expectation.title);
    object.optional("draft", expectation.draft);
    expectation.aliases = known_renames();
    if (const auto aliases = object.find("aliases")) read_aliases(*aliases, expectation.aliases);
    object.optional("noise", expectation.noise);
    std::vector<std::string> bindings;
    if (const auto packets = object.find("packets")) {
        expectation.packets = read_packets(*packets);
        for (const auto& packet : expectation.packets) bindings.push_back(packet.first);
    }
    const auto fragments_value = object.find("fragments");
    const Fragments fragments = fragments_value ? Fragments(*fragments_value) : Fragments();
    StepReader::check_fragments(fragments);
    ChainReader reader(std::move(bindings), fragments);
    const auto chains = object.required("chains");
    expectation.chains =
        chain::read_array(chains, [&](const JsonValue& value) { return reader.read(value); });
    for (ExpectedChain& expected : expectation.chains) {
        if (!expected.packet) continue;
        const auto named = expectation.packets.find(expected.packet->same_as);
        if (named != expectation.packets.end()) expected.packet = named->second;
    }
    if (expectation.chains.empty()) {
        chains.fail("no chain is expected, so nothing could be judged; name at least one");
    }
    if (const auto forbid = object.find("forbid")) {
        expectation.forbid = read_forbidden(*forbid, StepReader(reader.bindings(), fragments));
    }
    object.finish();
    return expectation;
}

Expectation load_expectation(const std::string& path) {
    const std::string text = chain::read_file(path);
    try {
        return parse_expectation(text);
    } catch (const chain::FormatError& error) {
        throw chain::FormatError(fmt::format("{}: {}", path, error.what()));
    }
}

}  // namespace skbtrail::labs
