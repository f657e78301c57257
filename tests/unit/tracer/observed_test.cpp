#include "tracer/observed.h"

#include <cstring>

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::tracer;

namespace {

std::vector<std::byte> note(std::uint32_t type, std::string_view name,
                            const std::vector<std::uint8_t>& description) {
    const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
    std::vector<std::byte> bytes(12 + padded(name.size() + 1) + padded(description.size()));
    const std::uint32_t header[3] = {static_cast<std::uint32_t>(name.size() + 1),
                                     static_cast<std::uint32_t>(description.size()), type};
    std::memcpy(bytes.data(), header, sizeof header);
    std::memcpy(bytes.data() + 12, name.data(), name.size());
    std::memcpy(bytes.data() + 12 + padded(name.size() + 1), description.data(),
                description.size());
    return bytes;
}

}  // namespace

TEST_CASE("a build id is found behind other notes") {
    auto notes = note(6, "Xen", {1, 2, 3, 4, 5});
    const auto id = note(3, "GNU", {0x00, 0x5d, 0x44, 0xff});
    notes.insert(notes.end(), id.begin(), id.end());
    CHECK(build_id_in_notes(notes) == "005d44ff");
}

TEST_CASE("notes without a build id, or cut short, have none") {
    CHECK(build_id_in_notes({}).empty());
    CHECK(build_id_in_notes(note(1, "GNU", {1, 2, 3, 4})).empty());
    const auto whole = note(3, "GNU", {1, 2, 3, 4});
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CHECK(build_id_in_notes(std::span(whole).first(length)).empty());
    }
}

TEST_CASE("feature bits are named, the first character being bit 0") {
    CHECK(virtio_net_features("1") == std::vector<std::string>{"csum"});
    std::string bits(64, '0');
    bits[15] = bits[32] = bits[29] = bits[44] = '1';
    CHECK(virtio_net_features(bits) ==
          std::vector<std::string>{"mrg_rxbuf", "event_idx", "version_1", "bit 44"});
    CHECK(virtio_net_features("").empty());
}

TEST_CASE("this machine says what it is") {
    CHECK_FALSE(kernel_release().empty());
    CHECK_FALSE(machine_name().empty());
}
