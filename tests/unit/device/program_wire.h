// A NIC that runs as a program, seen from its guest as a wire is: frames go through its rings.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include <poll.h>

#include "device/wire/wire.h"
#include "tests/unit/device/back_end.h"

namespace skbtrail::device::test {

class ProgramWire final : public Wire {
  public:
    /// Plugs a guest into the NIC that listens at `path`. `loop` stays empty: nothing of the NIC
    /// is in this process.
    ProgramWire(EventLoop& loop, const std::string& path) : front_end_(loop, path) {
        guest_.plug_in(front_end_);
        // What is answered comes after what is not: from here on the queues take frames.
        front_end_.send(Request::get_features);
        pollfd answer{front_end_.fd(), POLLIN, 0};
        if (::poll(&answer, 1, longest_wait_ms) != 1 || !front_end_.receive()) {
            throw std::runtime_error("the NIC does not answer its front end");
        }
        for (std::uint32_t i = 0; i < guest_.receive.size(); ++i) {
            const auto offered = guest_.receive.chain().writable(buffer_bytes).offer();
            buffers_[offered.head] = offered.pieces.front();
        }
        guest_.receive_fds.kick.signal();
    }

    void attach(Deliver deliver) override { deliver_ = std::move(deliver); }
    void transmit(const Frame& frame) override {
        while (guest_.transmit.take_used()) {
        }
        guest_.transmit.chain().readable(NetHeaderBytes{}).readable(frame.bytes).offer();
        guest_.transmit_fds.kick.signal();
        ++sent_.frames;
    }
    /// Takes what has come, and gives the buffers back.
    void poll() {
        while (const auto used = guest_.receive.take_used()) {
            const FakeDriver::Piece buffer = buffers_.at(used->head);
            const std::span bytes(guest_.ram.at(buffer.address), used->length);
            deliver_(Frame{bytes.subspan(max_net_header_bytes), {}});
            buffers_[guest_.receive.chain().piece(buffer).offer().head] = buffer;
            guest_.receive_fds.kick.signal();
        }
    }
    WireCounters counters() const override { return {sent_, {}, 0}; }
    std::string describe() const override { return "a program"; }

  private:
    static constexpr std::uint32_t buffer_bytes = 2048;
    static constexpr int longest_wait_ms = 10'000;

    Guest guest_;
    FakeFrontEnd front_end_;
    std::map<std::uint32_t, FakeDriver::Piece> buffers_;  ///< by head
    Deliver deliver_;
    WireCounters::Direction sent_;
};

}  // namespace skbtrail::device::test
