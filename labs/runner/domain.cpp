#include "labs/runner/domain.h"

#include <array>
#include <sstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

/// A feature that libvirt can switch: an attribute of <driver><host/> (what the device may do for
/// the guest's frames) or <driver><guest/> (what the guest may be sent).
struct SwitchableFeature {
    std::string_view name;
    const char* side;
    const char* attribute;
};

constexpr std::array switchable_features{
    SwitchableFeature{"csum", "host", "csum"},
    SwitchableFeature{"host_tso4", "host", "tso4"},
    SwitchableFeature{"host_tso6", "host", "tso6"},
    SwitchableFeature{"host_ecn", "host", "ecn"},
    SwitchableFeature{"host_ufo", "host", "ufo"},
    SwitchableFeature{"mrg_rxbuf", "host", "mrg_rxbuf"},
    SwitchableFeature{"guest_csum", "guest", "csum"},
    SwitchableFeature{"guest_tso4", "guest", "tso4"},
    SwitchableFeature{"guest_tso6", "guest", "tso6"},
    SwitchableFeature{"guest_ecn", "guest", "ecn"},
    SwitchableFeature{"guest_ufo", "guest", "ufo"},
};

/// 2026-01-01 00:00:00 UTC: when guests with an instruction clock begin.
constexpr auto first_second = "1767225600";

pugi::xml_node child_or_new(pugi::xml_node parent, const char* name) {
    const auto child = parent.child(name);
    return child ? child : parent.append_child(name);
}

void set_attribute(pugi::xml_node node, const char* name, const std::string& value) {
    auto attribute = node.attribute(name);
    if (!attribute) {
        attribute = node.append_attribute(name);
    }
    attribute.set_value(value.c_str());
}

/// The places of the template.
class Template {
  public:
    explicit Template(const std::string& text) {
        const auto result = document_.load_buffer(text.data(), text.size());
        if (!result) {
            throw CannotRun(fmt::format("the domain template is not XML: {} at byte {}",
                                        result.description(), result.offset));
        }
    }

    pugi::xml_node at(const char* path) const {
        const auto found = document_.select_node(path).node();
        if (!found) {
            throw CannotRun(fmt::format("the domain template has no {}", path));
        }
        return found;
    }

    void text(const char* path, const std::string& value) const {
        at(path).text().set(value.c_str());
    }

    std::string print() const {
        std::ostringstream out;
        document_.save(out, "  ", pugi::format_default | pugi::format_no_declaration);
        return std::move(out).str();
    }

  private:
    pugi::xml_document document_;
};

void set_features(pugi::xml_node driver, const std::map<std::string, bool>& features) {
    for (const auto& feature : switchable_features) {
        const auto wanted = features.find(std::string(feature.name));
        if (wanted != features.end()) {
            set_attribute(child_or_new(driver, feature.side), feature.attribute,
                          wanted->second ? "on" : "off");
        }
    }
}

void set_nic(pugi::xml_node interface, const DomainNic& nic) {
    set_attribute(interface.child("mac"), "address", nic.mac);
    set_attribute(interface.child("source"), "path", nic.socket.string());
    const auto driver = interface.child("driver");
    if (nic.queue_pairs > 1) {
        set_attribute(driver, "queues", std::to_string(nic.queue_pairs));
    }
    set_features(driver, nic.features);
}

/// The template's card, and copies of it in the slots behind its own: the guest finds them in the
/// order of their slots.
void set_nics(const Template& domain, const std::vector<DomainNic>& nics) {
    const auto first = domain.at("//interface[@type='vhostuser'][mac][source][driver]");
    const auto first_slot =
        domain.at("//interface[@type='vhostuser']/address").attribute("slot").as_uint();
    auto last = first;
    for (std::size_t i = 1; i < nics.size(); ++i) {
        last = first.parent().insert_copy_after(first, last);
        set_attribute(last.child("address"), "slot", fmt::format("{:#04x}", first_slot + i));
        set_nic(last, nics[i]);
    }
    set_nic(first, nics.front());
}

/// Arguments of QEMU's that libvirt has no word for.
void add_arguments(pugi::xml_node domain, const std::vector<std::string>& arguments) {
    set_attribute(domain, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
    auto list = child_or_new(domain, "qemu:commandline");
    for (const auto& argument : arguments) {
        set_attribute(list.append_child("qemu:arg"), "value", argument);
    }
}

/// Time is counted in instructions, and what else differs between two boots is made the same: the
/// date they begin at, and the processor's random numbers, from which the kernel takes its hashes'
/// seeds, identifiers and ports. libvirt has a word for the first of these only.
void count_instructions(pugi::xml_node domain) {
    auto clock = domain.child("clock");
    set_attribute(clock, "offset", "absolute");
    set_attribute(clock, "start", first_second);
    auto timer = clock.append_child("timer");
    set_attribute(timer, "name", "rtc");
    set_attribute(timer, "track", "guest");
    // sleep=on: a guest that waits for a timer waits, as the wire does; without, its timers would
    // end before a reply could have come.
    add_arguments(domain, {"-icount", fmt::format("shift={},sleep=on", instruction_clock_shift),
                           "-seed", "1"});
}

}  // namespace

const char* to_string(Accelerator accelerator) {
    return accelerator == Accelerator::kvm ? "kvm" : "tcg";
}

std::string domain_xml(const DomainSpec& spec, const std::string& domain_template) {
    const Template domain(domain_template);
    set_attribute(domain.at("/domain"), "type",
                  spec.accelerator == Accelerator::kvm ? "kvm" : "qemu");
    domain.text("/domain/name", spec.name);
    if (!spec.uuid.empty()) {
        child_or_new(domain.at("/domain"), "uuid").text().set(spec.uuid.c_str());
        // To QEMU the guest has moved to another machine, and so it has it tell its neighbours: a
        // packet that no lab sent. It has not moved.
        add_arguments(domain.at("/domain"), {"-global", "migration.announce-rounds=0"});
    }
    domain.text("/domain/memory", std::to_string(spec.memory_mib));
    domain.text("/domain/vcpu", std::to_string(spec.vcpus));
    domain.text("/domain/os/kernel", spec.kernel.string());
    domain.text("/domain/os/initrd", spec.initramfs.string());
    domain.text("/domain/os/cmdline", spec.command_line);
    if (spec.emulator) {
        child_or_new(domain.at("/domain/devices"), "emulator").text().set(spec.emulator->c_str());
    }
    set_nics(domain, spec.nics);
    set_attribute(domain.at("//channel/source"), "path", spec.stream_socket.string());
    set_attribute(domain.at("//serial/source"), "path", spec.console.string());
    if (!spec.terminal_socket.empty()) {
        // No second UART: an emulated one loses what is typed quickly on a busy host.
        auto line = domain.at("/domain/devices").append_child("console");
        set_attribute(line, "type", "unix");
        auto source = line.append_child("source");
        set_attribute(source, "mode", "connect");
        set_attribute(source, "path", spec.terminal_socket.string());
        auto target = line.append_child("target");
        set_attribute(target, "type", "virtio");
    }
    if (spec.clock == GuestClock::instructions) {
        count_instructions(domain.at("/domain"));
    }
    return domain.print();
}

std::string kernel_command_line(std::optional<std::uint64_t> counter_khz) {
    // tsc, timer and mitigations: a quarter of the boot under TCG. nokaslr: addresses compare
    // between boots. panic=-1: reboot at once, which ends the domain. quiet would hide what a
    // failed boot said last.
    std::string line =
        "console=ttyS0 panic=-1 tsc=reliable no_timer_check mitigations=off nokaslr "
        "cryptomgr.notests";
    if (counter_khz) {
        line += fmt::format(" tsc_early_khz={}", *counter_khz);
    }
    return line;
}

}  // namespace skbtrail::labs
