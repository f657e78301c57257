#include "device/wire/factory.h"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "device/wire/generate.h"
#include "device/wire/hub.h"
#include "device/wire/nat.h"
#include "device/wire/pcap_replay.h"
#include "device/wire/reflect.h"
#include "device/wire/script.h"
#include "device/wire/sink.h"
#include "device/wire/spec.h"
#include "device/wire/suggest.h"
#include "device/wire/tap.h"

namespace skbtrail::device {

namespace {

struct WireKind {
    std::string_view name;
    std::string_view meaning;
    std::span<const WireOption> (*options)();
    std::unique_ptr<Wire> (*make)(const WireOptions&, EventLoop&);
};

std::unique_ptr<Wire> make_script(const WireOptions& options, EventLoop& loop) {
    return std::make_unique<ScriptWire>(
        options, loop, [&loop](const std::string& spec) { return make_wire(spec, loop); });
}

/// All kinds, in the order of --help. A new one is a line here and a file beside.
constexpr std::array wire_kinds{
    WireKind{"nat", "a user-mode network with DHCP and DNS; needs no rights", &NatWire::options,
             [](const WireOptions& options, EventLoop& loop) -> std::unique_ptr<Wire> {
                 return std::make_unique<NatWire>(options, loop);
             }},
    WireKind{"tap", "a tap interface of the host, with its offloads; needs CAP_NET_ADMIN",
             &TapWire::options,
             [](const WireOptions& options, EventLoop& loop) -> std::unique_ptr<Wire> {
                 return std::make_unique<TapWire>(options, loop);
             }},
    WireKind{"reflect", "every frame back to the guest, MAC addresses swapped",
             [] { return std::span<const WireOption>{}; },
             [](const WireOptions&, EventLoop&) -> std::unique_ptr<Wire> {
                 return std::make_unique<ReflectWire>();
             }},
    WireKind{"sink", "swallows and counts what the guest sends",
             [] { return std::span<const WireOption>{}; },
             [](const WireOptions&, EventLoop&) -> std::unique_ptr<Wire> {
                 return std::make_unique<SinkWire>();
             }},
    WireKind{"generate", "UDP frames for the guest, as fast as it takes them or at a rate",
             &GenerateWire::options,
             [](const WireOptions& options, EventLoop& loop) -> std::unique_ptr<Wire> {
                 return std::make_unique<GenerateWire>(options, loop);
             }},
    WireKind{"pcap", "a capture file, with its times or as fast as the guest takes it",
             &PcapWire::options,
             [](const WireOptions& options, EventLoop& loop) -> std::unique_ptr<Wire> {
                 return std::make_unique<PcapWire>(options, loop);
             }},
    WireKind{"hub", "a switch with the NICs of other guests on this machine", &HubWire::options,
             [](const WireOptions& options, EventLoop& loop) -> std::unique_ptr<Wire> {
                 return std::make_unique<HubWire>(options, loop);
             }},
    WireKind{"script", "frames described in a JSON file, sent when a trigger comes",
             &ScriptWire::options, &make_script},
};

}  // namespace

std::unique_ptr<Wire> make_wire(const std::string& text, EventLoop& loop) {
    const WireSpec spec = parse_wire_spec(text);
    const auto kind = std::ranges::find(wire_kinds, spec.kind, &WireKind::name);
    if (kind == wire_kinds.end()) {
        std::array<std::string_view, wire_kinds.size()> names;
        std::ranges::transform(wire_kinds, names.begin(), &WireKind::name);
        throw std::invalid_argument(fmt::format("there is no wire of the kind \"{}\"{}", spec.kind,
                                                did_you_mean(spec.kind, names)));
    }
    return kind->make(WireOptions(spec, kind->options()), loop);
}

std::string wire_help() {
    std::string help;
    for (const auto& kind : wire_kinds) {
        help += fmt::format("{:<9}{}\n", kind.name, kind.meaning);
        for (const auto& option : kind.options()) {
            help += fmt::format("  {}{}={}\n      {}\n", option.key,
                                option.key.ends_with('.') ? "OPTION" : "", option.value,
                                option.meaning);
        }
    }
    return help;
}

}  // namespace skbtrail::device
