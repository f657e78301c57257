#include "labs/runner/domain.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <pugixml.hpp>

#include "guest/cache.h"
#include "labs/runner/failure.h"
#include "tests/places.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string shipped_template() {
    return guest::read_file(tests::in_source("qemu-configs/domain.xml"));
}

DomainSpec spec() {
    DomainSpec result;
    result.name = "lab";
    result.memory_mib = 640;
    result.vcpus = 3;
    result.kernel = "/cache/vmlinux";
    result.initramfs = "/cache/a.cpio";
    result.command_line = "console=ttyS0 a=\"b & c\" <x>";
    result.nics = {{.mac = "52:54:00:00:00:01",
                    .queue_pairs = 1,
                    .socket = "/tmp/r/nic.sock",
                    .features = {}}};
    result.stream_socket = "/tmp/r/stream.sock";
    result.console = "/out/console & log";
    return result;
}

/// What XPath selects in the domain of `spec`, as text; empty where there is nothing.
class Document {
  public:
    explicit Document(const DomainSpec& spec) {
        REQUIRE(document_.load_string(domain_xml(spec, shipped_template()).c_str()));
    }
    std::string operator()(const char* path) const {
        const auto node = document_.select_node(path);
        return node.attribute() ? node.attribute().value() : node.node().text().get();
    }
    bool has(const char* path) const { return static_cast<bool>(document_.select_node(path)); }

  private:
    pugi::xml_document document_;
};

TEST_CASE("a domain whose clock counts instructions begins like every other one") {
    auto decided = spec();
    CHECK_FALSE(Document(decided).has("/domain/qemu:commandline"));
    decided.clock = GuestClock::instructions;
    const Document domain(decided);
    CHECK_THAT(domain_xml(decided, shipped_template()),
               ContainsSubstring("xmlns:qemu=\"http://libvirt.org/schemas/domain/qemu/1.0\""));
    CHECK(domain("/domain/qemu:commandline/qemu:arg[1]/@value") == "-icount");
    CHECK(domain("/domain/qemu:commandline/qemu:arg[2]/@value") == "shift=2,sleep=on");
    CHECK(domain("/domain/qemu:commandline/qemu:arg[3]/@value") == "-seed");
    CHECK(domain("/domain/clock/@offset") == "absolute");
    CHECK(domain("/domain/clock/timer[@name='rtc']/@track") == "guest");
}

TEST_CASE("the domain has what the run decided") {
    const Document domain(spec());
    CHECK(domain("/domain/@type") == "qemu");
    CHECK(domain("/domain/name") == "lab");
    CHECK(domain("/domain/memory") == "640");
    CHECK(domain("/domain/vcpu") == "3");
    CHECK_FALSE(domain.has("/domain/uuid"));
    CHECK_FALSE(domain.has("//interface/driver/@queues"));
    auto with_queues = spec();
    with_queues.nics[0].queue_pairs = 4;
    CHECK(Document(with_queues)("//interface[@type='vhostuser']/driver/@queues") == "4");
    CHECK(domain("/domain/os/kernel") == "/cache/vmlinux");
    CHECK(domain("/domain/os/initrd") == "/cache/a.cpio");
    CHECK(domain("//interface/mac/@address") == "52:54:00:00:00:01");
    CHECK(domain("//interface/source/@path") == "/tmp/r/nic.sock");
    CHECK(domain("//channel/source/@path") == "/tmp/r/stream.sock");
}

TEST_CASE("further cards stand behind the first, each in front of its own NIC") {
    auto decided = spec();
    decided.nics.push_back({.mac = "52:54:00:00:00:02",
                            .queue_pairs = 4,
                            .socket = "/tmp/r/nic-1.sock",
                            .features = {{"csum", false}}});
    decided.nics.push_back({.mac = "52:54:00:00:00:03",
                            .queue_pairs = 1,
                            .socket = "/tmp/r/nic-2.sock",
                            .features = {}});
    const Document domain(decided);
    CHECK(domain("//interface[1]/mac/@address") == "52:54:00:00:00:01");
    CHECK(domain("//interface[1]/address/@slot") == "0x04");
    CHECK_FALSE(domain.has("//interface[1]/driver/@queues"));
    CHECK(domain("//interface[2]/mac/@address") == "52:54:00:00:00:02");
    CHECK(domain("//interface[2]/source/@path") == "/tmp/r/nic-1.sock");
    CHECK(domain("//interface[2]/address/@slot") == "0x05");
    CHECK(domain("//interface[2]/driver/@queues") == "4");
    CHECK(domain("//interface[2]/driver/host/@csum") == "off");
    CHECK(domain("//interface[3]/address/@slot") == "0x06");
    CHECK(domain("//interface[3]/rom/@enabled") == "no");
    CHECK_FALSE(domain.has("//interface[3]/driver/host"));
    CHECK_FALSE(domain.has("//interface[4]"));
}

TEST_CASE("a machine that is kept is the same one when it is taken up") {
    auto decided = spec();
    decided.uuid = "73b6b62a-0c1d-4f6e-9d55-736b62747261";
    const Document domain(decided);
    CHECK(domain("/domain/uuid") == decided.uuid);
    // Nor does it tell its neighbours that it has moved.
    CHECK(domain("/domain/qemu:commandline/qemu:arg[2]/@value") == "migration.announce-rounds=0");
}

TEST_CASE("text with XML's own characters arrives as it was") {
    const Document domain(spec());
    CHECK(domain("/domain/os/cmdline") == "console=ttyS0 a=\"b & c\" <x>");
    CHECK(domain("//serial/source/@path") == "/out/console & log");
}

TEST_CASE("the domain is what the NIC and the stream need") {
    const Document domain(spec());
    CHECK(domain("//memoryBacking/source/@type") == "memfd");
    CHECK(domain("//memoryBacking/access/@mode") == "shared");
    CHECK(domain("//interface/@type") == "vhostuser");
    CHECK(domain("//interface/source/@mode") == "client");
    CHECK(domain("//interface/rom/@enabled") == "no");
    CHECK(domain("//channel/source/@mode") == "connect");
    CHECK(domain("//channel/target/@name") == "org.skbtrail.stream");
    CHECK(domain("/domain/on_reboot") == "destroy");
    CHECK(domain("/domain/os/type/@machine") == "q35");
    CHECK(domain("/domain/cpu/@mode") == "maximum");
}

TEST_CASE("the accelerator is the domain's type") {
    auto kvm = spec();
    kvm.accelerator = Accelerator::kvm;
    CHECK(Document(kvm)("/domain/@type") == "kvm");
}

TEST_CASE("features that libvirt can switch are switched on and off") {
    auto features = spec();
    features.nics[0].features = {
        {"mrg_rxbuf", false}, {"guest_tso4", true}, {"csum", false}, {"event_idx", false}};
    const Document domain(features);
    CHECK(domain("//driver/host/@mrg_rxbuf") == "off");
    CHECK(domain("//driver/guest/@tso4") == "on");
    CHECK(domain("//driver/host/@csum") == "off");
    CHECK_FALSE(domain.has("//driver/host/@tso4"));
    CHECK_FALSE(Document(spec()).has("//driver/host"));
}

TEST_CASE("an emulator is named only if one was chosen") {
    CHECK_FALSE(Document(spec()).has("//emulator"));
    auto chosen = spec();
    chosen.emulator = "/opt/qemu-system-x86_64";
    CHECK(Document(chosen)("//devices/emulator") == "/opt/qemu-system-x86_64");
}

TEST_CASE("a template without a place to fill, or that is not XML, is refused") {
    CHECK_THROWS_WITH(domain_xml(spec(), "<domain><name/></domain>"),
                      ContainsSubstring("/domain/memory"));
    CHECK_THROWS_AS(domain_xml(spec(), "<domain"), CannotRun);
}

}  // namespace
}  // namespace skbtrail::labs
