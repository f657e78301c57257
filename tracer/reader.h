// The thread that takes pages and events from the kernel while the command runs, so that the
// kernel's buffers do not fill up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tracer/files.h"
#include "tracer/ftrace/trace_buffer.h"
#include "tracer/identity.h"

namespace skbtrail::tracer {

/// Where pages and events go, on the reader's thread.
class RawSink {
  public:
    RawSink() = default;
    RawSink(const RawSink&) = default;
    RawSink& operator=(const RawSink&) = default;
    RawSink(RawSink&&) = default;
    RawSink& operator=(RawSink&&) = default;
    virtual ~RawSink() = default;

    /// One page of a CPU's trace buffer.
    virtual void add_page(unsigned cpu, std::span<const std::byte> page) = 0;
    /// One event of the BPF ring buffer.
    virtual void add_event(std::span<const std::byte> bytes) = 0;
    /// A CPU's trace buffer was found empty: all that was in it at `since` (CLOCK_MONOTONIC,
    /// nanoseconds) has been handed over.
    virtual void pages_empty(unsigned /*cpu*/, std::uint64_t /*since*/) {}
    /// The same of the BPF ring buffer.
    virtual void events_empty(std::uint64_t /*since*/) {}
};

/// Now, on the clock of records and events, in nanoseconds.
std::uint64_t now_ns();

class Reader {
  public:
    /// Starts the thread. All arguments must outlive the reader. `raw_directory`: where pages and
    /// events are also kept as they came, for tests of what reads them; empty: nowhere.
    Reader(const TraceBuffer& buffer, Identity& identity, std::size_t page_bytes, RawSink& sink,
           const std::string& raw_directory);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    /// Ends the thread after a last look at all buffers: call it when nothing flows any more.
    /// Rethrows what the thread failed of.
    void finish();

  private:
    void run();
    void take_all();
    bool take_events();
    bool take_pages(const TraceBuffer::Pipe& pipe);

    const TraceBuffer& buffer_;
    Identity& identity_;
    RawSink& sink_;
    std::vector<std::byte> page_;
    std::string raw_directory_;
    Fd stop_;
    Fd raw_events_;
    std::map<unsigned, Fd> raw_pages_;
    std::exception_ptr error_;
    std::thread thread_;
};

}  // namespace skbtrail::tracer
