// Runs libslirp inside the NIC's event loop.
//
// libslirp is written for a loop around poll(): "fill" names the descriptors it waits for and how
// long at most, "poll" says which are ready and does the work. Here epoll keeps the descriptors,
// so both happen only in turns in which something concerned libslirp (a frame of the guest, a
// ready descriptor, a deadline), just before the loop waits again. An idle network costs nothing:
// libslirp asks for a wake-up each second even when it has nothing to time, and after a few of
// those in a row it gets no more until something happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include <slirp/libslirp.h>

#include "device/event_loop.h"
#include "device/log_limit.h"

namespace skbtrail::device {

class SlirpLoop {
  public:
    /// Takes a frame that libslirp sends to the guest.
    using Output = std::function<void(std::span<const std::byte>)>;

    /// Throws std::runtime_error when libslirp refuses the configuration.
    SlirpLoop(const SlirpConfig& config, EventLoop& loop, Output output);
    ~SlirpLoop();
    SlirpLoop(const SlirpLoop&) = delete;
    SlirpLoop& operator=(const SlirpLoop&) = delete;

    /// A frame that the guest sent.
    void input(std::span<const std::byte> frame);
    Slirp* slirp() { return slirp_.get(); }
    /// Descriptors that libslirp waits for now.
    std::size_t watched() const { return watches_.size(); }

  private:
    struct Watch {
        EventLoop::FdWatch registration;
        std::uint32_t wanted = 0;      ///< EPOLL*
        std::uint32_t ready = 0;       ///< EPOLL*, since libslirp was last told
        std::uint64_t generation = 0;  ///< the fill that asked for it last
    };

    static SlirpCb callbacks();
    static SlirpLoop& self(void* opaque) { return *static_cast<SlirpLoop*>(opaque); }

    void before_wait();
    void poll();
    void fill();
    int watch(int fd, int slirp_events);
    int ready_events(int index) const;

    EventLoop& loop_;
    Output output_;
    LogLimit warnings_{"nat"};
    SlirpCb callbacks_;  ///< libslirp keeps a pointer to it
    std::unordered_map<int, Watch> watches_;
    std::vector<int> polled_fds_;  ///< by the index that libslirp got from the last fill
    std::uint64_t generation_ = 0;
    /// Something happened that libslirp has to be asked about before the loop sleeps.
    bool touched_ = true;
    /// libslirp's clock was brought up to date in this turn.
    bool clock_fresh_ = false;
    int idle_ticks_ = 0;
    EventLoop::Timer deadline_;
    EventLoop::Hook before_wait_;
    struct Cleanup {
        void operator()(Slirp* slirp) const { slirp_cleanup(slirp); }
    };
    /// Last, so that it goes first: its end still calls back.
    std::unique_ptr<Slirp, Cleanup> slirp_;
};

}  // namespace skbtrail::device
