#include <algorithm>
#include <cstddef>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "labs/show/descriptors.h"
#include "labs/show/fold.h"
#include "labs/show/paint.h"
#include "labs/show/show.h"
#include "labs/show/sightings.h"
#include "tracer/chain/names.h"
#include "tracer/chain/recording_json.h"

namespace skbtrail::labs {
namespace {

/// Widest duration: "123.45 ms".
constexpr std::size_t duration_columns = 9;
/// The column where geometry begins is as far to the right as names need, within these.
constexpr std::size_t leftmost_geometry = 36;
constexpr std::size_t geometry_columns = 60;

/// One line: what stands left (a duration, the tree, a name) and right (an sk_buff).
struct Line {
    std::string duration;
    std::string branch;  ///< glyphs
    std::string name;
    Ink ink = Ink::plain;
    std::string remark;  ///< behind the name, dim
    std::string geometry;
    std::string moved;
    std::string alert;
};

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
        add_call(root, "", "");
        print_header();
        print_lines();
        if (const std::size_t noise = folding_.noise(); noise > 0) {
            out_ << ink(fmt::format("{:>{}}  folded: {} call{} of noise (locks, memory, timers …); "
                                    "--full shows {}",
                                    "", duration_columns, noise, noise == 1 ? "" : "s",
                                    noise == 1 ? "it" : "them"),
                        Ink::dim)
                 << '\n';
        }
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
        if (options_.geometry && !packets_.empty()) {
            out_ << ink("data, tail and end are bytes from head", Ink::dim) << '\n';
        }
    }

    void print_lines() {
        std::size_t widest = leftmost_geometry;
        for (const Line& line : lines_) {
            if (line.geometry.empty()) continue;
            widest = std::max(widest,
                              columns(line.branch) + columns(line.name) + columns(line.remark) + 1);
        }
        const std::size_t room = std::max<std::size_t>(options_.width, geometry_columns) -
                                 std::min<std::size_t>(options_.width, geometry_columns);
        const std::size_t at = std::max(leftmost_geometry, std::min(widest, room));
        for (const Line& line : lines_) print_line(line, at);
    }

    void print_line(const Line& line, std::size_t geometry_at) {
        std::string text = fmt::format(
            "{:>{}}", "", duration_columns - std::min(duration_columns, columns(line.duration)));
        text = ink(text + line.duration, Ink::dim) + "  " + ink(line.branch, Ink::dim) +
               ink(line.name, line.ink) + ink(line.remark, Ink::dim);
        if (!line.geometry.empty()) {
            const std::size_t taken =
                columns(line.branch) + columns(line.name) + columns(line.remark);
            text.append(taken < geometry_at ? geometry_at - taken : 1, ' ');
            text += line.geometry;
            if (!line.moved.empty()) text += "  " + ink(line.moved, Ink::changed);
        }
        if (!line.alert.empty()) text += "  " + ink(line.alert, Ink::warning);
        out_ << text << '\n';
    }

    /// `branch` is drawn before the call, `below` before what comes under it.
    void add_call(const ShownCall& shown, const std::string& branch, const std::string& below) {
        const chain::Call& call = *shown.call;
        Line line;
        line.duration = shown.returned ? duration_text(shown.duration) : "?";
        line.branch = branch;
        line.name = call.function;
        line.ink = shown.has_packet ? Ink::strong : Ink::plain;
        if (!call.module.empty()) line.remark += fmt::format(" [{}]", call.module);
        if (call.cpu && *call.cpu != chain_.cpu) line.remark += fmt::format(" cpu{}", *call.cpu);
        if (shown.times > 1) line.remark += fmt::format(" ×{}", shown.times);
        if (shown.folded > 0) line.remark += fmt::format(" (+{})", shown.folded);
        if (!call.incomplete.empty()) {
            line.alert = fmt::format("calls below may be missing: {}", call.incomplete);
        }
        // Lines that belong to the call, between it and what it called.
        const std::string continued = below + (shown.calls.empty() ? "   " : "│  ");
        bool first = true;
        std::vector<Line> more;
        for (const chain::SkbGeometry& skb : call.skbs) {
            if (!folding_.shows(skb)) continue;
            if (skb.packet) packets_.insert(*skb.packet);
            Line& target = first ? line : more.emplace_back();
            if (!first) target.branch = continued;
            add_geometry(skb, target);
            first = false;
        }
        lines_.push_back(std::move(line));
        for (Line& another : more) lines_.push_back(std::move(another));
        add_descriptors(call, continued);
        for (std::size_t i = 0; i < shown.calls.size(); ++i) {
            const bool last = i + 1 == shown.calls.size();
            add_call(shown.calls[i], below + (last ? "└─ " : "├─ "),
                     below + (last ? "   " : "│  "));
        }
    }

    void add_geometry(const chain::SkbGeometry& skb, Line& line) const {
        const chain::SkbGeometry* before = sightings_.before(skb);
        if (skb.packet && before == nullptr) line.moved = "first seen";
        if (before != nullptr) line.moved = movement(*before, skb);
        if (!options_.geometry) {
            line.geometry = packet_name(skb);
            line.moved.clear();
            return;
        }
        const auto field = [&](std::string_view name, std::int64_t value, bool changed) {
            const std::string number = fmt::format("{:>4}", value);
            return fmt::format(" {} {}", ink(name, Ink::dim),
                               changed ? ink(number, Ink::changed) : number);
        };
        const bool same_head = before != nullptr && before->head == skb.head;
        line.geometry = packet_name(skb) +
                        field("data", skb.data, same_head && before->data != skb.data) +
                        field("tail", skb.tail, same_head && before->tail != skb.tail) +
                        field("end", skb.end, same_head && before->end != skb.end) +
                        field("len", skb.len, same_head && before->len != skb.len);
        if (skb.data_len > 0) line.geometry += fmt::format(" ({} in pages)", skb.data_len);
    }

    std::string packet_name(const chain::SkbGeometry& skb) const {
        if (!skb.packet) return ink("#?", Ink::packet);
        return ink(fmt::format("#{}", *skb.packet), Ink::packet);
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
                line.name = (transmits ? "⇒ " : "⇐ ") + text;
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
};

}  // namespace

void show_chain(std::ostream& out, const chain::Recording& recording, const chain::Chain& chain,
                const ShowOptions& options) {
    TreePrinter(out, recording, chain, options).print();
}

}  // namespace skbtrail::labs
