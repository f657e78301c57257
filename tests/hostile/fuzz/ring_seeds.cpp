#include <array>
#include <cstdint>

#include "device/net/header.h"
#include "device/virtqueue/layout.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/ring_script.h"
#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

using namespace skbtrail::device;

constexpr std::uint8_t receive = 0;
constexpr std::uint8_t transmit = 1;

/// A driver's and a wire's deeds, written down.
class Deeds {
  public:
    explicit Deeds(std::uint64_t features = ~std::uint64_t{0}, std::uint8_t wire = 1) {
        writer_.put(features).put(wire);
    }

    Deeds& send(std::uint8_t shape, std::uint16_t length, const NetHeaderBytes& header = {}) {
        writer_.put(RingStep::send).put(shape).put(header).put(length);
        return *this;
    }
    Deeds& give(std::uint8_t shape, std::uint16_t length) {
        writer_.put(RingStep::give).put(shape).put(length);
        return *this;
    }
    Deeds& descriptor(std::uint8_t queue, std::uint8_t index, std::uint32_t length,
                      std::uint16_t flags, std::uint16_t next, Place place,
                      std::uint64_t where = 0) {
        writer_.put(RingStep::descriptor)
            .put(queue)
            .put(index)
            .put(length)
            .put(flags)
            .put(next)
            .put(place);
        if (place == Place::relative || place == Place::absolute) {
            writer_.put(where);
        }
        return *this;
    }
    Deeds& deliver(std::uint16_t length, std::uint8_t flags = 0, std::uint16_t start = 0,
                   std::uint16_t offset = 0, std::uint8_t gso = 0, std::uint16_t size = 0) {
        writer_.put(RingStep::deliver)
            .put(length)
            .put(flags)
            .put(start)
            .put(offset)
            .put(gso)
            .put(size);
        return *this;
    }
    /// A step of a queue and one number.
    template <typename Number>
    Deeds& at(RingStep what, std::uint8_t queue, Number number) {
        writer_.put(what).put(queue).put(number);
        return *this;
    }
    Deeds& kick(std::uint8_t queue) {
        writer_.put(RingStep::kick).put(queue);
        return *this;
    }
    Deeds& collect(std::uint8_t queue) {
        writer_.put(RingStep::collect).put(queue);
        return *this;
    }
    Deeds& alone(RingStep what, std::uint8_t operand) {
        writer_.put(what).put(operand);
        return *this;
    }
    const std::vector<std::byte>& bytes() const { return writer_.bytes(); }

  private:
    InputWriter writer_;
};

NetHeaderBytes header(std::uint8_t flags, std::uint8_t gso, std::uint16_t size, std::uint16_t start,
                      std::uint16_t offset) {
    const auto low = [](std::uint16_t value) { return static_cast<std::byte>(value & 0xff); };
    const auto high = [](std::uint16_t value) { return static_cast<std::byte>(value >> 8); };
    return {std::byte{flags}, std::byte{gso}, std::byte{54}, std::byte{0},
            low(size),        high(size),     low(start),    high(start),
            low(offset),      high(offset),   std::byte{0},  std::byte{0}};
}

}  // namespace

Seeds ring_seeds() {
    Seeds seeds;
    seeds["both-ways"] = Deeds()
                             .give(0, 1526)
                             .give(0, 1526)
                             .kick(receive)
                             .send(1, 60)
                             .deliver(60)
                             .deliver(1514)
                             .send(1, 1514)
                             .collect(receive)
                             .collect(transmit)
                             .bytes();
    seeds["merged-buffers"] = Deeds().give(3, 100).give(3, 100).give(0, 200).deliver(300).bytes();
    seeds["indirect"] = Deeds()
                            .give(piece_indirect | 3, 2000)
                            .send(piece_indirect | 7, 1000)
                            .deliver(1000)
                            .collect(transmit)
                            .bytes();
    seeds["no-features"] = Deeds(0).give(0, 1600).send(2, 100).deliver(100).bytes();
    seeds["no-buffers"] =
        Deeds().deliver(60).give(0, 200).kick(receive).deliver(60).collect(receive).bytes();
    seeds["checksum"] =
        Deeds().send(1, 100, header(1, 0, 0, 34, 16)).give(0, 300).deliver(100, 1, 34, 16).bytes();
    seeds["segmentation"] = Deeds()
                                .send(1, 2900, header(1, gso_tcp4, 1448, 34, 16))
                                .send(1, 2900, header(1, gso_tcp6, 1428, 54, 16))
                                .give(1, 4000)
                                .deliver(2900, 1, 34, 16, gso_tcp4, 1448)
                                .bytes();
    seeds["restart"] = Deeds()
                           .send(1, 60)
                           .at(RingStep::restart, transmit, std::uint32_t{1})
                           .send(1, 61)
                           .at(RingStep::enable, transmit, std::uint8_t{0})
                           .send(1, 62)
                           .at(RingStep::enable, transmit, std::uint8_t{1})
                           .alone(RingStep::status, 0)
                           .bytes();
    seeds["suppressed"] = Deeds()
                              .at(RingStep::suppress, transmit, std::uint32_t{0x00010005})
                              .send(1, 60)
                              .send(1, 60)
                              .at(RingStep::events, transmit, std::uint8_t{1})
                              .send(1, 60)
                              .at(RingStep::events, transmit, std::uint8_t{0})
                              .send(1, 60)
                              .bytes();
    seeds["chain-by-hand"] = Deeds()
                                 .descriptor(transmit, 0, 12, descriptor_next, 1, Place::fresh)
                                 .descriptor(transmit, 1, 60, descriptor_next, 2, Place::fresh)
                                 .descriptor(transmit, 2, 60, 0, 0, Place::relative, 0x1000)
                                 .at(RingStep::head, transmit, std::uint16_t{0})
                                 .kick(transmit)
                                 .bytes();
    seeds["loop"] = Deeds()
                        .descriptor(transmit, 0, 60, descriptor_next, 1, Place::fresh)
                        .descriptor(transmit, 1, 60, descriptor_next, 0, Place::fresh)
                        .at(RingStep::head, transmit, std::uint16_t{0})
                        .kick(transmit)
                        .at(RingStep::restart, transmit, std::uint32_t{0x80008000})
                        .bytes();
    seeds["a-table-that-is-the-ring"] =
        Deeds()
            .descriptor(transmit, 0, 64, descriptor_indirect, 0, Place::table)
            .descriptor(transmit, 1, 64, descriptor_indirect, 0, Place::used)
            .at(RingStep::head, transmit, std::uint16_t{0})
            .kick(transmit)
            .bytes();
    seeds["buffers-that-are-the-ring"] =
        Deeds()
            .descriptor(receive, 0, 256, descriptor_write, 0, Place::table)
            .descriptor(receive, 1, 38, descriptor_write, 0, Place::available)
            .descriptor(receive, 2, 134, descriptor_write, 0, Place::used)
            .at(RingStep::head, receive, std::uint16_t{0})
            .at(RingStep::head, receive, std::uint16_t{1})
            .at(RingStep::head, receive, std::uint16_t{2})
            .kick(receive)
            .deliver(100)
            .deliver(60)
            .deliver(14)
            .bytes();
    seeds["indexes"] = Deeds()
                           .at(RingStep::index, transmit, std::uint16_t{9999})
                           .kick(transmit)
                           .at(RingStep::head, receive, std::uint16_t{0xffff})
                           .kick(receive)
                           .deliver(60)
                           .bytes();
    seeds["cut"] =
        Deeds().give(0, 9000).give(0, 9000).alone(RingStep::truncate, 0).deliver(60).bytes();
    return seeds;
}

}  // namespace skbtrail::hostile
