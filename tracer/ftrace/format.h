// The layout of function_graph's records: it differs between kernels and is read from tracefs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skbtrail::tracer {

/// Where one member of a record lies.
struct Field {
    std::size_t offset = 0;
    std::size_t size = 0;  ///< bytes
};

/// The unsigned number that `field` is in a record, of at most 8 bytes. The caller has checked that
/// the record is long enough.
std::uint64_t load(std::span<const std::byte> data, const Field& field);

/// The text of events/…/format.
struct EventFormat {
    std::uint16_t id = 0;
    std::string text;  ///< kept to look fields up

    /// The field called `name`; nothing when the event has none.
    [[nodiscard]] std::optional<Field> field(std::string_view name) const;

    /// The array called `name`, as a whole; nothing when the event has none.
    [[nodiscard]] std::optional<Field> array(std::string_view name) const;

  private:
    [[nodiscard]] std::optional<Field> find(std::string_view name, bool is_array) const;
};

/// Parses a format file. Throws Failure when it has no id.
EventFormat parse_format(std::string_view text);

/// One entry into a function, or one return from it.
struct GraphRecord {
    std::uint64_t time = 0;
    std::uint64_t site = 0;  ///< the function's patched call
    std::uint32_t pid = 0;   ///< thread
    std::int32_t depth = 0;
    std::uint32_t overrun = 0;  ///< of a return: entries of this thread that were too deep
    std::uint16_t cpu = 0;
    std::uint8_t flags = 0;  ///< interrupt state: flag_hardirq, flag_softirq
    bool entry = false;
    bool after_loss = false;  ///< events of this CPU were lost just before this one
};

inline constexpr std::uint8_t flag_hardirq = 0x08;
inline constexpr std::uint8_t flag_softirq = 0x10;
inline constexpr std::uint8_t flag_nmi = 0x40;

/// Decodes records of the events funcgraph_entry and funcgraph_exit.
class GraphDecoder {
  public:
    /// Takes both events' formats. Throws Failure when a field that is needed is not there.
    GraphDecoder(const EventFormat& entry, const EventFormat& exit);

    /// Decodes one record; nothing when it is another event's, or too short.
    [[nodiscard]] std::optional<GraphRecord> decode(std::span<const std::byte> data) const;

  private:
    struct Layout {
        std::uint16_t id = 0;
        std::size_t size = 0;  ///< least size of a record
        Field flags, pid, func, depth;
        std::optional<Field> overrun;
    };
    static Layout layout_of(const EventFormat& format);

    Layout entry_;
    Layout exit_;
};

}  // namespace skbtrail::tracer
