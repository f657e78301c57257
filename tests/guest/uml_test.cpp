// User-mode Linux as front end: no QEMU between the driver and the NIC. It reads the configuration
// space from the NIC, forwards the control queue, and notifies over the socket (in-band) or by
// pipes.

#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/guest/nic.h"
#include "tests/places.h"

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using skbtrail::tests::in_source;
using skbtrail::tests::Nic;
using skbtrail::tests::processes_naming;
using skbtrail::tests::Program;
using skbtrail::tests::Scratch;

namespace {

/// The only modules that Debian's package has: those of its kernel.
fs::path module_directory() {
    for (const auto& entry : fs::directory_iterator("/usr/lib/uml/modules")) {
        return entry.path() / "kernel";
    }
    throw std::runtime_error("there are no modules of user-mode Linux");
}

/// What the guest's root file system is: busybox, the driver, PID 1.
fs::path make_root(const Scratch& scratch) {
    const fs::path root = scratch.path() / "root";
    for (const char* name : {"bin", "modules", "proc", "sys", "dev", "tmp"}) {
        fs::create_directories(root / name);
    }
    fs::copy_file("/bin/busybox", root / "bin/busybox");
    for (const char* module :
         {"net/core/failover.ko", "drivers/net/net_failover.ko", "drivers/net/virtio_net.ko"}) {
        const fs::path file = module_directory() / module;
        fs::copy_file(file, root / "modules" / file.filename());
    }
    fs::copy_file(in_source("tests/guest/uml_init.sh"), root / "init");
    fs::permissions(root / "init", fs::perms::owner_all);
    return root;
}

/// Lines "NAME VALUE"; the kernel's own are among them and do no harm.
std::map<std::string, std::string> values(const std::string& output) {
    std::map<std::string, std::string> found;
    std::istringstream lines(output);
    std::string line;
    while (std::getline(lines, line)) {
        while (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        std::istringstream words(line);
        std::string name;
        std::string value;
        if (words >> name >> value) {
            found[name] = value;
        }
    }
    return found;
}

/// Commands that came through the control queue, as the NIC says at the end.
unsigned long commands_done(const std::string& log) {
    std::smatch match;
    static const std::regex line(R"(\(control\): (\d+) commands)");
    return std::regex_search(log, match, line) ? std::stoul(match[1]) : 0;
}

}  // namespace

TEST_CASE("UML: configuration and in-band notifications, without QEMU") {
    const Scratch scratch;
    const fs::path socket = scratch.path() / "nic";
    const fs::path root = make_root(scratch);
    const bool packed = GENERATE(true, false);
    std::vector<std::string> options{
        "--wire", "nat", "--serve-config", "--mac", "52:54:00:12:34:56", "--log-level", "debug"};
    if (!packed) {
        options.emplace_back("--features=-ring_packed");
    }
    Nic nic(scratch, socket, options);
    Program uml(scratch, {"/usr/bin/setpriv", "--pdeathsig", "KILL", "/usr/bin/linux.uml",
                          "mem=96M", "root=/dev/root", "rootfstype=hostfs",
                          "rootflags=" + root.string(), "rw", "init=/init", "con=null",
                          "con0=null,fd:1", "uml_dir=" + (scratch.path() / "uml").string(),
                          "virtio_uml.device=" + socket.string() + ":1"});
    uml.wait_for("end 0", std::chrono::seconds(60));
    uml.wait(std::chrono::seconds(20));
    nic.stop();
    INFO(uml.output());
    INFO(nic.log());

    auto said = values(uml.output());
    CHECK(said["address"] == "52:54:00:12:34:56");
    CHECK(said["ping"] == "0");
    CHECK(said["promisc"] == "0");
    CHECK(said["address-set"] == "0");
    CHECK(said["ping-again"] == "0");
    REQUIRE(said["end"] == "0");
    REQUIRE_FALSE(nic.negotiations().empty());
    CHECK_THAT(nic.negotiations().back(), ContainsSubstring("version_1"));
    // Without QEMU in between, the driver's commands reach the NIC: receive modes, the address.
    CHECK_THAT(nic.negotiations().back(), ContainsSubstring("ctrl_vq") &&
                                              ContainsSubstring("ctrl_rx") &&
                                              ContainsSubstring("ctrl_mac_addr"));
    CHECK((nic.negotiations().back().find("ring_packed") != std::string::npos) == packed);
    CHECK(commands_done(nic.log()) >= 3);
    CHECK_THAT(nic.log(), ContainsSubstring(" commands, 0 refused"));
    CHECK_THAT(nic.log(),
               ContainsSubstring("inband_notifications") && ContainsSubstring("VRING_KICK"));
    CHECK(nic.received().frames == std::stoull(said["rx_packets"]));
    CHECK(nic.sent().frames == std::stoull(said["tx_packets"]));
    CHECK(nic.sent().frames >= 7);
    CHECK(nic.received().dropped == 0);
    CHECK(nic.sent().dropped == 0);
    CHECK(processes_naming(root).empty());
}
