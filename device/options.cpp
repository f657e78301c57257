#include "device/options.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "device/net/config_space.h"
#include "device/net/features.h"
#include "device/net/net_device.h"
#include "device/wire/factory.h"
#include "device/wire/mac_address.h"

namespace skbtrail::device {

namespace {

constexpr int usage_error = 64;  // EX_USAGE

std::string footer() {
    std::string features;
    for (const FeatureName& feature : known_features()) {
        features += fmt::format("  {:<20} {}\n", feature.name, feature.meaning);
    }
    return fmt::format(R"(
A guest on this NIC, started by hand (the memory must be shared, or the NIC cannot see it):

  skbtrail-nic --socket /tmp/nic.sock --wire nat &
  qemu-system-x86_64 -machine q35,memory-backend=mem -m 512M \
      -object memory-backend-memfd,id=mem,size=512M,share=on \
      -chardev socket,id=c,path=/tmp/nic.sock \
      -netdev vhost-user,id=n,chardev=c \
      -device virtio-net-pci,netdev=n \
      -drive file=disk.qcow2

Wires, for --wire:
{}
Features, for --features (what the driver may accept; the log says what it did):
{}
Faults, for --fault:
{}
Exit status: 0 ended by SIGTERM, SIGINT, --once or the parent's end; 2 could not start; 3 a script
that judges (--wire script,judge=on) missed something; 64 wrong command line.)",
                       wire_help(), features, fault_help());
}

std::optional<std::array<std::byte, 6>> parse_station(const std::string& text) {
    const auto address = MacAddress::parse(text);
    if (!address || address->is_group()) {
        return std::nullopt;
    }
    std::array<std::byte, 6> bytes;
    std::transform(address->octets.begin(), address->octets.end(), bytes.begin(),
                   [](std::uint8_t octet) { return std::byte{octet}; });
    return bytes;
}

}  // namespace

std::variant<NicOptions, EarlyExit> parse_options(int argc, const char* const* argv) {
    NicOptions options;
    std::string mac;
    std::string level = "info";
    std::string features;
    std::vector<std::string> faults;
    CLI::App app(
        "The hardware of a virtual machine's network card: a vhost-user back end for virtio-net.\n"
        "QEMU connects to its socket and leaves the card's rings to it; frames go to a wire.");
    app.name("skbtrail-nic");
    app.footer(footer);
    app.set_version_flag("--version", std::string("skbtrail-nic " SKBTRAIL_VERSION));
    app.get_formatter()->column_width(32);

    CLI::Validator level_names = CLI::IsMember({"debug", "info", "warning", "error", "off"});
    CLI::Validator descriptor = CLI::NonNegativeNumber;
    descriptor.description("");

    app.add_option("--socket", options.socket,
                   "Listen for a front end (QEMU) at this path;\n"
                   "the file is made with mode 0600")
        ->type_name("PATH");
    app.add_option("--connect", options.connect,
                   "Connect to a front end that listens at this path (DPDK's\n"
                   "virtio-user with server=1), again whenever it has left")
        ->type_name("PATH")
        ->excludes("--socket");
    app.add_option("--wire", options.wire, "What the NIC is plugged into; see below [nat]")
        ->type_name("KIND[,KEY=VALUE...]");
    app.add_option("--features", features,
                   "Offer features more (+) or less (-):\n"
                   "--features=-mrg_rxbuf,-event_idx; see below")
        ->type_name("+X,-Y");
    app.add_option("--mac", mac,
                   "MAC address in the configuration space; needs\n"
                   "--serve-config. With QEMU, give it to -device instead")
        ->type_name("ADDRESS");
    app.add_option("--mtu", options.mtu,
                   "MTU in the configuration space; needs --serve-config.\n"
                   "With QEMU, say -device virtio-net-pci,host_mtu=MTU")
        ->type_name("BYTES")
        ->check(CLI::Range(smallest_mtu, largest_mtu));
    app.add_option("--queues", options.queues,
                   "Pairs of queues (multi-queue) that a driver may use;\n"
                   "with QEMU, -netdev vhost-user,queues=N asks for as many [1]")
        ->type_name("N")
        ->check(CLI::Range(1U, max_queue_pairs));
    app.add_flag("--serve-config", options.serve_config,
                 "The front end takes the configuration space from here, and\n"
                 "forwards the control queue, which is offered then (UML;\n"
                 "QEMU's -netdev vhost-user keeps its own of both, and warns)");
    app.add_flag("--poll", options.poll,
                 "Look at the rings all the time and never ask for kicks: takes\n"
                 "one processor whole, and spares the time to wake up");
    app.add_option("--latency", options.latency_ms,
                   "Look at what the driver sends only so many milliseconds after its kick, so "
                   "that completion and answer come when the guest is done with sending [0]")
        ->type_name("MS")
        ->check(CLI::Range(0, 1000));
    app.add_option("--capture", options.capture,
                   "Write all frames to this file, as pcapng with a\n"
                   "comment on where each lay (*.pcap: as pcap)")
        ->type_name("FILE");
    app.add_option("--events", options.events,
                   "Write what happens at the rings to this file, one JSON\n"
                   "object a line; with unix:PATH, to who connects there")
        ->type_name("FILE|unix:PATH");
    app.add_option("--control", options.control,
                   "Listen for commands at this path (see skbtrail-nic ctl\n"
                   "--help); the file is made with mode 0600")
        ->type_name("PATH");
    app.add_option("--fault", faults,
                   "A fault that a network card should not have; may be\n"
                   "said several times; see below")
        ->type_name("KIND[,KEY=VALUE...]")
        ->allow_extra_args(false);
    app.add_option("--seed", options.seed,
                   "Of the faults: the same seed and the same traffic have\n"
                   "the same faults [1]")
        ->type_name("N");
    app.add_option("--log-level", level, "What to say on stderr [info]")
        ->check(level_names)
        ->type_name("LEVEL");
    app.add_option("--ready-fd", options.ready_fd,
                   "Write \"ready\" to this descriptor, and close it, when\n"
                   "front ends can connect")
        ->check(descriptor)
        ->type_name("N");
    app.add_flag("--exit-with-parent", options.exit_with_parent,
                 "End when the process that started this one ends");
    app.add_flag("!--no-sandbox", options.sandbox,
                 "Do not give up rights and system calls after the start");
    app.add_flag("--once", options.once, "End when the front end leaves");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            std::ostringstream text;
            app.exit(error, text, text);
            return EarlyExit{0, text.str()};
        }
        return EarlyExit{usage_error,
                         fmt::format("skbtrail-nic: {}\nTry skbtrail-nic --help.\n", error.what())};
    }
    if (options.socket.empty() == options.connect.empty()) {
        return EarlyExit{usage_error,
                         "skbtrail-nic: --socket or --connect says where the front end is\n"
                         "Try skbtrail-nic --help.\n"};
    }
    if (options.mtu && !options.serve_config) {
        return EarlyExit{usage_error,
                         "skbtrail-nic: --mtu has no effect without --serve-config; with QEMU, say "
                         "-device virtio-net-pci,host_mtu=MTU\n"};
    }
    if (!mac.empty()) {
        options.mac = parse_station(mac);
        if (!options.mac) {
            return EarlyExit{usage_error,
                             fmt::format("skbtrail-nic: --mac: \"{}\" is not the address of one "
                                         "station, like 52:54:00:12:34:56\n",
                                         mac)};
        }
        if (!options.serve_config) {
            return EarlyExit{usage_error,
                             "skbtrail-nic: --mac has no effect without --serve-config; with QEMU, "
                             "say -device virtio-net-pci,mac=ADDRESS\n"};
        }
    }
    const auto changes = parse_feature_changes(features);
    if (!changes) {
        return EarlyExit{usage_error,
                         fmt::format("skbtrail-nic: --features: {}\n", changes.error().message)};
    }
    options.features = *changes;
    if ((changes->add & feature_mac) != 0 && options.serve_config && !options.mac) {
        return EarlyExit{usage_error,
                         "skbtrail-nic: --features: mac cannot be offered without an address: add "
                         "--mac ADDRESS\n"};
    }
    for (const std::string& text : faults) {
        auto fault = parse_fault(text).and_then([&](FaultSpec spec) {
            return check_queue(spec, 2 * options.queues).map([&] { return std::move(spec); });
        });
        if (!fault) {
            return EarlyExit{usage_error,
                             fmt::format("skbtrail-nic: --fault: {}\n", fault.error().message)};
        }
        options.faults.push_back(std::move(*fault));
    }
    options.log_level = spdlog::level::from_str(level);
    return options;
}

}  // namespace skbtrail::device
