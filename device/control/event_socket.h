// Ring events for whoever connects: --events unix:PATH.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "device/net/event_sink.h"
#include "device/unique_fd.h"
#include "device/vhost_user/listener.h"

namespace skbtrail::device {

/// A listening socket (mode 0600). Each reader gets the events from its connection on. One that
/// does not keep up loses whole lines, and finds a "lost" line in their place; nobody waits for it.
class EventSocket final : public EventSink {
  public:
    static constexpr std::size_t most_readers = 8;
    static constexpr std::size_t default_waiting = std::size_t{4} << 20;

    /// `most_waiting`: bytes that may wait for one reader. Throws std::runtime_error when nobody
    /// can listen there.
    explicit EventSocket(const std::string& path, std::size_t most_waiting = default_waiting);

    std::uint64_t write(std::string_view lines, std::uint64_t events, std::uint64_t sequence,
                        int end) override;
    bool wanted() const override { return !readers_.empty(); }
    void wait_for(std::vector<pollfd>& fds) const override;
    void ready(std::span<const pollfd> fds) override;
    void finish() override;
    const std::string& name() const override { return listener_.path(); }

  private:
    struct Reader {
        UniqueFd socket;
        std::string waiting;
        std::uint64_t missed = 0;  ///< events since it had no room
    };

    void accept();
    /// False when the reader is gone.
    static bool send(Reader& reader);

    vhost_user::Listener listener_;
    std::size_t most_waiting_;
    /// The thread sleeps in poll(): what ends a rest after accepting has failed is a descriptor
    /// too.
    UniqueFd rest_;
    bool resting_ = false;
    std::vector<Reader> readers_;
};

/// What --events says: a path, or unix:PATH. Throws std::exception with a sentence.
std::unique_ptr<EventSink> make_event_sink(const std::string& where);

}  // namespace skbtrail::device
