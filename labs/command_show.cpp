// skbtrail show: a recording for a person.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "labs/check/source/places.h"
#include "labs/check/source/release.h"
#include "labs/command.h"
#include "labs/debug_info/inlined_steps.h"
#include "labs/runner/failure.h"
#include "labs/show/show.h"

namespace skbtrail::labs {
namespace {

struct Arguments {
    std::string recording;
    std::optional<chain::ChainId> chain;
    std::optional<chain::PacketId> packet;
    bool all = false;
    bool ring = false;
    bool full = false;
    bool no_geometry = false;
    bool skb = false;
    std::string source;      ///< a kernel's source tree; empty: none
    std::string debug_info;  ///< where the kernel's is; empty: none
    LookOptions look;
};

/// Whether `call` or one below it handles the packet.
bool handles(const chain::Call& call, chain::PacketId packet) {
    return std::any_of(call.skbs.begin(), call.skbs.end(),
                       [&](const auto& skb) { return skb.packet == packet; }) ||
           std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const auto& child) { return handles(child, packet); });
}

bool wanted(const Arguments& arguments, const chain::Chain& chain) {
    if (arguments.chain && chain.id != *arguments.chain) {
        return false;
    }
    return !arguments.packet || handles(chain.root, *arguments.packet);
}

void show_overview(const chain::Recording& recording, const ShowOptions& options) {
    show_observed(std::cout, recording, options);
    std::cout << "\n";
    show_packets(std::cout, recording, options);
    std::cout << "\n";
    show_chain_list(std::cout, recording, options);
    std::cout << "\n";
    show_losses(std::cout, recording.losses, options);
    std::cout << "\nA packet's way: --packet ID. One chain: --chain ID. All of them: --all. "
                 "The NIC's side: --ring.\n";
}

void show_chains(const Arguments& arguments, const chain::Recording& recording,
                 const ShowOptions& options) {
    bool any = false;
    for (const auto& chain : recording.chains) {
        if (wanted(arguments, chain)) {
            if (any) {
                std::cout << "\n";
            }
            any = true;
            show_chain(std::cout, recording, chain, options);
        }
    }
    if (any) {
        return;
    }
    throw CannotRun(fmt::format(
        "no chain of {} is what you asked for{}{}. Without --chain and --packet it lists what "
        "there is.",
        arguments.recording,
        arguments.chain ? fmt::format(": it has no chain {}", *arguments.chain) : "",
        arguments.packet ? fmt::format("{} packet {}", arguments.chain ? " with" : ": none handles",
                                       *arguments.packet)
                         : ""));
}

void show_ring_events(const Arguments& arguments, const chain::Recording& recording,
                      const ShowOptions& options) {
    const auto& events = recording.ring_events;
    const bool any =
        !arguments.packet || std::any_of(events.begin(), events.end(), [&](const auto& event) {
            return event.packet == arguments.packet;
        });
    if (!any) {
        throw CannotRun(fmt::format("{}: no ring event is known to have carried packet {}",
                                    arguments.recording, *arguments.packet));
    }
    show_ring(std::cout, recording, options);
}

void name_inlined(chain::Recording& recording, const std::string& path) {
    for (const auto& note : debug_info::name_inlined_steps(recording, path).notes) {
        fmt::print(stderr, "skbtrail: warning: {}\n", note);
    }
}

/// Lines move from one stable release to the next.
void warn_of_other_version(const source::SourceTree& tree, const chain::Observed& observed) {
    if (!source::is_other_version(tree.release(), observed)) return;
    fmt::print(stderr,
               "skbtrail: warning: the source is Linux {}, and {} was recorded (Linux {}): a line "
               "may be some lines off, and a function in another file\n",
               tree.release(), observed.kernel_release, source::upstream_version(observed));
}

/// The chains that are asked for, with places in the source.
void show_with_source(const Arguments& arguments, const chain::Recording& recording,
                      ShowOptions options) {
    const auto& tables = source::named_call_tables();
    const source::SourceTree tree(source_tree(arguments.source), tables.scope);
    warn_of_other_version(tree, recording.observed);
    const source::Places places(tree, tables);
    options.places = &places;
    show_chains(arguments, recording, options);
}

int show(const Arguments& arguments) {
    auto recording = named_recording(arguments.recording);
    if (!arguments.debug_info.empty()) name_inlined(recording, arguments.debug_info);
    auto options = show_options(arguments.look);
    options.fold = !arguments.full;
    options.geometry = !arguments.no_geometry;
    options.skb_details = arguments.skb;
    options.packet = arguments.packet;
    if (arguments.ring) {
        show_ring_events(arguments, recording, options);
    } else if (!arguments.source.empty()) {
        show_with_source(arguments, recording, options);
    } else if (arguments.chain || arguments.packet || arguments.all || arguments.skb ||
               !arguments.debug_info.empty()) {
        show_chains(arguments, recording, options);
    } else {
        show_overview(recording, options);
    }
    return exit_passed;
}

}  // namespace

void add_show_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("show", "Show what a recording holds");
    command->footer(
        "Without options: what was observed, the packets, the chains. A chain is shown as a tree "
        "of\n"
        "calls; where a call is given an sk_buff, you see where head, data, tail and end stand.\n"
        "\n"
        "Examples:\n"
        "  skbtrail show skbtrail-results/DIRECTORY\n"
        "  skbtrail show skbtrail-results/DIRECTORY --packet 2\n"
        "  skbtrail show recording.json --chain 5 --full | less -R\n"
        "  skbtrail show skbtrail-results/DIRECTORY --packet 2 --skb\n"
        "  skbtrail show skbtrail-results/DIRECTORY --ring\n"
        "  skbtrail show skbtrail-results/DIRECTORY --packet 2 --source 6.12");
    auto arguments = std::make_shared<Arguments>();
    command
        ->add_option("recording", arguments->recording, "A recording, or a run's result directory")
        ->required()
        ->type_name("RECORDING");
    auto* one = command->add_option("-c,--chain", arguments->chain, "Show this chain");
    one->type_name("ID");
    command->add_option("-p,--packet", arguments->packet, "Show the chains that handle this packet")
        ->type_name("ID");
    auto* all = command->add_flag("-a,--all", arguments->all, "Show every chain");
    command->add_flag("-f,--full", arguments->full,
                      "Fold nothing: locks, memory and timers too, and calls without a packet");
    command->add_flag("--no-geometry", arguments->no_geometry,
                      "Leave out where head, data, tail and end stand");
    auto* skb = command->add_flag(
        "-s,--skb", arguments->skb,
        "Show below each call what else is recorded of the sk_buff that it is given, and changed "
        "since the packet was seen last: headers, room, device, socket, reference count, pages, "
        "segments, checksum …; of every chain, unless --chain or --packet says which");
    auto* source = command->add_option(
        "--source", arguments->source,
        "Say beside each call in which file and line of this tree, the unpacked source "
        "of the recorded kernel, the function is defined; of every chain, unless "
        "--chain or --packet says which. A version (6.12): what `kernels fetch --source` got");
    source->type_name("TREE");
    auto* debug_info = command->add_option(
        "--debug-info", arguments->debug_info,
        "Name the functions that the compiler inlined between two calls, from here: the tree that "
        "the recorded kernel was built in, its vmlinux, or where its -dbg package was unpacked; of "
        "every chain, as --source does");
    debug_info->type_name("PATH");
    command
        ->add_flag("-r,--ring", arguments->ring,
                   "Show what the NIC saw and did at its rings: buffers, kicks and calls, those "
                   "that were suppressed too; with --packet, what concerns that one")
        ->excludes(one, all, skb, source, debug_info);
    add_look_options(*command, arguments->look);
    command->callback([arguments, &chosen] { chosen = [arguments] { return show(*arguments); }; });
}

}  // namespace skbtrail::labs
