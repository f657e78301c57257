#include "tracer/stream/stream.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "tracer/chain/recording_lines.h"
#include "tracer/failure.h"
#include "tracer/stream/text.h"

namespace skbtrail::tracer {

namespace {

/// Between two looks: what a person who watches takes for at once.
constexpr auto period = std::chrono::milliseconds(100);
constexpr std::size_t flush_above = 64UL * 1024;

StreamSetting with_limit(StreamSetting setting, std::size_t limit) {
    setting.limit = limit;
    return setting;
}

}  // namespace

// While an eighth of the memory fills with what comes, what came before is worked on: decoded it
// takes about three times as much, and what is under way stays.
Stream::Stream(LineOutput& output, Format format, StreamSetting setting, std::size_t memory,
               const chain::Observed& observed)
    : output_(output),
      format_(format),
      inbox_(memory / 8),
      lines_(output, format),
      assembler_(with_limit(std::move(setting), memory / 4), lines_) {
    // Written on the thread: nobody may be reading.
    if (format_ == Format::json_lines) first_line_ = chain::first_line(observed);
}

void Stream::begin(std::uint64_t time) {
    assembler_.begin(time);
    thread_ = std::thread([this] {
        try {
            run();
        } catch (...) {
            error_ = std::current_exception();
            over_ = true;
        }
    });
}

Stream::~Stream() {
    stop();
}

void Stream::run() {
    lines_.add(std::exchange(first_line_, {}));
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        assembler_.add(inbox_.take());
        lines_.flush();
        if (output_.closed()) over_ = true;
        lock.lock();
        wake_.wait_for(lock, period, [this] { return stopping_; });
    }
}

void Stream::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    output_.hurry();
    wake_.notify_all();
    thread_.join();
}

void Stream::finish(std::uint64_t end) {
    stop();
    if (error_) std::rethrow_exception(error_);
    assembler_.add(inbox_.take());
    assembler_.finish(end);
    lines_.flush();
}

void Stream::conclude(const chain::Observed& observed, const std::vector<chain::Loss>& losses) {
    if (format_ == Format::json_lines) {
        lines_.add(chain::last_line(observed, losses));
    } else {
        lines_.add(text_of(losses));
    }
    lines_.flush();
    if (output_.unread() == 0) return;
    throw Failure(
        fmt::format("Nobody read the output to its end: {} bytes of it were not written, and {} "
                    "records were lost while it was waited for and otherwise. The rest is whole.",
                    output_.unread(), chain::total(losses)));
}

void Stream::Lines::chain(const chain::Chain& chain) {
    ++chains;
    add(format_ == Format::text ? text_of(chain) : chain::line_of(chain));
}

void Stream::Lines::packet(const chain::Packet& packet) {
    ++packets;
    add(format_ == Format::text ? text_of(packet) : chain::line_of(packet));
}

void Stream::Lines::add(const std::string& line) {
    waiting_ += line;
    if (waiting_.size() > flush_above) flush();
}

void Stream::Lines::flush() {
    output_.write(waiting_);
    waiting_.clear();
}

}  // namespace skbtrail::tracer
