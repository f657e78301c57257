#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/check/poll_values.h"
#include "labs/check/source/places.h"
#include "labs/show/descriptors.h"
#include "labs/show/details.h"
#include "labs/show/fold.h"
#include "labs/show/paint.h"
#include "labs/show/show.h"
#include "labs/show/sightings.h"
#include "tracer/chain/names.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

// Widths of the columns left of the tree: "123.45 ms", "#12345", an offset, "reserved 18".
constexpr std::size_t duration_columns = 9;
constexpr std::size_t packet_columns = 6;
constexpr std::size_t offset_columns = 5;
constexpr std::size_t moved_columns = 12;

/// What is in the offsets' columns.
struct Offset {
    std::int64_t value = 0;
    bool changed = false;  ///< since the packet was seen last
};

/// One line: the columns, and the tree to the right of them.
struct Line {
    std::string duration;
    std::string packet;
    std::optional<std::array<Offset, 5>> offsets;  ///< data, tail, end, len, data_len
    std::string moved;
    std::string branch;  ///< glyphs
    std::string text;
    Ink ink = Ink::plain;
    std::string remark;  ///< behind the text, dim
};

/// "napi 8193", "budget 64", "work 12": what a poll's calls were about.
std::string poll_text(const chain::Call& call) {
    return call.napi ? fmt::format("napi {}", *call.napi) : poll_values_text(call);
}

class TreePrinter {
  public:
    TreePrinter(std::ostream& out, const chain::Recording& recording, const chain::Chain& chain,
                const ShowOptions& options)
        : out_(out),
          recording_(recording),
          chain_(chain),
          options_(options),
          folding_(options),
          sightings_(recording) {}

    void print() {
        const ShownCall root = folding_.fold(chain_.root);
        add_call(root, "", "", "");
        print_header();
        print_columns();
        for (const Line& line : lines_) print_line(line);
        print_folded();
    }

  private:
    std::string ink(std::string_view text, Ink ink) const {
        return paint(text, ink, options_.colour);
    }

    void print_header() {
        out_ << ink(fmt::format("chain {}", chain_.id), Ink::strong) << "  "
             << ink(chain_.root.function, Ink::strong) << "  "
             << fmt::format("{} on cpu{} while {}[{}]", chain::context_name(chain_.context),
                            chain_.cpu, chain_.comm.empty() ? "?" : chain_.comm, chain_.pid);
        if (chain_.nested_in) {
            out_ << fmt::format(", inside {} of chain {}", chain_.nested_in->function,
                                chain_.nested_in->chain);
        }
        out_ << '\n';
        for (const chain::Packet& packet : recording_.packets) {
            if (!packets_.contains(packet.id)) continue;
            out_ << ink(fmt::format("packet #{}", packet.id), Ink::packet) << "  "
                 << (packet.summary.empty() ? "(headers not seen)" : packet.summary)
                 << ink(fmt::format("  head {:#x}", packet.head), Ink::dim) << '\n';
        }
    }

    void print_folded() {
        std::vector<std::string> parts;
        const auto add = [&](std::size_t count, const char* what) {
            if (count > 0) {
                parts.push_back(fmt::format("{} call{} {}", count, count == 1 ? "" : "s", what));
            }
        };
        add(folding_.noise(), "of noise (locks, memory, timers …)");
        add(folding_.folded(), "below calls that handle no packet (+N)");
        if (parts.empty()) return;
        out_ << ink(fmt::format("folded: {}; --full shows all", fmt::join(parts, ", ")), Ink::dim)
             << '\n';
    }

    bool has_offsets() const { return options_.geometry && !packets_.empty(); }

    void print_columns() {
        std::string heading = right("duration", duration_columns);
        if (!packets_.empty()) heading += "  " + padded("packet", packet_columns);
        if (has_offsets()) {
            for (const char* name : {"data", "tail", "end", "len"}) {
                heading += right(name, offset_columns);
            }
            if (paged_) heading += right("paged", offset_columns + 1);
            heading += "  " + padded("moved", moved_columns);
            heading += "  (bytes from head)";
        }
        out_ << ink(heading, Ink::dim) << '\n';
    }

    void print_line(const Line& line) {
        std::string text = ink(right(line.duration, duration_columns), Ink::dim) + "  ";
        if (!packets_.empty()) text += ink(padded(line.packet, packet_columns), Ink::packet) + "  ";
        if (has_offsets()) text += offsets_text(line) + "  ";
        text += ink(line.branch, Ink::dim) + ink(line.text, line.ink) + ink(line.remark, Ink::dim);
        out_ << text << '\n';
    }

    std::string offsets_text(const Line& line) const {
        const std::size_t shown = paged_ ? 5 : 4;
        std::string text;
        for (std::size_t i = 0; i < shown; ++i) {
            const std::size_t width = offset_columns + (i == 4 ? 1 : 0) - (i == 0 ? 2 : 0);
            if (!line.offsets) {
                text += right("", width);
                continue;
            }
            const Offset& offset = (*line.offsets)[i];
            text += ink(right(std::to_string(offset.value), width),
                        offset.changed ? Ink::changed : Ink::plain);
        }
        return text + "  " + ink(padded(line.moved, moved_columns), Ink::changed);
    }

    static std::string right(std::string_view text, std::size_t width) {
        const std::size_t taken = columns(text);
        return std::string(taken < width ? width - taken : 0, ' ') + std::string(text);
    }

    /// `branch` is drawn before the call, `below` before what comes under it. `caller_file` is the
    /// source file of who called it, if places are shown.
    void add_call(const ShownCall& shown, const std::string& branch, const std::string& below,
                  const std::string& caller_file) {
        const chain::Call& call = *shown.call;
        const source::Place place =
            options_.places == nullptr
                ? source::Place{}
                : options_.places->of(call.function, call.module, caller_file);
        Line line;
        line.duration = shown.returned ? duration_text(shown.duration) : "?";
        line.branch = branch;
        line.text = call.function;
        line.ink = shown.has_packet ? Ink::strong : Ink::plain;
        if (!call.module.empty()) line.remark += fmt::format(" [{}]", call.module);
        if (call.tail_call) line.remark += " (tail call)";
        if (!call.inlined.empty()) {
            line.remark += fmt::format("  through inlined {}", fmt::join(call.inlined, ", "));
        }
        if (!place.file.empty()) line.remark += fmt::format("  {}:{}", place.file, place.line);
        if (const std::string poll = poll_text(call); !poll.empty()) line.remark += "  " + poll;
        if (call.cpu && *call.cpu != chain_.cpu) line.remark += fmt::format(" cpu{}", *call.cpu);
        if (shown.times > 1) line.remark += fmt::format(" ×{}", shown.times);
        if (shown.interrupted > 0) {
            line.remark += fmt::format(" (interrupted for {})", duration_text(shown.interrupted));
        }
        if (shown.folded > 0) line.remark += fmt::format(" (+{})", shown.folded);
        // Lines that belong to the call, between it and what it called.
        const std::string continued = below + (shown.calls.empty() ? "  " : "│ ");
        std::vector<Line> more;
        for (const chain::SkbGeometry& skb : call.skbs) {
            if (!folding_.shows(skb)) continue;
            if (skb.packet) packets_.insert(*skb.packet);
            paged_ = paged_ || skb.data_len > 0;
            if (!line.offsets) {
                add_geometry(skb, line);
            } else {
                Line& another = more.emplace_back();
                another.branch = continued;
                another.remark = fmt::format("(its argument {})", skb.argument + 1);
                add_geometry(skb, another);
            }
            if (options_.skb_details) add_details(skb, continued, more);
        }
        lines_.push_back(std::move(line));
        for (Line& another : more) lines_.push_back(std::move(another));
        if (!call.incomplete.empty()) {
            Line alert;
            alert.branch = continued;
            alert.text = "! calls below may be missing: " + call.incomplete;
            alert.ink = Ink::warning;
            lines_.push_back(std::move(alert));
        }
        add_descriptors(call, continued);
        for (std::size_t i = 0; i < shown.calls.size(); ++i) {
            const bool last = i + 1 == shown.calls.size();
            add_call(shown.calls[i], below + (last ? "└ " : "├ "), below + (last ? "  " : "│ "),
                     place.file);
        }
    }

    void add_geometry(const chain::SkbGeometry& skb, Line& line) const {
        line.packet = skb.packet ? fmt::format("#{}", *skb.packet) : "#?";
        const chain::SkbGeometry* before = sightings_.before(skb);
        const chain::SkbGeometry& old = before == nullptr ? skb : *before;
        line.offsets = {{{skb.data, skb.data != old.data},
                         {skb.tail, skb.tail != old.tail},
                         {skb.end, skb.end != old.end},
                         {skb.len, skb.len != old.len},
                         {skb.data_len, skb.data_len != old.data_len}}};
        if (before != nullptr) {
            line.moved = movement(*before, skb);
        } else if (skb.packet) {
            line.moved = "first seen";
        }
    }

    void add_details(const chain::SkbGeometry& skb, const std::string& branch,
                     std::vector<Line>& lines) const {
        const chain::SkbGeometry* before = sightings_.before(skb);
        const auto details = skb_details(skb, before, recording_.observed);
        if (details.empty()) return;
        constexpr std::size_t narrowest = 60;
        const std::size_t taken = columns_left_of_tree() + columns(branch);
        const std::size_t room =
            std::max(narrowest, options_.width - std::min<std::size_t>(options_.width, taken));
        for (std::string& text : listed(details, room)) {
            Line& line = lines.emplace_back();
            line.branch = branch;
            line.text = std::move(text);
            line.ink = before == nullptr ? Ink::plain : Ink::changed;
        }
    }

    /// Of a chain with packets.
    std::size_t columns_left_of_tree() const {
        const std::size_t offsets =
            options_.geometry ? 4 * offset_columns + moved_columns + 2 : std::size_t{0};
        return duration_columns + 2 + packet_columns + 2 + offsets;
    }

    /// The descriptors of the NIC: on the way out at the driver's ndo_start_xmit, on the way in
    /// where the packet is seen first.
    void add_descriptors(const chain::Call& call, const std::string& branch) {
        const bool transmits = chain::base_name(call.function) == "start_xmit";
        for (const chain::SkbGeometry& skb : call.skbs) {
            if (!skb.packet || !folding_.shows(skb)) continue;
            const bool first = sightings_.before(skb) == nullptr;
            if (!transmits && !first) continue;
            const auto direction = transmits ? RingDirection::transmit : RingDirection::receive;
            for (const auto& text : descriptor_lines(recording_, *skb.packet, direction)) {
                Line line;
                line.branch = branch;
                line.text = (transmits ? "⇒ " : "⇐ ") + text;
                line.ink = Ink::packet;
                lines_.push_back(std::move(line));
            }
        }
    }

    std::ostream& out_;
    const chain::Recording& recording_;
    const chain::Chain& chain_;
    const ShowOptions& options_;
    Folding folding_;
    Sightings sightings_;
    std::vector<Line> lines_;
    std::set<chain::PacketId> packets_;
    bool paged_ = false;  ///< some bytes are in pages
};

}  // namespace

void show_chain(std::ostream& out, const chain::Recording& recording, const chain::Chain& chain,
                const ShowOptions& options) {
    TreePrinter(out, recording, chain, options).print();
}

}  // namespace skbtrail::labs
