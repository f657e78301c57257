// Features as users write them, checksums.

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "device/net/checksum.h"
#include "device/net/features.h"
#include "tests/unit/device/net_bench.h"

using namespace skbtrail::device;
using namespace skbtrail::device::test;

namespace {

Result<Features> change(Features features, const char* text, Features possible) {
    return parse_feature_changes(text).and_then([&](const FeatureChanges& changes) {
        return apply_feature_changes(features, changes, possible);
    });
}

}  // namespace

TEST_CASE("features: changes as users write them", "[device][features]") {
    constexpr Features all = bench_features | feature_host_tso4 | feature_guest_tso4;
    CHECK(*change(bench_features, "", all) == bench_features);
    CHECK(*change(bench_features, "-mrg_rxbuf", all) == (bench_features & ~feature_mrg_rxbuf));
    CHECK(*change(bench_features, "-mrg_rxbuf,-event_idx,+host_tso4", all) ==
          ((bench_features & ~feature_mrg_rxbuf & ~feature_event_idx) | feature_host_tso4));
    // What needs another goes with it …
    CHECK(*change(all, "-csum", all) == (all & ~feature_csum & ~feature_host_tso4));
    // … unless that was asked for.
    const auto contradiction = change(all, "-csum,+host_tso4", all);
    REQUIRE_FALSE(contradiction);
    CHECK(contradiction.error().message == "host_tso4 cannot be offered without csum");

    // A need of a need, and a need for one of several.
    CHECK(*change(all | feature_host_ecn, "-csum", all) ==
          (all & ~feature_csum & ~feature_host_tso4));
    CHECK(*change(all | feature_host_ecn, "", all) == (all | feature_host_ecn));
    CHECK(change(feature_version_1, "+host_ecn", feature_host_ecn).error().message ==
          "host_ecn cannot be offered without one of host_tso4 host_tso6");

    for (const char* const wrong : {"mrg_rxbuf", "+", "-", "+mrg", "+mrg_rxbuf,", ",",
                                    "+mrg_rxbuf -csum", "+csum,-csum", "+csum,+csum"}) {
        INFO(wrong);
        const auto refused = parse_feature_changes(wrong);
        if (std::string(wrong) == "+mrg_rxbuf,") {
            CHECK(refused);  // a comma at the end is forgiven
        } else {
            CHECK_FALSE(refused);
        }
    }
    CHECK(parse_feature_changes("+mrg").error().message.find("known are csum, guest_csum") !=
          std::string::npos);
    CHECK(change(bench_features, "+host_tso4", bench_features)
              .error()
              .message.find("host_tso4 cannot be offered here") == 0);
}

TEST_CASE("features: what the front end offers by itself meets a need", "[device][features]") {
    const FeatureChanges none;
    CHECK(*apply_feature_changes(feature_mq | feature_ctrl_vq, none, 0) ==
          (feature_mq | feature_ctrl_vq));
    CHECK(*apply_feature_changes(feature_mq, none, 0) == 0);
    CHECK(*apply_feature_changes(feature_mq, none, 0, feature_ctrl_vq) == feature_mq);
}

TEST_CASE("features: each has one bit, one name and a meaning, in the order of bits",
          "[device][features]") {
    Features seen = 0;
    Features before = 0;
    for (const FeatureName& one : known_features()) {
        INFO(one.name);
        CHECK(std::has_single_bit(one.bit));
        CHECK(one.bit > before);
        CHECK(one.name.find_first_of(" ,+-") == std::string_view::npos);
        CHECK_FALSE(one.meaning.empty());
        CHECK((one.needs & one.bit) == 0);
        before = one.bit;
        seen |= one.bit;
    }
    // What one needs has a name of its own.
    for (const FeatureName& one : known_features()) {
        CHECK(((one.needs | one.needs_one_of) & ~seen) == 0);
    }
    CHECK(((host_segment_features | guest_segment_features | control_features) & ~seen) == 0);
}

TEST_CASE("features: what surrounds the device decides", "[device][features]") {
    const Features plain = possible_features({});
    CHECK((plain & feature_mac) == 0);
    // Whatever the wire takes: what it does not is cut before it.
    CHECK((~plain & (host_segment_features | guest_segment_features)) == 0);
    CHECK((possible_features({.serves_config = true}) & feature_mac) != 0);
    CHECK(describe_features(feature_csum | feature_version_1 | feature_bit(60)) ==
          "csum version_1 bit 60");
    // Every name can be written with either sign.
    for (const FeatureName& one : known_features()) {
        CHECK(parse_feature_changes("+" + std::string(one.name))->add == one.bit);
        CHECK(parse_feature_changes("-" + std::string(one.name))->remove == one.bit);
    }
}

TEST_CASE("checksum: the example of RFC 1071", "[device][checksum]") {
    const std::vector<std::byte> bytes{std::byte{0x00}, std::byte{0x01}, std::byte{0xf2},
                                       std::byte{0x03}, std::byte{0xf4}, std::byte{0xf5},
                                       std::byte{0xf6}, std::byte{0xf7}};
    CHECK(internet_sum(bytes) == 0xddf2);
    CHECK(internet_sum({}) == 0);
    CHECK(internet_sum(std::span(bytes).first(3)) == 0xf201);  // padded with a zero
    CHECK(internet_sum(std::span(bytes).subspan(4), internet_sum(std::span(bytes).first(4))) ==
          0xddf2);
    CHECK(internet_sum(std::vector<std::byte>(65535, std::byte{0xff})) == 0xff00);
}

TEST_CASE("checksum: zero is written as it means", "[device][checksum]") {
    // Content whose sum is all ones: the inverted sum is 0.
    const auto complete = [](std::uint16_t offset) {
        std::vector<std::byte> frame(20);
        frame[18] = frame[19] = std::byte{0xff};
        FrameOffload offload;
        offload.needs_checksum = true;
        offload.checksum_start = 0;
        offload.checksum_offset = offset;
        REQUIRE(complete_checksum(frame, offload));
        return std::vector(frame.begin() + offset, frame.begin() + offset + 2);
    };
    CHECK(complete(6) == std::vector(2, std::byte{0xff}));  // UDP: 0 means "none"
    CHECK(complete(16) == std::vector(2, std::byte{0}));
}

TEST_CASE("checksum: a field outside of the frame is not touched", "[device][checksum]") {
    auto frame = pattern(20);
    for (const auto& [start, offset] :
         {std::pair{19, 0}, std::pair{0, 19}, std::pair{65535, 65535}, std::pair{10, 9}}) {
        FrameOffload offload;
        offload.checksum_start = static_cast<std::uint16_t>(start);
        offload.checksum_offset = static_cast<std::uint16_t>(offset);
        CHECK_FALSE(complete_checksum(frame, offload));
    }
    CHECK(frame == pattern(20));
}
