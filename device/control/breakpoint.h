// Where a queue is to stop: conditions on what passes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "device/result.h"

namespace skbtrail::device {

/// What happens at a queue, as breakpoints see it. The words are those of ring events.
enum class QueueMoment : std::uint8_t { available, used, kick, call, call_suppressed };

/// "available" … "call_suppressed".
const char* to_string(QueueMoment moment);

/// A chain that is about to have an effect (available) or that had it (used).
struct ChainSight {
    std::uint16_t index = 0;  ///< where it was offered: Chain::available_index()
    std::uint16_t head = 0;
    std::span<const std::byte> frame;  ///< without the virtio-net header; empty: none
};

/// Conditions that must all hold. Written as words:
///
///     queue=1            event=call           head=3, index=17
///     length>=1000       ethertype=0x0806     ip.protocol=icmp    … every word of header_words()
///
/// Without `event` it is about chains before they have an effect: available.
class Breakpoint {
  public:
    /// Fails with a sentence for a word that is not known, a value that cannot be, conditions that
    /// never hold together (a frame of a kick), and no conditions at all.
    static Result<Breakpoint> parse(std::span<const std::string> conditions);

    QueueMoment moment() const noexcept { return moment_; }
    std::optional<unsigned> queue() const noexcept { return queue_; }
    /// Whether it stops here. `sight` is nullptr for moments without a chain.
    bool matches(unsigned queue, QueueMoment moment, const ChainSight* sight) const;
    /// The conditions, as they were written.
    const std::vector<std::string>& conditions() const noexcept { return conditions_; }

  private:
    struct Number {
        std::string_view relation;  ///< one of = < > <= >=
        std::uint64_t value = 0;
        bool holds(std::uint64_t actual) const;
    };
    struct HeaderWord {
        std::string word;
        std::string value;  ///< canonical
    };

    Result<> add(const std::string& condition);
    Result<> add_number(std::string_view word, std::string_view relation, std::string_view value,
                        std::uint64_t most, std::optional<Number>& to);

    std::vector<std::string> conditions_;
    QueueMoment moment_ = QueueMoment::available;
    std::optional<unsigned> queue_;
    std::optional<Number> head_;
    std::optional<Number> index_;
    std::optional<Number> length_;
    std::vector<HeaderWord> headers_;
};

}  // namespace skbtrail::device
