// What was read from the kernel while the command ran: records and events as they came, per CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "tracer/bpf/event.h"
#include "tracer/ftrace/format.h"
#include "tracer/kprobe_decoder.h"
#include "tracer/losses.h"
#include "tracer/reader.h"

namespace skbtrail::tracer {

/// Bytes that came with an event: the start of a packet, or a thread's name.
using EventBytes = std::array<std::uint8_t, SKBTRAIL_SNAP>;

/// Pages or events of one CPU as they came, in large pieces: the reader of a busy kernel has no
/// time for more, and what grew by moving would need twice the room.
class PieceStore {
  public:
    void add(std::span<const std::byte> bytes);

    /// Hands over what was added, in order, and forgets it piece by piece.
    void take(const std::function<void(std::span<const std::byte>)>& sink);

    /// How many were added since the last take().
    [[nodiscard]] std::size_t count() const { return count_; }

  private:
    struct Piece {
        std::vector<std::byte> bytes;
        std::vector<std::uint32_t> sizes;  ///< of what is in `bytes`
    };
    std::deque<Piece> pieces_;
    std::size_t count_ = 0;
};

struct CpuCapture {
    PieceStore pages;                     ///< not decoded yet
    PieceStore raw_events;                ///< the same of the BPF program's, in its order
    std::vector<GraphRecord> records;     ///< in order of time
    std::vector<skbtrail_event> events;   ///< in the order of the BPF program
    std::uint64_t lost_before_pages = 0;  ///< as the pages themselves count it
    std::uint64_t pages_after_loss = 0;   ///< pages marked as following a loss
    std::uint64_t damaged_pages = 0;
    std::uint64_t foreign_records = 0;     ///< of other events, or of a form not understood
    std::uint64_t calls_seen = 0;          ///< with kprobe events: the sequence of the next one
    std::uint64_t lists_truncated = 0;     ///< lists of sk_buffs longer than is recorded of one
    std::uint64_t filtered = 0;            ///< calls not told of, their packet not being wanted
    RefusedEvents refused;                 ///< there was no room for them in the ring buffer
    RefusedEvents events_over_limit;       ///< not kept: the memory limit was reached
    std::uint64_t records_over_limit = 0;  ///< the same of entries and returns
    /// Of the call whose event came last: its sequence.
    std::optional<std::uint64_t> last_kept, last_over_limit;
};

/// Collects pages and events up to a limit of memory.
class Capture : public RawSink {
  public:
    /// `limit` in bytes: one half for pages, one for events, which take about as much, so that
    /// both end at about the same time.
    explicit Capture(std::size_t limit) : half_(limit / 2) {}

    /// Takes one page of a CPU's buffer, to be decoded later.
    void add_page(unsigned cpu, std::span<const std::byte> page) override;

    /// Decodes the pages and events taken so far; `kprobes`: where events are in the pages.
    void decode(const GraphDecoder& decoder, const KprobeDecoder* kprobes = nullptr);

    /// Takes one event of the BPF ring buffer, to be decoded later; counts it when it is not one
    /// (too short).
    void add_event(std::span<const std::byte> bytes) override;

    /// The part of decode() that needs no decoder: the events of the BPF ring buffer.
    void decode_events();

    /// Adds what was counted on a CPU instead of being told.
    void add_counts(unsigned cpu, const CpuCounts& counts);
    /// Adds what another one has decoded and counted. Its undecoded pages are lost.
    void absorb(Capture&& other);
    /// Forgets the bytes of events up to the one whose bytes_index is `first`.
    void forget_bytes(std::uint32_t first);
    /// bytes_index of the next event that has bytes.
    [[nodiscard]] std::uint32_t next_bytes() const {
        return first_bytes_ + static_cast<std::uint32_t>(bytes_.size());
    }

    [[nodiscard]] const std::map<unsigned, CpuCapture>& cpus() const { return cpus_; }
    std::map<unsigned, CpuCapture>& cpus() { return cpus_; }

    /// The bytes of an event; empty when it has none.
    [[nodiscard]] std::span<const std::uint8_t> bytes_of(const skbtrail_event& event) const;

    /// Bytes of pages and events taken, about. Decoded records take as much as their pages did.
    [[nodiscard]] std::size_t size() const { return page_bytes_ + event_bytes_; }
    /// Start of the kernel's direct map, as kprobe events told it.
    [[nodiscard]] std::optional<std::uint64_t> page_offset() const { return page_offset_; }
    [[nodiscard]] std::uint64_t malformed_events() const { return malformed_events_; }

  private:
    class PageDecoder;
    void add_call(std::vector<KprobeSighting> sightings, std::uint64_t time, unsigned cpu);

    std::size_t half_;
    std::size_t page_bytes_ = 0;
    std::size_t event_bytes_ = 0;
    std::map<unsigned, CpuCapture> cpus_;
    std::deque<EventBytes> bytes_;
    std::uint32_t first_bytes_ = 0;  ///< bytes_index of the first of bytes_
    std::optional<std::uint64_t> page_offset_;
    std::uint64_t malformed_events_ = 0;
};

}  // namespace skbtrail::tracer
