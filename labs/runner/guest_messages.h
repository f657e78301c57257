// What a guest says on its stream, message by message.
#pragma once

#include <functional>
#include <string>

#include "guest/stream.h"
#include "labs/runner/stream_listener.h"

namespace skbtrail::labs {

/// Reads the stream of one guest.
class GuestMessages {
  public:
    explicit GuestMessages(StreamListener& stream) : stream_(stream) {}

    /// Takes what has arrived and hands on each message that is complete; to be called when the
    /// stream is readable. False when the guest has closed it, after its last message was handed
    /// on. Throws CannotRun when what the guest says cannot be understood, and whatever `take`
    /// does.
    bool read(const std::function<void(const guest::Message&)>& take);

    /// Where a stream that has closed broke off; empty when the guest had said its last word.
    std::string broken_off() const;

  private:
    StreamListener& stream_;
    guest::StreamDecoder decoder_;
};

}  // namespace skbtrail::labs
