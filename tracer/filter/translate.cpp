#include "tracer/filter/translate.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

// Classic BPF has an accumulator, an index and sixteen words of memory.
constexpr std::uint8_t accumulator = BPF_REG_0;
constexpr std::uint8_t bytes = BPF_REG_1;
constexpr std::uint8_t available = BPF_REG_2;
constexpr std::uint8_t length = BPF_REG_3;
constexpr std::uint8_t index = BPF_REG_4;
constexpr std::uint8_t offset = BPF_REG_5;
constexpr std::uint8_t scratch = BPF_REG_6;
constexpr std::uint8_t frame = BPF_REG_10;
constexpr std::uint32_t memory_words = 16;
constexpr std::uint32_t widest_shift = 31;

// Names that linux/bpf_common.h leaves to others.
constexpr std::uint16_t class_mask = 0x07;
constexpr std::uint16_t size_mask = 0x18;
constexpr std::uint16_t mode_mask = 0xe0;
constexpr std::uint16_t operation_mask = 0xf0;
constexpr std::uint16_t misc_class = 0x07;  // of classic BPF; the number means BPF_ALU64 now
constexpr std::uint16_t transfer_to_accumulator = 0x80;
constexpr std::uint16_t return_accumulator = 0x10;

bpf_insn make(int code, std::uint8_t destination, std::uint8_t source = 0, std::int16_t jump = 0,
              std::uint32_t immediate = 0) {
    bpf_insn one{};
    one.code = static_cast<std::uint8_t>(code);
    one.dst_reg = destination & 0xfU;
    one.src_reg = source & 0xfU;
    one.off = jump;
    one.imm = static_cast<std::int32_t>(immediate);
    return one;
}

bpf_insn nothing() {
    return make(BPF_JMP | BPF_JA, 0);
}

class Translator {
  public:
    Translator(const ClassicProgram& program, std::size_t capacity)
        : program_(program), capacity_(static_cast<std::uint32_t>(capacity)) {}

    std::vector<bpf_insn> run() {
        find_reachable();
        emit(make(BPF_ALU | BPF_MOV | BPF_K, accumulator));
        emit(make(BPF_ALU | BPF_MOV | BPF_K, index));
        clear_memory();
        std::vector<std::size_t> start(program_.size(), 0);
        for (std::size_t i = 0; i < program_.size(); ++i) {
            start[i] = code_.size();
            if (reachable_[i]) instruction(i);
        }
        start.push_back(code_.size());  // reject
        if (rejects_) emit(make(BPF_ALU | BPF_MOV | BPF_K, accumulator));
        start.push_back(code_.size());  // end
        for (const auto& [at, target] : jumps_) {
            const auto to = start[target];
            const auto distance = static_cast<std::int64_t>(to) - static_cast<std::int64_t>(at) - 1;
            if (distance > std::numeric_limits<std::int16_t>::max()) {
                throw Failure("The filter is too long. Ask for less.");
            }
            code_[at].off = static_cast<std::int16_t>(distance);
        }
        return std::move(code_);
    }

  private:
    /// All that a jump leads to: the verifier refuses instructions that nobody can reach. Classic
    /// BPF jumps forward only.
    void find_reachable() {
        reachable_.assign(program_.size(), false);
        if (!program_.empty()) reachable_[0] = true;
        for (std::size_t i = 0; i < program_.size(); ++i) {
            if (!reachable_[i]) continue;
            const auto& one = program_[i];
            const auto kind = one.code & class_mask;
            if (kind == BPF_RET) continue;
            if (kind != BPF_JMP) {
                reach(i + 1);
            } else if ((one.code & operation_mask) == BPF_JA) {
                reach(i + 1 + one.k);
            } else {
                reach(i + 1 + one.jump_true);
                reach(i + 1 + one.jump_false);
            }
        }
    }

    void reach(std::size_t target) {
        if (target >= program_.size()) throw Failure("The compiled filter jumps out of itself.");
        reachable_[target] = true;
    }

    /// The verifier wants to see every word written before it is read.
    void clear_memory() {
        for (std::uint32_t word = 0; word < memory_words; ++word) {
            const bool used =
                std::any_of(program_.begin(), program_.end(), [word](const auto& one) {
                    const auto kind = one.code & class_mask;
                    const bool load =
                        (kind == BPF_LD || kind == BPF_LDX) && (one.code & mode_mask) == BPF_MEM;
                    return load && one.k == word;
                });
            if (used) emit(make(BPF_ST | BPF_MEM | BPF_W, frame, 0, slot(word)));
        }
    }

    static std::int16_t slot(std::uint32_t word) {
        if (word >= memory_words) throw Failure("The compiled filter uses memory it has not.");
        return static_cast<std::int16_t>(-4 * static_cast<int>(word + 1));
    }

    void emit(bpf_insn one) { code_.push_back(one); }

    void jump_to(std::size_t target, bpf_insn one) {
        jumps_.emplace_back(code_.size(), target);
        emit(one);
    }

    void reject_if(bpf_insn condition) {
        rejects_ = true;
        jump_to(program_.size(), condition);
    }

    /// Written as a condition, so that what follows counts as reached.
    void reject_always() { reject_if(make(BPF_JMP32 | BPF_JGE | BPF_K, available)); }

    static std::uint32_t size_of(std::uint16_t code) {
        switch (code & size_mask) {
            case BPF_W:
                return 4;
            case BPF_H:
                return 2;
            default:
                return 1;
        }
    }

    /// True when `size` bytes from the fixed place `at` can be read; else the packet is rejected.
    bool check_fixed(std::uint32_t at, std::uint32_t size) {
        if (at > capacity_ || size > capacity_ - at) {
            reject_always();
            return false;
        }
        reject_if(make(BPF_JMP32 | BPF_JLT | BPF_K, available, 0, 0, at + size));
        return true;
    }

    void load_from(std::uint8_t base, std::uint32_t at, std::uint16_t size) {
        emit(make(BPF_LDX | BPF_MEM | size, accumulator, base, static_cast<std::int16_t>(at)));
        if (size != BPF_B) {
            emit(make(BPF_ALU | BPF_END | BPF_TO_BE, accumulator, 0, 0, size == BPF_W ? 32U : 16U));
        }
    }

    void load(const ClassicInstruction& one) {
        const auto size_code = static_cast<std::uint16_t>(one.code & size_mask);
        const auto size = size_of(one.code);
        switch (one.code & mode_mask) {
            case BPF_ABS:
                if (check_fixed(one.k, size)) load_from(bytes, one.k, size_code);
                return;
            case BPF_IND:
                if (one.k > capacity_ - size) {
                    reject_always();
                    return;
                }
                emit(make(BPF_ALU64 | BPF_MOV | BPF_X, offset, index));
                emit(make(BPF_ALU64 | BPF_ADD | BPF_K, offset, 0, 0, one.k));
                reject_if(make(BPF_JMP | BPF_JGT | BPF_K, offset, 0, 0, capacity_ - size));
                emit(make(BPF_ALU64 | BPF_MOV | BPF_X, scratch, offset));
                emit(make(BPF_ALU64 | BPF_ADD | BPF_K, scratch, 0, 0, size));
                reject_if(make(BPF_JMP32 | BPF_JGT | BPF_X, scratch, available));
                emit(make(BPF_ALU64 | BPF_MOV | BPF_X, scratch, bytes));
                emit(make(BPF_ALU64 | BPF_ADD | BPF_X, scratch, offset));
                load_from(scratch, 0, size_code);
                return;
            default:
                load_plain(one, accumulator);
        }
    }

    /// A constant, a word of memory or the packet's length.
    void load_plain(const ClassicInstruction& one, std::uint8_t to) {
        switch (one.code & mode_mask) {
            case BPF_IMM:
                emit(make(BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, one.k));
                return;
            case BPF_MEM:
                emit(make(BPF_LDX | BPF_MEM | BPF_W, to, frame, slot(one.k)));
                return;
            case BPF_LEN:
                emit(make(BPF_ALU | BPF_MOV | BPF_X, to, length));
                return;
            default:
                refuse(one);
        }
    }

    void load_index(const ClassicInstruction& one) {
        if ((one.code & mode_mask) != BPF_MSH) {
            load_plain(one, index);
            return;
        }
        // The length of an IPv4 header: four times the low half of a byte.
        if (!check_fixed(one.k, 1)) return;
        emit(make(BPF_LDX | BPF_MEM | BPF_B, index, bytes, static_cast<std::int16_t>(one.k)));
        emit(make(BPF_ALU | BPF_AND | BPF_K, index, 0, 0, 0xf));
        emit(make(BPF_ALU | BPF_LSH | BPF_K, index, 0, 0, 2));
    }

    void calculate(const ClassicInstruction& one) {
        const auto operation = one.code & operation_mask;
        const bool by_index = (one.code & BPF_X) != 0;
        const bool shift = operation == BPF_LSH || operation == BPF_RSH;
        if (operation == BPF_NEG) {
            emit(make(BPF_ALU | BPF_NEG, accumulator));
            return;
        }
        if ((operation == BPF_DIV || operation == BPF_MOD) && by_index) {
            reject_if(make(BPF_JMP32 | BPF_JEQ | BPF_K, index));
        }
        if (shift && by_index) {
            // A shift by more than the register's width leaves nothing.
            emit(make(BPF_JMP32 | BPF_JLE | BPF_K, index, 0, 2, widest_shift));
            emit(make(BPF_ALU | BPF_MOV | BPF_K, accumulator));
            emit(make(BPF_JMP | BPF_JA, 0, 0, 1));
        } else if (shift && one.k > widest_shift) {
            emit(make(BPF_ALU | BPF_MOV | BPF_K, accumulator));
            return;
        }
        emit(make(BPF_ALU | operation | (by_index ? BPF_X : BPF_K), accumulator,
                  by_index ? index : std::uint8_t{0}, 0, by_index ? 0 : one.k));
    }

    void jump(std::size_t i) {
        const auto& one = program_[i];
        const auto operation = one.code & operation_mask;
        if (operation == BPF_JA) {
            jump_to(i + 1 + one.k, nothing());
            return;
        }
        const bool by_index = (one.code & BPF_X) != 0;
        jump_to(i + 1 + one.jump_true,
                make(BPF_JMP32 | operation | (by_index ? BPF_X : BPF_K), accumulator,
                     by_index ? index : std::uint8_t{0}, 0, by_index ? 0 : one.k));
        if (one.jump_false != 0) jump_to(i + 1 + one.jump_false, nothing());
    }

    void instruction(std::size_t i) {
        const auto& one = program_[i];
        switch (one.code & class_mask) {
            case BPF_LD:
                load(one);
                return;
            case BPF_LDX:
                load_index(one);
                return;
            case BPF_ST:
                emit(make(BPF_STX | BPF_MEM | BPF_W, frame, accumulator, slot(one.k)));
                return;
            case BPF_STX:
                emit(make(BPF_STX | BPF_MEM | BPF_W, frame, index, slot(one.k)));
                return;
            case BPF_ALU:
                calculate(one);
                return;
            case BPF_JMP:
                jump(i);
                return;
            case BPF_RET:
                if ((one.code & 0x18) != return_accumulator) {
                    emit(make(BPF_ALU | BPF_MOV | BPF_K, accumulator, 0, 0, one.k));
                }
                jump_to(program_.size() + 1, nothing());
                return;
            case misc_class:
                if ((one.code & 0xf8) == transfer_to_accumulator) {
                    emit(make(BPF_ALU | BPF_MOV | BPF_X, accumulator, index));
                } else {
                    emit(make(BPF_ALU | BPF_MOV | BPF_X, index, accumulator));
                }
                return;
            default:
                refuse(one);
        }
    }

    [[noreturn]] static void refuse(const ClassicInstruction& one) {
        throw Failure(fmt::format(
            "The compiled filter has an instruction that cannot be translated (code {:#x}).",
            one.code));
    }

    const ClassicProgram& program_;
    std::uint32_t capacity_;
    std::vector<bool> reachable_;
    std::vector<bpf_insn> code_;
    std::vector<std::pair<std::size_t, std::size_t>> jumps_;  ///< place, and classic target
    bool rejects_ = false;
};

}  // namespace

std::vector<bpf_insn> translate(const ClassicProgram& program, std::size_t capacity) {
    return Translator(program, capacity).run();
}

void insert_at_marker(std::vector<bpf_insn>& program, std::uint64_t marker, std::size_t room,
                      const std::vector<bpf_insn>& body) {
    if (body.size() > room) {
        throw Failure(fmt::format(
            "The filter is too long: it takes {} instructions of BPF, and there is room for {}. "
            "Ask for less, or in several runs.",
            body.size(), room));
    }
    constexpr std::size_t marker_size = 2;  // a load of 64 bits takes two instructions
    const auto low = static_cast<std::int32_t>(marker & 0xffffffffU);
    const auto high = static_cast<std::int32_t>(marker >> 32U);
    for (std::size_t i = 0; i + marker_size + room <= program.size(); ++i) {
        if (program[i].code != (BPF_LD | BPF_DW | BPF_IMM) || program[i].src_reg != 0 ||
            program[i].imm != low || program[i + 1].imm != high) {
            continue;
        }
        const auto begin = program.begin() + static_cast<std::ptrdiff_t>(i + marker_size);
        auto rest = std::copy(body.begin(), body.end(), begin);
        const auto end = begin + static_cast<std::ptrdiff_t>(room);
        std::fill(rest, end, nothing());
        // A jump over all of it (filter.bpf.h says why it has a condition).
        if (const auto left = end - rest; left > 2) {
            *rest++ = make(BPF_ALU64 | BPF_MOV | BPF_K, index);
            *rest = make(BPF_JMP | BPF_JEQ | BPF_K, index, 0, static_cast<std::int16_t>(left - 2));
        }
        return;
    }
    throw Failure("The BPF program has no place for a filter.");
}

}  // namespace skbtrail::tracer
