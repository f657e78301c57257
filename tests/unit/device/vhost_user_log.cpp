// The log of written pages, as messages set it up.

#include <limits>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/device/back_end.h"
#include "tests/unit/device/log_file.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

/// Enough for the memory of GuestRam: 1 bit for 4 KiB up to 5 MiB.
constexpr std::uint64_t enough =
    (GuestRam::default_base + GuestRam::default_size) / DirtyLog::page_bytes / 8;

/// A back end that offers logging, with a guest on it.
struct LoggingBench {
    LoggingBench() {
        guest.protocol |= protocol_log_shmfd;
        guest.plug_in(front_end);
    }

    std::uint64_t set_log(const LogFile& file, std::uint64_t size, std::uint64_t offset = 0) {
        return front_end.acknowledge(Request::set_log_base, LogDescription{size, offset},
                                     {file.fd().get()});
    }
    std::uint64_t set_features(Features extra) {
        return front_end.acknowledge(Request::set_features,
                                     bench_features | protocol_features_bit | extra);
    }

    BackEnd back_end;
    Guest guest;
    FakeFrontEnd front_end = back_end.connect();
};

}  // namespace

TEST_CASE("log: offered with the feature, and answered unasked", "[device][vhost_user][log]") {
    BackEnd without({}, 1, feature_log_all);
    FakeFrontEnd other = without.connect();
    CHECK((other.ask(Request::get_protocol_features).u64() & protocol_log_shmfd) == 0);

    LoggingBench bench;
    CHECK((bench.front_end.ask(Request::get_protocol_features).u64() & protocol_log_shmfd) != 0);
    const LogFile file;
    bench.front_end.send_value(Request::set_log_base, LogDescription{enough, 0}, {file.fd().get()});
    const auto reply = bench.front_end.receive();
    REQUIRE(reply);
    CHECK(reply->request == static_cast<std::uint32_t>(Request::set_log_base));
    CHECK(reply->u64() == 0);
    CHECK_FALSE(bench.front_end.receive());
}

TEST_CASE("log: one that is too small for the guest's memory is refused",
          "[device][vhost_user][log][hostile]") {
    LoggingBench bench;
    const LogFile file;
    CHECK(bench.set_log(file, enough) == 0);
    CHECK(bench.set_log(file, enough - 1) != 0);
    CHECK(bench.set_log(file, 0) != 0);
    CHECK(bench.set_log(file, 4097) != 0);  // more than the file
    CHECK(bench.set_log(file, enough, 4096) != 0);
    CHECK(bench.set_log(file, enough, std::numeric_limits<std::uint64_t>::max()) != 0);
    CHECK_FALSE(bench.front_end.ended());

    SECTION("memory that grows past a log in use is refused, and past an unused one not") {
        const GuestRam more({{0x10000000, 0x1000}});
        const auto add = [&] {
            auto region = single(more.regions().front());
            region.region.user_address = 0x10000000;
            return bench.front_end.acknowledge(Request::add_mem_reg, region, {more.fd().get()});
        };
        CHECK(bench.set_features(feature_log_all) == 0);
        CHECK(add() != 0);
        CHECK(bench.set_features(0) == 0);
        CHECK(add() == 0);
        CHECK(bench.set_features(feature_log_all) != 0);  // now the log is too small
    }
    SECTION("without a wish for an answer the connection ends: nobody would know") {
        bench.front_end.send_value(Request::set_log_base, LogDescription{1, 0}, {file.fd().get()});
        CHECK(bench.front_end.ended());
    }
}

TEST_CASE("log: switched while the rings run", "[device][vhost_user][log]") {
    LoggingBench bench;
    const LogFile file;
    CHECK(bench.set_log(file, 4096) == 0);
    CHECK(bench.set_features(feature_log_all) == 0);
    auto address = ring_address(1, bench.guest.transmit.addresses());
    address.flags = vring_flag_log;
    address.log = 0x1000;
    CHECK(bench.front_end.acknowledge(Request::set_vring_addr, address) == 0);
    address.log = std::uint64_t{4096} * 8 * DirtyLog::page_bytes - 8;  // ends past the log
    CHECK(bench.front_end.acknowledge(Request::set_vring_addr, address) != 0);
    address.log = std::numeric_limits<std::uint64_t>::max() - 8;
    CHECK(bench.front_end.acknowledge(Request::set_vring_addr, address) != 0);
    address.flags = 0;
    CHECK(bench.front_end.acknowledge(Request::set_vring_addr, address) == 0);
    // Other features still cannot change.
    CHECK(bench.front_end.acknowledge(Request::set_features, feature_version_1) != 0);
    CHECK(bench.set_features(0) == 0);
    address.flags = vring_flag_log;
    CHECK(bench.front_end.acknowledge(Request::set_vring_addr, address) != 0);
    CHECK(bench.back_end.state(0) == Virtqueue::State::running);
    CHECK(bench.back_end.state(1) == Virtqueue::State::running);
}

TEST_CASE("log: one that comes late has everything marked", "[device][vhost_user][log]") {
    LoggingBench bench;
    const LogFile early;
    CHECK(bench.set_log(early, 4096) == 0);
    CHECK(early.pages().empty());

    LoggingBench late;
    CHECK(late.set_features(feature_log_all) == 0);
    const LogFile file;
    CHECK(late.set_log(file, 4096) == 0);
    CHECK_FALSE(file.pages().empty());
}

TEST_CASE("log: descriptors that are none", "[device][vhost_user][log][hostile]") {
    LoggingBench bench;
    const TestEvent event;
    CHECK(bench.front_end.acknowledge(Request::set_log_base, LogDescription{enough, 0},
                                      {event.fd()}) != 0);
    const LogFile file;
    bench.front_end.send(Request::set_log_fd, {}, {file.fd().get()}, true);
    CHECK(bench.front_end.receive()->u64() != 0);
    bench.front_end.send(Request::set_log_fd, {}, {event.fd()}, true);
    CHECK(bench.front_end.receive()->u64() == 0);
}
