#include "tracer/chain/recording_json.h"

#include <array>
#include <cstddef>
#include <optional>
#include <ostream>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/json_members.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/json_writer.h"
#include "tracer/chain/recording_lines.h"
#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {
namespace {

constexpr DocumentKind recording_kind{"skbtrail-recording", recording_version, "a recording"};

constexpr std::array<std::pair<Context, std::string_view>, 3> context_names = {{
    {Context::task, "task"},
    {Context::softirq, "softirq"},
    {Context::hardirq, "hardirq"},
}};

// ---------------------------------------------------------------------------------- writing ----

void write_text(JsonWriter& writer, const std::string& value) {
    writer.text(value);
}

void write_geometry(JsonWriter& writer, const SkbGeometry& skb) {
    Members members(writer);
    members.integer_unless_zero("argument", skb.argument);
    members.optional_integer("packet", skb.packet);
    members.address("address", skb.address);
    members.address("head", skb.head);
    members.integer("data", skb.data);
    members.integer("tail", skb.tail);
    members.integer("end", skb.end);
    members.integer("len", skb.len);
    members.integer_unless_zero("data_len", skb.data_len);
    members.integer_unless_zero("protocol", skb.protocol);
    members.optional_integer("mac_header", skb.mac_header);
    members.optional_integer("network_header", skb.network_header);
    members.optional_integer("transport_header", skb.transport_header);
    members.integer_unless_zero("users", skb.users);
    members.boolean_if_true("cloned", skb.cloned);
    members.integer_unless_zero("device", skb.device);
    members.integer_unless_zero("netns", skb.netns);
    if (skb.sock != 0) members.address("sock", skb.sock);
    members.integer_unless_zero("queue", skb.queue);
    members.optional_integer("vlan", skb.vlan);
    members.integer_unless_zero("mark", skb.mark);
    members.integer_unless_zero("hash", skb.hash);
    if (skb.ip_summed != "none") members.text("ip_summed", skb.ip_summed);
    members.optional_integer("frags", skb.frags);
    members.integer_unless_zero("gso_size", skb.gso_size);
    members.integer_unless_zero("gso_segs", skb.gso_segs);
    members.optional_text("gso_type", skb.gso_type);
}

void write_call(JsonWriter& writer, const Call& call) {
    Members members(writer);
    members.text("function", call.function);
    members.optional_text("module", call.module);
    members.integer("start", call.start);
    members.optional_integer("duration", call.duration);
    members.integer_unless_zero("interrupted", call.interrupted);
    members.optional_integer("cpu", call.cpu);
    members.optional_integer("napi", call.napi);
    members.optional_integer("budget", call.budget);
    members.optional_integer("work", call.work);
    members.optional_array("skbs", call.skbs, write_geometry);
    members.optional_text("incomplete", call.incomplete);
    members.optional_array("calls", call.calls, write_call);
}

}  // namespace

void write_chain(JsonWriter& writer, const Chain& chain) {
    Members members(writer);
    members.integer("id", chain.id);
    members.integer("cpu", chain.cpu);
    members.text("context", context_name(chain.context));
    members.integer("pid", chain.pid);
    members.optional_text("comm", chain.comm);
    if (chain.nested_in) {
        writer.key("nested_in");
        Members nested(writer);
        nested.integer("chain", chain.nested_in->chain);
        nested.text("function", chain.nested_in->function);
    }
    writer.key("root");
    write_call(writer, chain.root);
}

namespace {
void write_fate(JsonWriter& writer, const Fate& fate) {
    Members members(writer);
    members.text("kind", fate.kind);
    members.optional_text("function", fate.function);
    members.optional_text("reason", fate.reason);
    members.optional_integer("into", fate.into);
    members.integer_unless_zero("socket", fate.socket);
    members.optional_integer("pid", fate.pid);
    members.optional_text("comm", fate.comm);
    if (fate.skb != 0) members.address("skb", fate.skb);
    members.optional_integer("queue", fate.queue);
    members.optional_integer("descriptor", fate.descriptor);
}

}  // namespace

void write_packet(JsonWriter& writer, const Packet& packet) {
    Members members(writer);
    members.integer("id", packet.id);
    members.text("identified_by", packet.identified_by);
    members.address("head", packet.head);
    members.integer("first_seen", packet.first_seen);
    if (packet.arrived_in != 0) members.address("arrived_in", packet.arrived_in);
    members.optional_text("summary", packet.summary);
    members.optional_map("headers", packet.headers);
    members.optional_array("edges", packet.edges, [](JsonWriter& w, const PacketEdge& edge) {
        Members edge_members(w);
        edge_members.text("kind", edge.kind);
        edge_members.integer("packet", edge.packet);
        edge_members.optional_text("function", edge.function);
        if (edge.skb != 0) edge_members.address("skb", edge.skb);
    });
    writer.key("fate");
    write_fate(writer, packet.fate);
    members.optional_array("fates", packet.fates, write_fate);
}

void write_loss(JsonWriter& writer, const Loss& loss) {
    Members members(writer);
    members.text("kind", loss.kind);
    members.optional_integer("cpu", loss.cpu);
    members.integer("count", loss.count);
    members.optional_text("function", loss.function);
    members.optional_text("detail", loss.detail);
}

namespace {
void write_interface(JsonWriter& writer, const Interface& interface) {
    Members members(writer);
    members.text("name", interface.name);
    members.integer_unless_zero("ifindex", interface.ifindex);
    members.optional_text("mac", interface.mac);
    members.integer_unless_zero("mtu", interface.mtu);
    members.optional_text("driver", interface.driver);
    members.optional_array("features", interface.features, write_text);
}

}  // namespace

void write_observed(JsonWriter& writer, const Observed& observed) {
    Members members(writer);
    members.text("kernel_release", observed.kernel_release);
    members.optional_text("kernel_build_id", observed.kernel_build_id);
    members.optional_text("machine", observed.machine);
    members.optional_text("collector_version", observed.collector_version);
    members.optional_text("clock", observed.clock);
    members.integer("started", observed.started);
    members.integer("ended", observed.ended);
    members.optional_array("command", observed.command, write_text);
    members.optional_integer("exit_status", observed.exit_status);
    if (observed.page_offset) members.address("page_offset", *observed.page_offset);
    members.optional_text("tree_method", observed.tree_method);
    members.optional_text("identity_method", observed.identity_method);
    members.optional_array("calibration", observed.calibration, write_text);
    members.optional_array("interfaces", observed.interfaces, write_interface);
    members.optional_array("traced", observed.traced, write_text);
    members.optional_array("probed", observed.probed, write_text);
    members.optional_array("unavailable", observed.unavailable,
                           [](JsonWriter& w, const Unavailable& unavailable) {
                               Members unavailable_members(w);
                               unavailable_members.text("function", unavailable.function);
                               unavailable_members.text("reason", unavailable.reason);
                           });
    members.optional_map("config", observed.config);
    members.optional_map("host", observed.host);
}

namespace {
void write_ring_event(JsonWriter& writer, const RingEvent& event) {
    writer.line_break();
    Members members(writer);
    members.integer("sequence", event.sequence);
    members.integer("time", event.time);
    members.integer("queue", event.queue);
    members.text("event", event.event);
    members.optional_integer("index", event.index);
    members.optional_integer("head", event.head);
    members.optional_integer("length", event.length);
    members.optional_array(
        "descriptors", event.descriptors, [](JsonWriter& w, const Descriptor& descriptor) {
            Members descriptor_members(w);
            descriptor_members.address("address", descriptor.address);
            descriptor_members.integer("length", descriptor.length);
            descriptor_members.boolean_if_true("device_writable", descriptor.device_writable);
            descriptor_members.boolean_if_true("next", descriptor.next);
        });
    if (event.indirect_table) {
        writer.key("indirect_table");
        Members table_members(writer);
        table_members.address("address", event.indirect_table->address);
        table_members.integer("length", event.indirect_table->length);
        table_members.integer("entries", event.indirect_table->entries);
    }
    members.optional_integer("packet", event.packet);
    members.optional_text("reason", event.reason);
}

// ---------------------------------------------------------------------------------- reading ----

SkbGeometry read_geometry(const JsonValue& value) {
    SkbGeometry skb;
    JsonObject object(value);
    object.optional("argument", skb.argument);
    object.optional("packet", skb.packet);
    skb.address = object.required("address").address();
    skb.head = object.required("head").address();
    object.required("data", skb.data);
    object.required("tail", skb.tail);
    object.required("end", skb.end);
    object.required("len", skb.len);
    object.optional("data_len", skb.data_len);
    object.optional("protocol", skb.protocol);
    object.optional("mac_header", skb.mac_header);
    object.optional("network_header", skb.network_header);
    object.optional("transport_header", skb.transport_header);
    object.optional("users", skb.users);
    object.optional("cloned", skb.cloned);
    object.optional("device", skb.device);
    object.optional("netns", skb.netns);
    if (const auto sock = object.find("sock")) skb.sock = sock->address();
    object.optional("queue", skb.queue);
    object.optional("vlan", skb.vlan);
    object.optional("mark", skb.mark);
    object.optional("hash", skb.hash);
    object.optional("ip_summed", skb.ip_summed);
    object.optional("frags", skb.frags);
    object.optional("gso_size", skb.gso_size);
    object.optional("gso_segs", skb.gso_segs);
    object.optional("gso_type", skb.gso_type);
    object.finish();
    return skb;
}

Call read_call(const JsonValue& value) {
    Call call;
    JsonObject object(value);
    object.required("function", call.function);
    object.optional("module", call.module);
    object.required("start", call.start);
    object.optional("duration", call.duration);
    object.optional("interrupted", call.interrupted);
    object.optional("cpu", call.cpu);
    object.optional("napi", call.napi);
    object.optional("budget", call.budget);
    object.optional("work", call.work);
    call.skbs = read_optional_array(object, "skbs", read_geometry);
    object.optional("incomplete", call.incomplete);
    call.calls = read_optional_array(object, "calls", read_call);
    object.finish();
    return call;
}

Context read_context(const JsonValue& value) {
    const auto name = value.get<std::string>();
    for (const auto& [context, known] : context_names) {
        if (name == known) return context;
    }
    value.fail(
        fmt::format("\"{}\" is no context; expected \"task\", \"softirq\" or \"hardirq\"", name));
}

}  // namespace

Chain read_chain(const JsonValue& value) {
    Chain chain;
    JsonObject object(value);
    object.required("id", chain.id);
    object.required("cpu", chain.cpu);
    chain.context = read_context(object.required("context"));
    object.optional("pid", chain.pid);
    object.optional("comm", chain.comm);
    if (const auto nested = object.find("nested_in")) {
        JsonObject nested_object(*nested);
        chain.nested_in.emplace();
        nested_object.required("chain", chain.nested_in->chain);
        nested_object.required("function", chain.nested_in->function);
        nested_object.finish();
    }
    chain.root = read_call(object.required("root"));
    object.finish();
    return chain;
}

namespace {
PacketEdge read_edge(const JsonValue& value) {
    PacketEdge edge;
    JsonObject object(value);
    object.required("kind", edge.kind);
    object.required("packet", edge.packet);
    object.optional("function", edge.function);
    if (const auto skb = object.find("skb")) edge.skb = skb->address();
    object.finish();
    return edge;
}

Fate read_fate(const JsonValue& value) {
    Fate fate;
    JsonObject object(value);
    object.required("kind", fate.kind);
    object.optional("function", fate.function);
    object.optional("reason", fate.reason);
    object.optional("into", fate.into);
    object.optional("socket", fate.socket);
    object.optional("pid", fate.pid);
    object.optional("comm", fate.comm);
    if (const auto skb = object.find("skb")) fate.skb = skb->address();
    object.optional("queue", fate.queue);
    object.optional("descriptor", fate.descriptor);
    object.finish();
    return fate;
}

}  // namespace

Packet read_packet(const JsonValue& value) {
    Packet packet;
    JsonObject object(value);
    object.required("id", packet.id);
    object.required("identified_by", packet.identified_by);
    packet.head = object.required("head").address();
    object.required("first_seen", packet.first_seen);
    if (const auto buffer = object.find("arrived_in")) packet.arrived_in = buffer->address();
    object.optional("summary", packet.summary);
    object.optional("headers", packet.headers);
    packet.edges = read_optional_array(object, "edges", read_edge);
    if (const auto fate = object.find("fate")) packet.fate = read_fate(*fate);
    packet.fates = read_optional_array(object, "fates", read_fate);
    object.finish();
    return packet;
}

Loss read_loss(const JsonValue& value) {
    Loss loss;
    JsonObject object(value);
    object.required("kind", loss.kind);
    object.optional("cpu", loss.cpu);
    object.required("count", loss.count);
    object.optional("function", loss.function);
    object.optional("detail", loss.detail);
    object.finish();
    return loss;
}

namespace {
Unavailable read_unavailable(const JsonValue& value) {
    Unavailable unavailable;
    JsonObject object(value);
    object.required("function", unavailable.function);
    object.required("reason", unavailable.reason);
    object.finish();
    return unavailable;
}

Interface read_interface(const JsonValue& value) {
    Interface interface;
    JsonObject object(value);
    object.required("name", interface.name);
    object.optional("ifindex", interface.ifindex);
    object.optional("mac", interface.mac);
    object.optional("mtu", interface.mtu);
    object.optional("driver", interface.driver);
    object.optional("features", interface.features);
    object.finish();
    return interface;
}

}  // namespace

Observed read_observed(const JsonValue& value) {
    Observed observed;
    JsonObject object(value);
    object.required("kernel_release", observed.kernel_release);
    object.optional("kernel_build_id", observed.kernel_build_id);
    object.optional("machine", observed.machine);
    object.optional("collector_version", observed.collector_version);
    object.optional("clock", observed.clock);
    object.optional("started", observed.started);
    object.optional("ended", observed.ended);
    object.optional("command", observed.command);
    object.optional("exit_status", observed.exit_status);
    if (const auto offset = object.find("page_offset")) observed.page_offset = offset->address();
    object.optional("tree_method", observed.tree_method);
    object.optional("identity_method", observed.identity_method);
    object.optional("calibration", observed.calibration);
    observed.interfaces = read_optional_array(object, "interfaces", read_interface);
    object.optional("traced", observed.traced);
    object.optional("probed", observed.probed);
    observed.unavailable = read_optional_array(object, "unavailable", read_unavailable);
    object.optional("config", observed.config);
    object.optional("host", observed.host);
    object.finish();
    return observed;
}

namespace {
Descriptor read_descriptor(const JsonValue& value) {
    Descriptor descriptor;
    JsonObject object(value);
    descriptor.address = object.required("address").address();
    object.required("length", descriptor.length);
    object.optional("device_writable", descriptor.device_writable);
    object.optional("next", descriptor.next);
    object.finish();
    return descriptor;
}

IndirectTable read_indirect_table(const JsonValue& value) {
    IndirectTable table;
    JsonObject object(value);
    table.address = object.required("address").address();
    object.required("length", table.length);
    object.required("entries", table.entries);
    object.finish();
    return table;
}

RingEvent read_ring_event(const JsonValue& value) {
    RingEvent event;
    JsonObject object(value);
    object.required("sequence", event.sequence);
    object.required("time", event.time);
    object.required("queue", event.queue);
    object.required("event", event.event);
    object.optional("index", event.index);
    object.optional("head", event.head);
    object.optional("length", event.length);
    event.descriptors = read_optional_array(object, "descriptors", read_descriptor);
    if (const auto table = object.find("indirect_table")) {
        event.indirect_table = read_indirect_table(*table);
    }
    object.optional("packet", event.packet);
    object.optional("reason", event.reason);
    object.finish();
    return event;
}

}  // namespace

namespace {

/// Writes one element of an array, for readers who look at the file with a pager or grep.
template <typename Write>
auto on_own_line(const Write& write) {
    return [&write](JsonWriter& writer, const auto& value) {
        writer.line_break();
        write(writer, value);
    };
}

}  // namespace

std::string_view context_name(Context context) {
    for (const auto& [known, name] : context_names) {
        if (known == context) return name;
    }
    return "task";
}

void write_json(const Recording& recording, std::ostream& out) {
    JsonWriter writer(out);
    {
        Members members(writer);
        members.text("format", recording_kind.format);
        members.integer("version", recording_kind.version);
        writer.line_break();
        writer.key("observed");
        write_observed(writer, recording.observed);
        writer.line_break();
        members.array("losses", recording.losses, on_own_line(write_loss));
        writer.line_break();
        members.array("packets", recording.packets, on_own_line(write_packet));
        writer.line_break();
        members.array("chains", recording.chains, on_own_line(write_chain));
        writer.line_break();
        members.array("ring_events", recording.ring_events, write_ring_event);
    }
    writer.flush();
    out << '\n';
}

Recording parse_recording(std::string_view json) {
    constexpr std::array<std::string_view, 4> streamed = {"losses", "packets", "chains",
                                                          "ring_events"};
    Recording recording;
    const nlohmann::json whole;
    const JsonValue document(whole);
    // An error in an element has to wait: what the document says of itself may stand behind it,
    // and "made by a newer skbtrail" explains more than a member that is not known here.
    std::optional<FormatError> first_error;
    const auto read_element = [&](std::string_view key, std::size_t index,
                                  const nlohmann::json& element) {
        if (first_error) return;
        const nlohmann::json array = nlohmann::json::array();
        const JsonValue parent(array, document, key);
        const JsonValue value(element, parent, index);
        try {
            if (key == "losses") recording.losses.push_back(read_loss(value));
            if (key == "packets") recording.packets.push_back(read_packet(value));
            if (key == "chains") recording.chains.push_back(read_chain(value));
            if (key == "ring_events") recording.ring_events.push_back(read_ring_event(value));
        } catch (const FormatError& error) {
            first_error = error;
        }
    };
    const nlohmann::json rest = parse_json_streamed(json, streamed, read_element);
    const JsonValue rest_value(rest);
    JsonObject object = open_document(rest_value, recording_kind);
    recording.observed = read_observed(object.required("observed"));
    // A recording without its loss counters could not say that nothing was lost.
    object.required("losses").size();
    object.required("packets").size();
    object.required("chains").size();
    if (const auto events = object.find("ring_events")) events->size();
    object.finish();
    if (first_error) throw *first_error;
    check_references(recording);
    return recording;
}

RingEvent parse_ring_event(std::string_view line) {
    const nlohmann::json value = parse_json(line);
    return read_ring_event(JsonValue(value));
}

Recording load_recording(const std::string& path) {
    const std::string text = read_file(path);
    try {
        return is_recording_lines(text) ? parse_recording_lines(text) : parse_recording(text);
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", path, error.what()));
    }
}

}  // namespace skbtrail::chain
