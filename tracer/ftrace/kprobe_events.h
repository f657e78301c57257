// Identity by kprobe events, for kernels where BPF cannot attach to many functions: each probe
// writes a record with the sk_buff's bytes into the trace buffer, next to the graph's own record
// of the same call.
//
// All probes belong to two events, one of which carries packet data too: an event with many probes
// costs the kernel one entry in tracefs, and the constant in its argument "point" tells the probes
// apart. A probe stands behind the patched call: one on the patched call itself would be armed
// through ftrace, which takes tens of milliseconds each; the arguments are still in their registers
// there. It follows that a call's kprobe event stands directly behind its graph entry.
//
// A breakpoint's handler runs with interrupts off, so none is hidden by an interrupt. A probe that
// was optimised into a jump lacks that, so optimisation is switched off meanwhile.
//
// Setting a probe makes the kernel look through all its jump labels: milliseconds under emulation.
// Probes of the core come first; the others follow if that is quick here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tracer/files.h"
#include "tracer/ftrace/saved_state.h"
#include "tracer/identity.h"
#include "tracer/kprobe_decoder.h"

namespace skbtrail::tracer {

/// The definitions of one function's probes, as kprobe_events takes them, without the place
/// ("p:GROUP/EVENT 0x…"). Several for a list or two sk_buffs.
struct KprobeText {
    std::string arguments;
    bool with_bytes = false;
    std::uint8_t argument = 0;
    std::uint8_t member = 0;
};
/// `first_point`: the number of the first one; each takes the next. `page_offset_address`: of the
/// kernel's variable, 0 when not known.
std::vector<KprobeText> kprobe_texts(std::uint32_t cookie, const SkbLayout& layout,
                                     std::uint64_t page_offset_address, std::size_t first_point);

/// Removes the kprobe events of collectors that were killed. Before a TraceBuffer is made: they
/// look like somebody else's tracing.
void remove_abandoned_kprobe_events(const std::string& tracefs);

class KprobeEvents final : public Identity {
  public:
    /// `tracefs`: where it is mounted; `directory`: the buffer's, which the records go to.
    /// Throws Failure when the kernel has no kprobe events, or the layout is not known.
    KprobeEvents(std::string tracefs, std::string directory, const SkbLayout& layout,
                 std::uint64_t page_offset_address, SavedState& saved);
    ~KprobeEvents() override;

    [[nodiscard]] std::string_view method() const override { return "kprobe events"; }
    std::vector<Refused> attach(const std::vector<Probe>& probes) override;
    void switch_on() override;
    void switch_off() override;
    [[nodiscard]] const KprobeDecoder* decoder() const override { return decoder_.get(); }
    [[nodiscard]] std::vector<chain::Loss> losses(const std::vector<unsigned>& cpus) const override;
    /// `kprobe.format` and `kprobe_bytes.format`, as tracefs has them, and `kprobe_points`: the
    /// KprobePoint of each probe, one a line: function (hexadecimal), cookie, argument, member.
    void save_raw(const std::string& directory) const override;
    void keep() override { keep_ = true; }

  private:
    bool define(const Fd& file, const Probe& probe, std::string& why);
    std::uint64_t missed() const;
    std::string format_of(const std::string& event) const;

    std::string tracefs_;
    std::string directory_;
    SkbLayout layout_;
    std::uint64_t page_offset_address_;
    SavedState& saved_;
    std::string group_;
    std::string plain_;
    std::string with_bytes_;
    bool keep_ = false;
    std::vector<KprobePoint> points_;
    std::unique_ptr<KprobeDecoder> decoder_;
    std::uint64_t missed_before_ = 0;
};

}  // namespace skbtrail::tracer
