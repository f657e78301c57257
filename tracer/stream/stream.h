// A recording that is handed on while it is made.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tracer/chain/recording.h"
#include "tracer/options.h"
#include "tracer/stream/assembler.h"
#include "tracer/stream/inbox.h"
#include "tracer/stream/line_output.h"

namespace skbtrail::tracer {

/// Works on what the reader hands over, on a thread of its own, and writes what is complete. Takes
/// an eighth of its memory for what waits to be worked on, and a quarter for what is under way;
/// what does not fit is counted as lost.
class Stream {
  public:
    /// Prepares the first line. `memory`: bytes, in all. `setting` without a limit.
    Stream(LineOutput& output, Format format, StreamSetting setting, std::size_t memory,
           const chain::Observed& observed);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Starts. `time`: Window::begin.
    void begin(std::uint64_t time);
    /// For the reader.
    RawSink& sink() { return inbox_; }

    /// True when it is no use to go on: nobody reads, or the disk is full.
    [[nodiscard]] bool over() const { return over_; }

    /// The reader has handed everything over: the rest is written. `end`: Window::end. Rethrows
    /// what the thread failed of.
    void finish(std::uint64_t end);
    StreamAssembler& assembler() { return assembler_; }
    /// Writes the last line, with all losses. Throws Failure when nobody read to the end.
    void conclude(const chain::Observed& observed, const std::vector<chain::Loss>& losses);

    [[nodiscard]] std::size_t chains() const { return lines_.chains; }
    [[nodiscard]] std::size_t packets() const { return lines_.packets; }

  private:
    /// Chains and packets as lines.
    class Lines : public StreamSink {
      public:
        Lines(LineOutput& output, Format format) : output_(output), format_(format) {}
        void chain(const chain::Chain& chain) override;
        void packet(const chain::Packet& packet) override;
        void add(const std::string& line);
        void flush();

        std::size_t chains = 0;
        std::size_t packets = 0;

      private:
        LineOutput& output_;
        Format format_;
        std::string waiting_;
    };

    void run();
    void stop();

    LineOutput& output_;
    Format format_;
    Inbox inbox_;
    Lines lines_;
    std::string first_line_;
    StreamAssembler assembler_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::atomic<bool> over_ = false;
    std::exception_ptr error_;
    std::thread thread_;
};

}  // namespace skbtrail::tracer
