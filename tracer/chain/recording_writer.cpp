#include <string>

#include "tracer/chain/json_members.h"
#include "tracer/chain/recording_json.h"
#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {
namespace {

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
    members.integer_unless_zero("timestamp", skb.timestamp);
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
    members.optional_array("inlined", call.inlined, write_text);
    members.boolean_if_true("tail_call", call.tail_call);
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
    if (fate.nic != 0) members.integer("nic", fate.nic);
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

void write_ring_event(JsonWriter& writer, const RingEvent& event) {
    Members members(writer);
    members.integer("sequence", event.sequence);
    members.integer("time", event.time);
    if (event.nic != 0) members.integer("nic", event.nic);
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

std::string_view context_name(Context context) {
    switch (context) {
        case Context::softirq:
            return "softirq";
        case Context::hardirq:
            return "hardirq";
        case Context::task:
            break;
    }
    return "task";
}

}  // namespace skbtrail::chain
