// The translation of filters, against libpcap's own interpreter: both judge the same packets, and
// what the translation reads must be what it was allowed to.

#include <array>
#include <cstring>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "tracer/failure.h"
#include "tracer/filter/expression.h"
#include "tracer/filter/translate.h"

using namespace skbtrail::tracer;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr std::size_t capacity = 192;
using Bytes = std::vector<std::uint8_t>;

/// Runs what translate() writes, with the kernel's meaning of each instruction. Addresses are
/// offsets: the bytes begin at `bytes_at`, the frame ends at `frame_at`.
class BpfMachine {
  public:
    explicit BpfMachine(const std::vector<bpf_insn>& code) : code_(code) {}

    /// True when the packet is accepted. Fails for whatever the kernel's verifier would refuse.
    bool run(const Bytes& packet, std::uint32_t length) {
        bytes_.assign(capacity, 0xee);  // what is left there of another packet
        std::copy(packet.begin(), packet.end(), bytes_.begin());
        stack_.fill(0xee);
        registers_ = {};
        registers_[1] = bytes_at;
        registers_[2] = packet.size();
        registers_[3] = length;
        registers_[10] = frame_at;
        for (std::size_t at = 0; at < code_.size(); ++at) {
            const auto jump = step(code_[at]);
            REQUIRE(jump >= 0);  // classic BPF jumps forward only, so it ends
            at += static_cast<std::size_t>(jump);
            REQUIRE(at < code_.size());
        }
        return registers_[0] != 0;
    }

  private:
    static constexpr std::uint64_t bytes_at = 0x10000;
    static constexpr std::uint64_t frame_at = 0x20000;

    std::uint8_t* memory(std::uint64_t address, std::size_t size) {
        if (address >= bytes_at && address + size <= bytes_at + capacity) {
            return &bytes_[address - bytes_at];
        }
        REQUIRE(address >= frame_at - stack_.size());
        REQUIRE(address + size <= frame_at);
        return &stack_[address - (frame_at - stack_.size())];
    }

    static std::size_t width(const bpf_insn& one) {
        switch (BPF_SIZE(one.code)) {
            case BPF_W:
                return 4;
            case BPF_H:
                return 2;
            default:
                return 1;
        }
    }

    /// Returns how many instructions to skip.
    int step(const bpf_insn& one) {
        auto& to = registers_[one.dst_reg];
        const bool by_register = BPF_SRC(one.code) == BPF_X;
        const std::uint64_t from =
            by_register ? registers_[one.src_reg]
                        : static_cast<std::uint64_t>(static_cast<std::int64_t>(one.imm));
        switch (BPF_CLASS(one.code)) {
            case BPF_ALU:
                to = alu(one, static_cast<std::uint32_t>(to), static_cast<std::uint32_t>(from));
                return 0;
            case BPF_ALU64:
                REQUIRE((BPF_OP(one.code) == BPF_MOV || BPF_OP(one.code) == BPF_ADD));
                to = BPF_OP(one.code) == BPF_MOV ? from : to + from;
                return 0;
            case BPF_LDX: {
                std::uint64_t value = 0;
                const auto address = registers_[one.src_reg] + static_cast<std::int64_t>(one.off);
                std::memcpy(&value, memory(address, width(one)), width(one));
                to = value;
                return 0;
            }
            case BPF_ST:
            case BPF_STX: {
                const std::uint64_t value =
                    BPF_CLASS(one.code) == BPF_ST ? from : registers_[one.src_reg];
                std::memcpy(memory(to + static_cast<std::int64_t>(one.off), width(one)), &value,
                            width(one));
                return 0;
            }
            case BPF_JMP:
                if (BPF_OP(one.code) == BPF_JA) return one.off;
                return holds(one, to, from) ? one.off : 0;
            case BPF_JMP32:
                return holds(one, static_cast<std::uint32_t>(to), static_cast<std::uint32_t>(from))
                           ? one.off
                           : 0;
            default:
                FAIL("an instruction of class " << BPF_CLASS(one.code));
                return 0;
        }
    }

    static bool holds(const bpf_insn& one, std::uint64_t left, std::uint64_t right) {
        switch (BPF_OP(one.code)) {
            case BPF_JEQ:
                return left == right;
            case BPF_JGT:
                return left > right;
            case BPF_JGE:
                return left >= right;
            case BPF_JLT:
                return left < right;
            case BPF_JLE:
                return left <= right;
            case BPF_JSET:
                return (left & right) != 0;
            default:
                FAIL("a jump of kind " << BPF_OP(one.code));
                return false;
        }
    }

    static std::uint32_t alu(const bpf_insn& one, std::uint32_t left, std::uint32_t right) {
        switch (BPF_OP(one.code)) {
            case BPF_MOV:
                return right;
            case BPF_ADD:
                return left + right;
            case BPF_SUB:
                return left - right;
            case BPF_MUL:
                return left * right;
            case BPF_DIV:
                REQUIRE(right != 0);
                return left / right;
            case BPF_MOD:
                REQUIRE(right != 0);
                return left % right;
            case BPF_AND:
                return left & right;
            case BPF_OR:
                return left | right;
            case BPF_XOR:
                return left ^ right;
            case BPF_NEG:
                return 0U - left;
            case BPF_LSH:
                REQUIRE(right < 32);
                return left << right;
            case BPF_RSH:
                REQUIRE(right < 32);
                return left >> right;
            case BPF_END:
                return one.imm == 32 ? __builtin_bswap32(left)
                                     : __builtin_bswap16(static_cast<std::uint16_t>(left));
            default:
                FAIL("an operation " << BPF_OP(one.code));
                return 0;
        }
    }

    const std::vector<bpf_insn>& code_;
    Bytes bytes_;
    std::array<std::uint8_t, 512> stack_{};
    std::array<std::uint64_t, 11> registers_{};
};

/// Frames that filters tell apart: the bytes that they look at come from few values.
Bytes random_frame(std::mt19937& random) {
    const auto one_of = [&random](std::initializer_list<int> values) {
        const auto index = std::uniform_int_distribution<std::size_t>(0, values.size() - 1)(random);
        return static_cast<std::uint8_t>(values.begin()[index]);
    };
    Bytes frame(std::uniform_int_distribution<std::size_t>(0, 120)(random));
    for (auto& byte : frame) byte = one_of({0, 1, 6, 17, 10, 22, 53, 80, 255});
    const auto set = [&frame](std::size_t at, std::initializer_list<std::uint8_t> bytes) {
        for (const auto byte : bytes) {
            if (at < frame.size()) frame[at] = byte;
            ++at;
        }
    };
    const auto kind = std::uniform_int_distribution<int>(0, 3)(random);
    if (kind == 0) set(12, {0x08, 0x06});
    if (kind == 1) set(12, {0x86, 0xdd});
    if (kind == 2) set(12, {0x81, 0x00, 0, 5, 0x08, 0x00});
    if (kind == 3) {
        set(12, {0x08, 0x00, one_of({0x45, 0x46, 0x4f}), 0});
        set(20, {0, 0, 64, one_of({1, 6, 17})});
        set(26, {10, 0, 2, one_of({2, 15}), 10, 0, 2, one_of({2, 15})});
    }
    return frame;
}

constexpr std::array expressions{
    "icmp",
    "icmp and host 10.0.2.2",
    "arp or (udp and port 53)",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[2:2] - ((ip[0]&0xf)<<2) > 40",
    "icmp[icmptype] = icmp-echo",
    "greater 60 and not broadcast",
    "ip6 and tcp port 80",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "vlan 5 and ip",
    "ether[0] & 1 = 0 and ip[16] >= 224",
    "udp[ip[8]:1] = 53",
    "len * ip[9] / (ip[8] + 0) > 1000 or ip[10] % ip[11] = 3",
    "ip[300] = 1 or udp",
    "ip[1] << ip[2] = 0 and ip[3] >> 2 != 1",
    "portrange 20-60 and not src net 10.0.2.0/24",
};

}  // namespace

TEST_CASE("a translated filter judges as libpcap does") {
    std::mt19937 random(1);
    std::size_t accepted = 0;
    for (const char* text : expressions) {
        CAPTURE(text);
        const auto expression = compile_expression(text);
        const auto code = translate(expression.frame, capacity);
        BpfMachine machine(code);
        for (int i = 0; i < 2000; ++i) {
            const auto frame = random_frame(random);
            const auto length =
                static_cast<std::uint32_t>(frame.size()) + (i % 2 == 0 ? 0U : 1000U);
            CAPTURE(frame, length);
            const bool expected = accepts(expression.frame, frame, length);
            REQUIRE(machine.run(frame, length) == expected);
            if (expected) ++accepted;
        }
    }
    CHECK(accepted > 500);
}

TEST_CASE("a packet without its link header is judged by what is behind it") {
    const Bytes packet{0x45, 0, 0, 28, 0,  0, 0, 0, 64, 1, 0, 0,
                       10,   0, 2, 15, 10, 0, 2, 2, 8,  0, 0, 0};
    const auto icmp = compile_expression("icmp and dst host 10.0.2.2");
    REQUIRE(icmp.packet);
    CHECK(accepts(*icmp.packet, packet, 28));
    const auto code = translate(*icmp.packet, capacity);
    CHECK(BpfMachine(code).run(packet, 28));

    const auto arp = compile_expression("arp");
    REQUIRE(arp.packet);
    CHECK_FALSE(accepts(*arp.packet, packet, 28));
    CHECK_FALSE(compile_expression("ether host 52:54:00:12:34:56").packet);
}

TEST_CASE("an expression that is none is refused in libpcap's words") {
    CHECK_THROWS_AS(compile_expression("icmp and"), Failure);
    CHECK_THROWS_AS(compile_expression("port nine"), Failure);
    try {
        compile_expression("frobnicate 3");
        FAIL("it was taken");
    } catch (const Failure& failure) {
        CHECK_THAT(failure.what(),
                   ContainsSubstring("frobnicate 3") && ContainsSubstring("pcap-filter(7)"));
    }
}

TEST_CASE("a filter gets its place in the program, or an explanation") {
    constexpr std::uint64_t marker = 0x0123456789abcdef;
    constexpr std::size_t room = 8;
    std::vector<bpf_insn> program(3 + room);
    program[1].code = BPF_LD | BPF_DW | BPF_IMM;
    program[1].imm = static_cast<std::int32_t>(0x89abcdefU);
    program[2].imm = 0x01234567;
    auto changed = program;
    std::vector<bpf_insn> body(3);
    for (auto& one : body) one.imm = 7;
    insert_at_marker(changed, marker, room, body);
    CHECK(changed[3].imm == 7);
    CHECK(changed[5].imm == 7);
    // The rest is jumped over: the kernel takes long to remove many jumps to the next instruction.
    CHECK(changed[6].code == (BPF_ALU64 | BPF_MOV | BPF_K));
    CHECK(changed[7].code == (BPF_JMP | BPF_JEQ | BPF_K));
    CHECK(changed[7].dst_reg == changed[6].dst_reg);
    CHECK(changed[7].off == 3);
    CHECK(changed[10].code == (BPF_JMP | BPF_JA));

    CHECK_THROWS_AS(insert_at_marker(changed, marker + 1, room, body), Failure);
    const std::vector<bpf_insn> long_body(room + 1);
    CHECK_THROWS_AS(insert_at_marker(changed, marker, room, long_body), Failure);
}
