// pcapng (draft-ietf-opsawg-pcapng), as much of it as a capture of one interface needs.
//
// Written here because no library that distributions keep writes comments: libpcap writes no
// pcapng, DPDK's rte_pcapng wants its own buffers and environment. Three kinds of block:
//
//   section header   once: who wrote it
//   interface        once: Ethernet, time stamps in nanoseconds
//   enhanced packet  one a frame: its direction, its queue and a comment as options
//
// A block is its type, its length, its body and its length again, in units of four bytes; an
// option is its code, its length and its value, padded.
#include <array>
#include <cstring>
#include <vector>

#include "device/capture_file.h"

namespace skbtrail::device {

namespace {

constexpr std::uint32_t section_header_block = 0x0a0d0d0a;
constexpr std::uint32_t interface_block = 1;
constexpr std::uint32_t enhanced_packet_block = 6;

constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t link_type_ethernet = 1;

constexpr std::uint16_t option_end = 0;
constexpr std::uint16_t option_comment = 1;
constexpr std::uint16_t section_application = 4;
constexpr std::uint16_t interface_name = 2;
constexpr std::uint16_t interface_time_resolution = 9;
constexpr std::uint16_t packet_flags = 2;
constexpr std::uint16_t packet_queue = 6;

/// As the guest has it: what it receives is inbound.
constexpr std::uint32_t inbound = 1;
constexpr std::uint32_t outbound = 2;

/// Ten to the minus ninth.
constexpr std::byte nanoseconds{9};
/// An option's length has 16 bits.
constexpr std::size_t longest_comment = 65532;

class Block {
  public:
    void begin(std::uint32_t type) {
        bytes_.clear();
        put(type);
        put(std::uint32_t{0});  // the length, known at the end
    }
    template <typename Number>
    void put(Number number) {
        const auto raw = std::as_bytes(std::span(&number, 1));
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    }
    void put_padded(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        bytes_.resize((bytes_.size() + 3) / 4 * 4);
    }
    void put_option(std::uint16_t code, std::span<const std::byte> value) {
        put(code);
        put(static_cast<std::uint16_t>(value.size()));
        put_padded(value);
    }
    std::span<const std::byte> end() {
        put(option_end);
        put(std::uint16_t{0});
        const auto length = static_cast<std::uint32_t>(bytes_.size() + sizeof(std::uint32_t));
        put(length);
        std::memcpy(bytes_.data() + sizeof(std::uint32_t), &length, sizeof length);
        return bytes_;
    }

  private:
    std::vector<std::byte> bytes_;
};

std::span<const std::byte> text_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// Not in the middle of a character of UTF-8.
std::string_view shortened(std::string_view text) {
    if (text.size() <= longest_comment) {
        return text;
    }
    std::size_t end = longest_comment;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
        --end;
    }
    return text.substr(0, end);
}

class PcapngCaptureFile final : public CaptureFile {
  public:
    explicit PcapngCaptureFile(std::FILE* stream) : stream_(stream, &std::fclose) {
        block_.begin(section_header_block);
        block_.put(byte_order_magic);
        block_.put(std::uint16_t{1});  // version 1.0
        block_.put(std::uint16_t{0});
        block_.put(std::int64_t{-1});  // the section's length is not known
        block_.put_option(section_application, text_bytes("skbtrail-nic " SKBTRAIL_VERSION));
        write_block();
        block_.begin(interface_block);
        block_.put(link_type_ethernet);
        block_.put(std::uint16_t{0});
        block_.put(std::uint32_t{0});  // frames are whole
        block_.put_option(interface_name, text_bytes("skbtrail-nic"));
        block_.put_option(interface_time_resolution, std::span(&nanoseconds, 1));
        write_block();
    }

    void write(const CapturedFrame& frame) override {
        const auto time = static_cast<std::uint64_t>(frame.time.count());
        const auto length = static_cast<std::uint32_t>(frame.bytes.size());
        block_.begin(enhanced_packet_block);
        block_.put(std::uint32_t{0});  // the interface
        block_.put(static_cast<std::uint32_t>(time >> 32));
        block_.put(static_cast<std::uint32_t>(time));
        block_.put(length);
        block_.put(length);
        block_.put_padded(frame.bytes);
        if (!frame.comment.empty()) {
            block_.put_option(option_comment, text_bytes(shortened(frame.comment)));
        }
        const std::uint32_t flags =
            frame.direction == CaptureDirection::to_guest ? inbound : outbound;
        block_.put_option(packet_flags, std::as_bytes(std::span(&flags, 1)));
        const std::uint32_t queue = frame.queue;
        block_.put_option(packet_queue, std::as_bytes(std::span(&queue, 1)));
        write_block();
    }
    std::FILE* stream() override { return stream_.get(); }

  private:
    void write_block() {
        const auto bytes = block_.end();
        std::fwrite(bytes.data(), bytes.size(), 1, stream_.get());
    }

    std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream_;
    Block block_;
};

}  // namespace

std::unique_ptr<CaptureFile> make_pcapng_file(std::FILE* stream) {
    return std::make_unique<PcapngCaptureFile>(stream);
}

}  // namespace skbtrail::device
