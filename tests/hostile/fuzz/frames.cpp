// Fuzzes everything that looks into a frame: the header before it, checksums, the words of its
// headers. Input: u64 features, u8[12] header, and the frame.

#include <array>
#include <vector>

#include "device/net/checksum.h"
#include "device/net/header.h"
#include "device/net/net_device.h"
#include "device/net/segment.h"
#include "device/wire/frame_headers.h"
#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/invariant.h"

using namespace skbtrail::device;
using namespace skbtrail::hostile;

namespace {

constexpr std::size_t longest = std::size_t{1} << 16;

void words(std::span<const std::byte> frame) {
    for (const auto& [word, value] : header_words(frame)) {
        // What a frame says is what a script may say.
        const auto canonical = canonical_header_value(word, value);
        require(canonical && *canonical == value, "a header's word is not its own canonical form");
    }
}

void sums(std::span<const std::byte> frame) {
    const std::uint16_t whole = internet_sum(frame);
    const std::size_t half = frame.size() / 2 / 2 * 2;
    const std::uint16_t pieces = internet_sum(frame.subspan(half), internet_sum(frame.first(half)));
    require(whole == pieces, "the sum of two pieces is not that of the whole");
}

/// Cuts the frame as a wire or a driver that takes no segments would have it.
void segments(std::span<const std::byte> frame, const FrameOffload& offload) {
    static Segmenter segmenter;
    if (!segmenter.start(Frame{frame, offload})) {
        require(segmenter.done(), "a frame that cannot be cut has segments");
        return;
    }
    require(segmenter.left() <= Segmenter::most_segments, "more segments than there may be");
    for (; !segmenter.done(); segmenter.pop()) {
        const Frame& segment = segmenter.front();
        require(segment.offload.gso_type == gso_none && !segment.offload.needs_checksum,
                "a segment is not complete");
        require(segment.bytes.size() >= min_frame_bytes && segment.bytes.size() <= max_frame_bytes,
                "a segment of a length that no frame has");
    }
}

void offloads(const NetHeaderBytes& header, std::vector<std::byte> frame, Features negotiated) {
    const auto offload = parse_transmit_header(header, frame.size(), negotiated);
    if (!offload) {
        require(!offload.error().message.empty(), "a refusal without a sentence");
        return;
    }
    make_receive_header(*offload, 1);
    if (offload->gso_type != gso_none) {
        segments(frame, *offload);
    }
    if (!offload->needs_checksum) {
        return;
    }
    const std::size_t field = std::size_t{offload->checksum_start} + offload->checksum_offset;
    require(field + 2 <= frame.size(), "an accepted checksum is outside of its frame");
    const auto before = std::span<const std::byte>(frame).subspan(field, 2);
    const unsigned pseudo_header =
        std::to_integer<unsigned>(before[0]) << 8 | std::to_integer<unsigned>(before[1]);
    require(complete_checksum(frame, *offload), "an accepted checksum was not completed");
    if (offload->checksum_offset % 2 == 0) {
        // What a receiver does: pseudo-header and everything, the checksum included, is 0 in ones'
        // complement.
        const unsigned sum =
            internet_sum(std::span<const std::byte>(frame).subspan(offload->checksum_start));
        require((sum + pseudo_header) % 0xffff == 0, "a completed checksum is wrong");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzInput input(data, size);
    const auto negotiated = input.take<Features>();
    const auto header = input.take<NetHeaderBytes>();
    const auto frame = input.take_bytes(longest);
    words(frame);
    sums(frame);
    offloads(header, {frame.begin(), frame.end()}, negotiated);
    return 0;
}
