// Fuzzes the control virtqueue: commands as a guest writes them, of any length and in any pieces,
// and after each of them a frame from the wire, which the filter that they set has to judge.
//
// Input: driver_command_script.h.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "device/net/net_device.h"
#include "tests/hostile/fuzz/driver_command_script.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/invariant.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;
using namespace skbtrail::hostile;

namespace {

constexpr unsigned pairs = 3;
constexpr std::uint32_t ring_size = 16;
constexpr int most_steps = 64;
constexpr int most_cuts = 12;  // with the rest and the answer, what the ring holds

/// A device of three pairs whose driver has a control queue and receives on each pair.
class Station {
  public:
    explicit Station(Features wanted)
        : offered_(possible_features({.serves_config = true, .queue_pairs = pairs})),
          device_(loop_, wire_, NetDeviceOptions{.features = offered_, .queue_pairs = pairs},
                  nullptr, {}),
          control_number_((wanted & feature_mq) != 0 ? 2 * pairs : 2) {
        const Features always = feature_version_1 | feature_ctrl_vq | feature_indirect_desc;
        const Features optional = wanted & offered_ & ~(feature_ring_packed | feature_log_all);
        // What a driver may not accept without the rest is refused, and nothing follows.
        running_ = device_.set_features(always | optional).has_value();
        device_.set_memory(ram_.mapped());
        if (!running_) {
            return;
        }
        const unsigned used = (wanted & feature_mq) != 0 ? pairs : 1;
        for (unsigned pair = 0; pair < used; ++pair) {
            receive_.push_back(std::make_unique<FakeDriver>(ram_, ring_size));
            start(2 * pair, *receive_.back());
        }
        start(control_number_, control_);
    }

    bool running() const { return running_; }
    bool broken() const { return state() == Virtqueue::State::broken; }

    /// One command. `cuts` are the lengths of its pieces but the last.
    void command(std::span<const std::byte> bytes, std::span<const std::byte> cuts,
                 std::uint8_t shape) {
        const bool answerable = (shape & command_without_answer) == 0;
        if (bytes.empty() && !answerable) {
            return;  // no chain at all
        }
        auto chain = control_.chain();
        for (const std::byte cut : cuts) {
            const auto length = std::min<std::size_t>(std::to_integer<unsigned>(cut), bytes.size());
            if (length > 0) {
                chain.readable(bytes.first(length));
                bytes = bytes.subspan(length);
            }
        }
        if (!bytes.empty()) {
            chain.readable(bytes);
        }
        if (answerable) {
            chain.writable(1);
        }
        if ((shape & command_indirect) != 0) {
            chain.indirect();
        }
        FakeDriver::Offered offered;
        try {
            offered = chain.offer();
        } catch (const std::exception&) {
            return;  // no descriptors: nothing to say, or too many pieces
        }
        const GuestAddress answer = offered.pieces.back().address;
        if (answerable) {
            *ram_.at(answer) = std::byte{0x55};
        }
        events_.kick.signal();
        settle();
        const auto used = control_.take_used();
        if (!answerable) {
            require(broken() && !used, "a command without room for an answer was returned");
            require(events_.error.take() == 1, "the queue broke in silence");
            return;
        }
        require(!broken(), "a command that has room for its answer broke the queue");
        require(used && used->length == 1, "a command has no answer");
        require(*ram_.at(answer) == std::byte{0} || *ram_.at(answer) == std::byte{1},
                "an answer that is neither yes nor no");
    }

    /// A frame from the wire arrives once, or is counted as not wanted.
    void frame(std::span<const std::byte> head) {
        for (const auto& driver : receive_) {
            try {
                driver->chain().writable(200).offer();
            } catch (const std::exception&) {
                // It has buffers enough.
            }
        }
        std::vector<std::byte> bytes(60);
        std::ranges::copy(head.first(std::min(head.size(), bytes.size())), bytes.begin());
        const std::uint64_t before = device_.filtered();
        require(wire_.deliver(bytes), "a frame was refused, and there are buffers");
        settle();
        std::uint64_t arrived = device_.filtered() - before;
        for (const auto& driver : receive_) {
            while (driver->take_used()) {
                ++arrived;
            }
        }
        require(arrived == 1, "a frame from the wire was lost, or came twice");
    }

  private:
    void start(unsigned queue, const FakeDriver& driver) {
        must(device_.set_ring_size(queue, driver.size()));
        must(device_.set_ring_addresses(queue, driver.addresses()));
        must(device_.set_ring_error(queue, events_.error.share()));
        must(device_.set_ring_enabled(queue, true));
        must(device_.set_ring_kick(queue, events_.kick.share()));
    }
    void settle() {
        while (loop_.turn(std::chrono::milliseconds(0))) {
        }
    }
    Virtqueue::State state() const {
        return std::as_const(device_).queue(2 * pairs).virtqueue().state();
    }

    Features offered_;
    EventLoop loop_;
    BenchWire wire_;
    NetDevice device_;
    unsigned control_number_;
    GuestRam ram_;
    FakeDriver control_{ram_, ring_size};
    std::vector<std::unique_ptr<FakeDriver>> receive_;
    QueueEvents events_;
    bool running_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    FuzzInput input(data, size);
    Station station(input.take<std::uint64_t>());
    for (int steps = 0; station.running() && !station.broken() && steps < most_steps; ++steps) {
        if (input.empty()) {
            break;
        }
        const auto shape = input.take<std::uint8_t>();
        const auto cuts = input.take_bytes(std::min(shape & command_cuts_mask, most_cuts));
        const auto command = input.take_bytes(input.take<std::uint16_t>());
        const auto head = input.take_bytes(frame_head_bytes);
        station.command(command, cuts, shape);
        station.frame(head);
    }
    return 0;
}
