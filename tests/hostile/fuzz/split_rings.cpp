// Fuzzes the device through split rings: a driver and a wire that do anything in any order.

#include "tests/hostile/fuzz/ring_player.h"

using namespace skbtrail::hostile;

namespace {

class SplitSide {
  public:
    static Features features(Features wanted) { return wanted & ~feature_ring_packed; }

    SplitSide(NetBench& bench, unsigned queue)
        : driver_(queue == 0 ? bench.receive : bench.transmit) {}

    auto chain() { return driver_.chain(); }
    bool take_used() { return driver_.take_used().has_value(); }
    std::uint64_t place(Place kind) const {
        const RingAddresses at = driver_.addresses();
        return guest_address(kind == Place::table       ? at.descriptors
                             : kind == Place::available ? at.available
                                                        : at.used);
    }
    void set_descriptor(std::uint16_t index, const RingDescriptor& descriptor) {
        driver_.set_descriptor(index, descriptor);
    }
    void offer_raw(std::uint16_t head) { driver_.offer_head(head); }
    void set_index(std::uint16_t index) { driver_.set_available_index(index); }
    void suppress(std::uint16_t event, std::uint16_t flags) {
        driver_.set_used_event(event);
        driver_.set_available_flags(flags);
    }
    std::uint64_t returned() const { return driver_.used_index(); }
    void start(NetBench& bench, unsigned queue, std::uint32_t base) {
        bench.start(queue, driver_, static_cast<std::uint16_t>(base));
    }

  private:
    FakeDriver& driver_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    FuzzInput input(data, size);
    RingPlayer<SplitSide>(input).play();
    return 0;
}
