// Where the lines of ring events go. Everything here belongs to the thread that writes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>

#include "device/unique_fd.h"

namespace skbtrail::device {

class EventSink {
  public:
    virtual ~EventSink() = default;

    /// Takes whole lines of `events` events, of which `sequence` is the last. Returns how many of
    /// them somebody who wanted them will not get. May wait for a reader, until `end` becomes
    /// readable.
    virtual std::uint64_t write(std::string_view lines, std::uint64_t events,
                                std::uint64_t sequence, int end) = 0;
    /// Whether anybody wants events now. Changes only in ready().
    virtual bool wanted() const = 0;
    /// What to wait for while there are no events.
    virtual void wait_for(std::vector<pollfd>& fds) const = 0;
    /// What came of it: the same elements, with revents.
    virtual void ready(std::span<const pollfd> fds) = 0;
    /// No more events come: what waits for readers is sent to those who read.
    virtual void finish() {}
    /// For messages: a path.
    virtual const std::string& name() const = 0;
};

/// A file, a pipe or a terminal. One that takes no more (a full disk) is logged once.
class FileEventSink final : public EventSink {
  public:
    /// Creates or empties `path`. Throws std::system_error.
    explicit FileEventSink(const std::string& path);

    std::uint64_t write(std::string_view lines, std::uint64_t events, std::uint64_t sequence,
                        int end) override;
    bool wanted() const override { return true; }
    void wait_for(std::vector<pollfd>& /*fds*/) const override {}
    void ready(std::span<const pollfd> /*fds*/) override {}
    const std::string& name() const override { return path_; }

  private:
    std::string path_;
    UniqueFd fd_;
    bool failed_ = false;
};

}  // namespace skbtrail::device
