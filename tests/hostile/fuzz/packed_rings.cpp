// Fuzzes the device through packed rings: a driver and a wire that do anything in any order.

#include <memory>

#include "tests/hostile/fuzz/ring_player.h"
#include "tests/unit/device/fake_packed_driver.h"

using namespace skbtrail::hostile;

namespace {

class PackedSide {
  public:
    static Features features(Features wanted) {
        return wanted | feature_ring_packed | feature_version_1;
    }

    PackedSide(NetBench& bench, unsigned queue)
        : driver_(std::make_unique<FakePackedDriver>(bench.ram, NetBench::ring_size)) {
        must(bench.device->stop_ring(queue));  // the bench's own, which are split
        start(bench, queue, first_base);
    }

    auto chain() { return driver_->chain(); }
    bool take_used() { return driver_->take_used().has_value(); }
    std::uint64_t place(Place kind) const {
        const RingAddresses at = driver_->addresses();
        return guest_address(kind == Place::table       ? at.descriptors
                             : kind == Place::available ? at.available
                                                        : at.used);
    }
    /// `next` is the buffer's id. Offered at once, unless the input wants the flags as they are.
    void set_descriptor(std::uint16_t index, const RingDescriptor& descriptor) {
        constexpr std::uint16_t as_they_are = 1 << 13;
        constexpr std::uint16_t format = descriptor_next | descriptor_write | descriptor_indirect;
        const auto flags =
            (descriptor.flags & as_they_are) != 0
                ? descriptor.flags
                : FakePackedDriver::available_flags(
                      driver_->next().wrap, static_cast<std::uint16_t>(descriptor.flags & format));
        driver_->set_descriptor(index,
                                {descriptor.address, descriptor.length, descriptor.next, flags});
    }
    /// Makes a descriptor available, with other flags from the high byte.
    void offer_raw(std::uint16_t what) {
        driver_->set_flags(what % NetBench::ring_size,
                           FakePackedDriver::available_flags(
                               driver_->next().wrap, static_cast<std::uint16_t>(what >> 8 & 7)));
    }
    /// Any flags at the place where the device looks next, as far as the driver knows.
    void set_index(std::uint16_t flags) { driver_->set_flags(driver_->next().index, flags); }
    void suppress(std::uint16_t event, std::uint16_t flags) {
        driver_->set_driver_event(flags, event);
    }
    /// The device returns a chain by writing its flags.
    std::uint64_t returned() const {
        std::uint64_t digest = 0;
        for (std::uint16_t i = 0; i < NetBench::ring_size; ++i) {
            digest = digest * 31 + driver_->descriptor(i).flags;
        }
        return digest;
    }
    void start(NetBench& bench, unsigned queue, std::uint32_t base) {
        auto& device = *bench.device;
        must(device.set_ring_size(queue, driver_->size()));
        must(device.set_ring_addresses(queue, driver_->addresses()));
        must(device.set_ring_base(queue, base));
        must(device.set_ring_call(queue, bench.fds(queue).call.share()));
        must(device.set_ring_error(queue, bench.fds(queue).error.share()));
        must(device.set_ring_kick(queue, bench.fds(queue).kick.share()));
        must(device.set_ring_enabled(queue, true));
    }

  private:
    static constexpr std::uint32_t first_base = 0x80008000;

    std::unique_ptr<FakePackedDriver> driver_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    FuzzInput input(data, size);
    RingPlayer<PackedSide>(input).play();
    return 0;
}
