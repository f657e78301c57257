#include "device/control/state_json.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "device/net/features.h"
#include "device/vhost_user/protocol.h"

namespace skbtrail::device {

namespace {

std::string hexadecimal(std::uint64_t value) {
    return fmt::format("{:#x}", value);
}

/// A set of features with its bits and their names.
Json feature_set(std::uint64_t bits, const std::string& described) {
    Json names = Json::array();
    std::size_t begin = 0;
    while (begin < described.size()) {
        // "bit 17" is one name.
        std::size_t end = described.find(' ', begin);
        if (described.compare(begin, 4, "bit ") == 0 && end != std::string::npos) {
            end = described.find(' ', end + 1);
        }
        end = std::min(end, described.size());
        names.push_back(described.substr(begin, end - begin));
        begin = end + 1;
    }
    return {{"bits", hexadecimal(bits)}, {"names", std::move(names)}};
}

Json features_json(const NetDevice& device, const FrontEndView& front_end) {
    const auto virtio = [](Features bits) {
        return feature_set(bits, bits == 0 ? "" : describe_features(bits));
    };
    const auto protocol = [](std::uint64_t bits) {
        return feature_set(bits, bits == 0 ? "" : vhost_user::describe_protocol_features(bits));
    };
    return {{"offered", virtio(device.offered_features())},
            {"negotiated", virtio(device.negotiated_features())},
            {"protocol_offered", protocol(front_end.offered_protocol_features)},
            {"protocol_negotiated", protocol(front_end.protocol_features)}};
}

/// The device status field (virtio 1.3, 2.1).
Json status_json(std::uint8_t status) {
    Json names = Json::array();
    constexpr std::pair<unsigned, const char*> bits[] = {
        {1, "ACKNOWLEDGE"},         {2, "DRIVER"},  {8, "FEATURES_OK"}, {4, "DRIVER_OK"},
        {64, "DEVICE_NEEDS_RESET"}, {128, "FAILED"}};
    for (const auto& [bit, name] : bits) {
        if ((status & bit) != 0) {
            names.push_back(name);
        }
    }
    return {{"value", status}, {"names", std::move(names)}};
}

Json memory_json(const GuestMemory& memory) {
    Json regions = Json::array();
    for (const auto& region : memory.regions()) {
        const RegionDescription& described = region->description();
        regions.push_back({{"guest_address", hexadecimal(described.guest_address.value)},
                           {"user_address", hexadecimal(described.user_address.value)},
                           {"size", described.size},
                           {"file_offset", described.file_offset},
                           {"lost", region->lost()}});
    }
    return regions;
}

const char* name_of(Virtqueue::State state) {
    switch (state) {
        case Virtqueue::State::stopped:
            return "stopped";
        case Virtqueue::State::running:
            return "running";
        case Virtqueue::State::broken:
            return "broken";
    }
    return "unknown";
}

Json counters_json(const QueueCounters& counters) {
    return {{"frames", counters.frames},
            {"bytes", counters.bytes},
            {"dropped_not_ready", counters.dropped_not_ready},
            {"dropped_link_down", counters.dropped_link_down},
            {"dropped_size", counters.dropped_size},
            {"dropped_offload", counters.dropped_offload},
            {"refused", counters.refused},
            {"kicks", counters.kicks},
            {"calls", counters.calls},
            {"calls_suppressed", counters.calls_suppressed},
            {"calls_withheld", counters.calls_withheld},
            {"calls_late", counters.calls_late}};
}

/// What every queue has.
Json ring_json(const NetQueue& queue, const char* role) {
    const Virtqueue& virtqueue = queue.virtqueue();
    Json json{{"queue", queue.index()},
              {"role", role},
              {"state", name_of(virtqueue.state())},
              {"enabled", virtqueue.enabled()}};
    if (const auto& fault = virtqueue.broken_by()) {
        json["broken_by"] = {{"kind", to_string(fault->kind)}, {"message", fault->message}};
    }
    if (const auto& size = virtqueue.size()) {
        json["size"] = *size;
    }
    if (const auto& addresses = virtqueue.addresses()) {
        json["addresses"] = {{"descriptors", hexadecimal(addresses->descriptors.value)},
                             {"available", hexadecimal(addresses->available.value)},
                             {"used", hexadecimal(addresses->used.value)}};
    }
    if (const Ring* const ring = virtqueue.ring()) {
        json["base"] = ring->base();
        json["next_used"] = ring->next_used();
    } else {
        json["base"] = virtqueue.base();
    }
    return json;
}

Json queue_json(const NetQueue& queue, const Debugger& debugger) {
    Json json = ring_json(queue, queue.index() % 2 == 0 ? "receive" : "transmit");
    const Debugger::QueueView hold = debugger.view(queue.index());
    json["paused"] = hold.paused;
    json["frames_held"] = hold.frames_held;
    json["waiting"] = hold.asked;
    json["counters"] = counters_json(queue.counters());
    json["histograms"] = {{"chain_descriptors", queue.chain_sizes().counts()},
                          {"batch_chains", queue.batch_sizes().counts()}};
    return json;
}

Json control_queue_json(const ControlQueue& queue) {
    Json json = ring_json(queue, "control");
    json["commands"] = queue.commands();
    json["refused"] = queue.refused();
    json["kicks"] = queue.counters().kicks;
    json["calls"] = queue.counters().calls;
    return json;
}

Json log_json(const DirtyLog& log) {
    return {{"bytes", log.size()}, {"pages_past_end", log.pages_past_end()}, {"lost", log.lost()}};
}

Json wire_json(const Wire& wire) {
    const auto direction = [](const WireCounters::Direction& counters) {
        return Json{
            {"frames", counters.frames}, {"bytes", counters.bytes}, {"dropped", counters.dropped}};
    };
    const WireCounters counters = wire.counters();
    return {{"wire", wire.describe()},
            {"from_guest", direction(counters.from_guest)},
            {"to_guest", direction(counters.to_guest)},
            {"waiting", counters.waiting}};
}

}  // namespace

Json breakpoints_json(const Debugger& debugger) {
    Json list = Json::array();
    for (const auto& one : debugger.breakpoints()) {
        list.push_back(
            {{"number", one.number}, {"when", one.breakpoint.conditions()}, {"hits", one.hits}});
    }
    return list;
}

Json faults_json(const FaultSet& faults) {
    Json list = Json::array();
    for (const auto& fault : faults.all()) {
        list.push_back({{"number", fault->number()},
                        {"fault", fault->spec().text},
                        {"opportunities", fault->opportunities()},
                        {"struck", fault->struck()},
                        {"without_effect", fault->without_effect()}});
    }
    return list;
}

Json stop_json(const Debugger::Stop& stop) {
    Json json{{"event", "stopped"}, {"queue", stop.queue}, {"moment", to_string(stop.moment)}};
    if (stop.breakpoint) {
        json["breakpoint"] = *stop.breakpoint;
    }
    if (stop.index) {
        json["index"] = *stop.index;
    }
    if (stop.head) {
        json["head"] = *stop.head;
    }
    if (stop.length > 0) {
        json["length"] = stop.length;
    }
    return json;
}

Json state_json(const NicView& nic) {
    NetDevice& device = nic.oversight.device();
    const Debugger& debugger = nic.oversight.debugger();
    const FrontEndView front_end = nic.front_end();
    const std::chrono::duration<double> up = std::chrono::steady_clock::now() - nic.started;
    Json json{{"version", SKBTRAIL_VERSION},
              {"uptime", up.count()},
              {"front_end", front_end.connected},
              {"features", features_json(device, front_end)},
              {"status", status_json(device.status())},
              {"link_up", device.link_up()},
              {"memory", memory_json(device.memory())},
              {"wire", wire_json(nic.wire)}};
    Json queues = Json::array();
    for (unsigned index = 0; index < nic.oversight.data_queues(); ++index) {
        queues.push_back(queue_json(std::as_const(device).queue(index), debugger));
    }
    json["queues"] = std::move(queues);
    if (const ControlQueue* const control = device.control()) {
        json["control_queue"] = control_queue_json(*control);
    }
    json["filtered"] = device.filtered();
    if (const DirtyLog* const log = device.log()) {
        json["dirty_log"] = log_json(*log);
    }
    json["frames_held"] = debugger.holds_frames();
    json["breakpoints"] = breakpoints_json(debugger);
    json["faults"] = faults_json(nic.oversight.faults());
    json["seed"] = nic.oversight.faults().seed();
    if (nic.events != nullptr) {
        json["ring_events"] = {{"events", nic.events->events()}, {"lost", nic.events->lost()}};
    }
    return json;
}

}  // namespace skbtrail::device
