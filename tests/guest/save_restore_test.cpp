// A running guest is saved through libvirt and restored: the NIC logs what it writes while the
// memory is copied, is left in the middle of traffic, and goes on for a new QEMU where it was.
//
// That QEMU hands over a log, and that it is accepted, is all that can be shown of dirty logging
// here: a save stops the guest, and with it the rings, before it copies the first page, so the NIC
// has nothing left to mark. That each write of a queue is marked is in tests/unit/device
// (dirty_marks.cpp), where a queue runs while the log is there.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "guest/cache.h"
#include "labs/runner/embedded_driver.h"
#include "labs/runner/libvirt.h"
#include "tests/guest/agent.h"
#include "tests/guest/nic.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::Agent;
using skbtrail::tests::Nic;
using skbtrail::tests::Scratch;

namespace {

std::string domain_of(const Scratch& scratch) {
    const auto kernel = skbtrail::tests::guest_kernel();
    const auto file = [&](const char* name) { return (scratch.path() / name).string(); };
    return fmt::format(
        R"(<domain type='qemu'>
  <name>saved</name>
  <memory unit='MiB'>256</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{}</kernel><initrd>{}</initrd><cmdline>{}</cmdline>
  </os>
  <features><acpi/><smm state='off'/></features>
  <cpu mode='maximum'/>
  <on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    <interface type='vhostuser'>
      <mac address='52:54:00:12:34:56'/>
      <source type='unix' path='{}' mode='client'/>
      <model type='virtio-non-transitional'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='{}'/><target port='0'/></serial>
    <console type='unix'><source mode='bind' path='{}'/><target type='virtio'/></console>
    <channel type='file'>
      <source path='{}'/><target type='virtio' name='org.skbtrail.stream'/>
    </channel>
    <memballoon model='none'/>
  </devices>
</domain>)",
        kernel.vmlinux.string(), skbtrail::tests::agent_initramfs(kernel).string(),
        skbtrail::tests::guest_kernel_command_line(), file("nic"), file("console"), file("agent"),
        file("stream"));
}

/// The one domain of a libvirt of its own; ended with it.
class SavedGuest {
  public:
    explicit SavedGuest(const Scratch& scratch) : root_(scratch.path() / "lv") {
        skbtrail::labs::prepare_embedded_driver(root_, skbtrail::guest::cache_root() / "libvirt");
        connection_.reset(virConnectOpen(skbtrail::labs::embedded_driver_uri(root_).c_str()));
        check(connection_ != nullptr);
    }
    ~SavedGuest() {
        if (domain_) {
            virDomainDestroy(domain_.get());
        }
    }
    SavedGuest(const SavedGuest&) = delete;
    SavedGuest& operator=(const SavedGuest&) = delete;

    void start(const std::string& xml) {
        domain_.reset(virDomainCreateXML(connection_.get(), xml.c_str(), 0));
        check(domain_ != nullptr);
    }
    void save(const fs::path& to) {
        check(virDomainSave(domain_.get(), to.c_str()) == 0);
        domain_.reset();
    }
    void restore(const fs::path& from) {
        check(virDomainRestore(connection_.get(), from.c_str()) == 0);
        domain_.reset(virDomainLookupByName(connection_.get(), "saved"));
        check(domain_ != nullptr);
    }

  private:
    static void check(bool succeeded) {
        if (!succeeded) {
            throw std::runtime_error(virGetLastErrorMessage());
        }
    }
    struct Close {
        void operator()(virConnectPtr connection) const { virConnectClose(connection); }
        void operator()(virDomainPtr domain) const { virDomainFree(domain); }
    };

    fs::path root_;
    skbtrail::labs::EventLoop loop_;
    std::unique_ptr<std::remove_pointer_t<virConnectPtr>, Close> connection_;
    std::unique_ptr<std::remove_pointer_t<virDomainPtr>, Close> domain_;
};

}  // namespace

TEST_CASE("libvirt: a running guest is saved and restored with traffic, and nothing is lost") {
    const Scratch scratch;
    Nic nic(scratch, scratch.path() / "nic", {"--wire", "nat", "--log-level", "debug"});
    SavedGuest guest(scratch);
    guest.start(domain_of(scratch));
    {
        Agent before(scratch.path() / "agent", scratch.path() / "console");
        before.wait_for_boot();
        before.bring_up_network();
        // In flight while it is saved.
        before.must("ping -i 0.1 -c 60 -W 30 10.0.2.2 >/tmp/ping.log 2>&1 &");
        before.must("sleep 1");
    }
    const fs::path image = scratch.path() / "image";
    guest.save(image);
    REQUIRE(nic.says("front end left"));
    guest.restore(image);

    Agent after(scratch.path() / "agent", scratch.path() / "console");
    CHECK(after.ping());
    after.must("wait");
    const std::string pings = after.must("cat /tmp/ping.log");
    INFO(pings);
    CHECK_THAT(pings, ContainsSubstring("60 packets transmitted, 60 packets received"));
    after.must("ip link set eth0 down");
    const auto received = after.statistic("rx_packets");
    const auto sent = after.statistic("tx_packets");
    nic.stop();
    INFO(nic.log());
    CHECK_THAT(nic.log(), ContainsSubstring("log_shmfd"));
    CHECK(nic.negotiations().size() >= 2);
    CHECK(nic.received().frames == received);
    CHECK(nic.sent().frames == sent);
    CHECK(nic.received().dropped == 0);
    CHECK(nic.sent().dropped == 0);
}
