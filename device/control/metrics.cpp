#include "device/control/metrics.h"

#include <array>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

namespace {

/// Writes families one after the other: their head once, then their samples.
class Exposition {
  public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP skbtrail_{} {}\n# TYPE skbtrail_{} {}\n",
                       name, help, name, type);
    }
    /// `labels` as they stand between the braces.
    template <typename Value>
    void sample(std::string_view labels, Value value, std::string_view suffix = "") {
        fmt::format_to(std::back_inserter(text_), "skbtrail_{}{}{}{}{} {}\n", name_, suffix,
                       labels.empty() ? "" : "{", labels, labels.empty() ? "" : "}", value);
    }
    std::string take() { return std::move(text_); }

  private:
    std::string name_;
    std::string text_;
};

/// A label's value with what has to be escaped.
std::string label_value(std::string_view value) {
    std::string result;
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            result += '\\';
        }
        result += c == '\n' ? ' ' : c;
    }
    return result;
}

struct CounterName {
    std::uint64_t QueueCounters::* counter;
    std::string_view name;
    std::string_view help;
};

constexpr std::array<CounterName, 12> counter_names{{
    {&QueueCounters::frames, "queue_frames_total", "Frames that went through the queue."},
    {&QueueCounters::bytes, "queue_bytes_total", "Bytes of these frames."},
    {&QueueCounters::dropped_not_ready, "queue_dropped_not_ready_total",
     "Frames dropped because the queue was stopped, broken or disabled."},
    {&QueueCounters::dropped_link_down, "queue_dropped_link_down_total",
     "Frames dropped because the link is down."},
    {&QueueCounters::dropped_size, "queue_dropped_size_total",
     "Frames dropped because of their size."},
    {&QueueCounters::dropped_offload, "queue_dropped_offload_total",
     "Frames dropped because they need an offload that was not negotiated."},
    {&QueueCounters::refused, "queue_refused_total",
     "Times that a frame found no receive buffer, or its queue held."},
    {&QueueCounters::kicks, "queue_kicks_total", "Kicks by the driver."},
    {&QueueCounters::calls, "queue_calls_total", "Calls (interrupts) to the driver."},
    {&QueueCounters::calls_suppressed, "queue_calls_suppressed_total",
     "Batches that ended without a call."},
    {&QueueCounters::calls_withheld, "queue_calls_withheld_total",
     "Calls that the driver wanted and a fault lost or put off."},
    {&QueueCounters::calls_late, "queue_calls_late_total",
     "Calls that came late, or once too often."},
}};

std::string queue_labels(const NetQueue& queue) {
    return fmt::format(R"(queue="{}",role="{}")", queue.index(),
                       queue.index() % 2 == 0 ? "receive" : "transmit");
}

void histogram(Exposition& out, const std::string& labels, const SizeHistogram& sizes) {
    std::uint64_t total = 0;
    for (std::size_t n = 0; n + 1 < SizeHistogram::buckets; ++n) {
        total += sizes.counts()[n];
        out.sample(fmt::format(R"({},le="{}")", labels, 1U << n), total, "_bucket");
    }
    total += sizes.counts().back();
    out.sample(fmt::format(R"({},le="+Inf")", labels), total, "_bucket");
    out.sample(labels, sizes.sum(), "_sum");
    out.sample(labels, total, "_count");
}

int running(const NetQueue& queue) {
    const auto state = queue.virtqueue().state();
    return state == Virtqueue::State::running ? 1 : state == Virtqueue::State::broken ? -1 : 0;
}

void queues_text(Exposition& out, const NicView& nic) {
    const NetDevice& device = nic.oversight.device();
    const auto each = [&](const auto& action) {
        for (unsigned index = 0; index < nic.oversight.data_queues(); ++index) {
            action(device.queue(index));
        }
    };
    for (const CounterName& one : counter_names) {
        out.family(one.name, "counter", one.help);
        each([&](const NetQueue& queue) {
            out.sample(queue_labels(queue), queue.counters().*one.counter);
        });
    }
    out.family("queue_running", "gauge", "Whether the ring runs (1), is stopped (0), broken (-1).");
    each([&](const NetQueue& queue) { out.sample(queue_labels(queue), running(queue)); });
    if (const ControlQueue* const control = device.control()) {
        out.sample(fmt::format(R"(queue="{}",role="control")", control->index()),
                   running(*control));
        out.family("control_commands_total", "counter", "Commands of the driver, answered.");
        out.sample("", control->commands());
        out.family("control_commands_refused_total", "counter", "Those answered with an error.");
        out.sample("", control->refused());
    }
    out.family("frames_filtered_total", "counter", "Frames that the driver's filter did not want.");
    out.sample("", device.filtered());
    out.family("queue_chain_descriptors", "histogram", "Descriptors in the chains taken.");
    each([&](const NetQueue& queue) { histogram(out, queue_labels(queue), queue.chain_sizes()); });
    out.family("queue_batch_chains", "histogram", "Chains shown to the driver at a time.");
    each([&](const NetQueue& queue) { histogram(out, queue_labels(queue), queue.batch_sizes()); });
}

void wire_text(Exposition& out, const Wire& wire) {
    const WireCounters counters = wire.counters();
    const std::array<std::pair<std::string_view, const WireCounters::Direction*>, 2> directions{
        {{R"(direction="from_guest")", &counters.from_guest},
         {R"(direction="to_guest")", &counters.to_guest}}};
    const auto family = [&](std::string_view name, std::string_view help, auto member) {
        out.family(name, "counter", help);
        for (const auto& [labels, direction] : directions) {
            out.sample(labels, direction->*member);
        }
    };
    family("wire_frames_total", "Frames over the wire.", &WireCounters::Direction::frames);
    family("wire_bytes_total", "Bytes of these frames.", &WireCounters::Direction::bytes);
    family("wire_dropped_total", "Frames that went no further.", &WireCounters::Direction::dropped);
    out.family("wire_waiting", "gauge", "Frames that wait for receive buffers.");
    out.sample("", counters.waiting);
}

void faults_text(Exposition& out, const FaultSet& faults) {
    const auto each = [&](std::string_view name, std::string_view help, auto value) {
        out.family(name, "counter", help);
        for (const auto& fault : faults.all()) {
            out.sample(fmt::format(R"(fault="{}",number="{}")", label_value(fault->spec().text),
                                   fault->number()),
                       value(*fault));
        }
    };
    each("fault_opportunities_total", "Times that the fault could have struck.",
         [](const Fault& fault) { return fault.opportunities(); });
    each("fault_struck_total", "Times that it did.",
         [](const Fault& fault) { return fault.struck(); });
    each("fault_without_effect_total", "Times that it struck, and nothing came of it.",
         [](const Fault& fault) { return fault.without_effect(); });
}

}  // namespace

std::string metrics_text(const NicView& nic) {
    Exposition out;
    out.family("front_end_connected", "gauge", "Whether a front end is connected.");
    out.sample("", nic.front_end().connected ? 1 : 0);
    out.family("link_up", "gauge", "Whether the driver is told that the link is up.");
    out.sample("", nic.oversight.device().link_up() ? 1 : 0);
    queues_text(out, nic);
    wire_text(out, nic.wire);
    if (!nic.oversight.faults().all().empty()) {
        faults_text(out, nic.oversight.faults());
    }
    if (nic.events != nullptr) {
        out.family("ring_events_total", "counter", "Ring events.");
        out.sample("", nic.events->events());
        out.family("ring_events_lost_total", "counter", "Ring events that were not written.");
        out.sample("", nic.events->lost());
    }
    return out.take();
}

}  // namespace skbtrail::device
