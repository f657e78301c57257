#include <fmt/format.h>

#include "tracer/chain/recording_json.h"
#include "tracer/chain/recording_parts.h"

namespace skbtrail::chain {
namespace {

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
    object.optional("timestamp", skb.timestamp);
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
    object.optional("inlined", call.inlined);
    object.optional("tail_call", call.tail_call);
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
    for (const auto context : {Context::task, Context::softirq, Context::hardirq}) {
        if (name == context_name(context)) return context;
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
    object.optional("nic", fate.nic);
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

}  // namespace

RingEvent read_ring_event(const JsonValue& value) {
    RingEvent event;
    JsonObject object(value);
    object.required("sequence", event.sequence);
    object.required("time", event.time);
    object.optional("nic", event.nic);
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

}  // namespace skbtrail::chain
