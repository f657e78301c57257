// The thread that takes pages and events from the kernel while the command runs, so that the
// kernel's buffers do not fill up.
#pragma once

#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include "tracer/capture.h"
#include "tracer/files.h"
#include "tracer/ftrace/trace_buffer.h"
#include "tracer/identity.h"

namespace skbtrail::tracer {

class Reader {
  public:
    /// Starts the thread. All arguments must outlive the reader. `raw_directory`: where pages and
    /// events are also kept as they came, for tests of what reads them; empty: nowhere.
    Reader(const TraceBuffer& buffer, Identity& identity, std::size_t page_bytes, Capture& capture,
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
    Capture& capture_;
    std::vector<std::byte> page_;
    std::string raw_directory_;
    Fd stop_;
    Fd raw_events_;
    std::map<unsigned, Fd> raw_pages_;
    std::exception_ptr error_;
    std::thread thread_;
};

}  // namespace skbtrail::tracer
