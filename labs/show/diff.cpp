#include "labs/show/diff.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/show/paint.h"

namespace skbtrail::labs {
namespace {

using diff::Change;
using diff::Comparison;
using diff::Difference;
using diff::Pair;
using diff::Side;

/// Differences hung into the tree of their callers: what is equal around them has no line.
struct Branch {
    std::string function;
    std::vector<const Difference*> differences;
    std::vector<std::unique_ptr<Branch>> below;

    Branch& child(const std::string& name) {
        for (const auto& branch : below) {
            if (branch->function == name) return *branch;
        }
        below.push_back(std::make_unique<Branch>());
        below.back()->function = name;
        return *below.back();
    }
};

struct ChangeMark {
    const char* glyph;
    Ink ink;
};

ChangeMark mark_of(Change change) {
    switch (change) {
        case Change::gone:
        case Change::packet_gone:
        case Change::chain_gone:
            return {"-", Ink::bad};
        case Change::added:
        case Change::packet_added:
        case Change::chain_added:
            return {"+", Ink::good};
        case Change::moved:
            return {">", Ink::changed};
        case Change::renamed:
        case Change::fate:
            return {"~", Ink::changed};
        case Change::inlined:
        case Change::not_traceable:
        case Change::lost:
            break;
    }
    return {"?", Ink::warning};
}

class DiffPrinter {
  public:
    DiffPrinter(std::ostream& out, const Comparison& comparison, const ShowOptions& options)
        : out_(out), comparison_(comparison), options_(options) {}

    void print() {
        print_origin("A", comparison_.a);
        print_origin("B", comparison_.b);
        print_differences();
        print_blind(Side::a, "A");
        print_blind(Side::b, "B");
        print_explained();
        print_left_out();
        print_durations();
        print_summary();
    }

  private:
    std::string ink(std::string_view text, Ink ink) const {
        return paint(text, ink, options_.colour);
    }

    void print_origin(std::string_view side, const diff::Origin& origin) {
        out_ << ink(side, Ink::strong) << "  " << origin.name;
        if (!origin.lab.empty()) out_ << ": " << origin.lab;
        if (!origin.kernel.empty()) out_ << " on " << origin.kernel;
        if (!origin.change.empty()) out_ << ", changed by " << ink(origin.change, Ink::changed);
        if (origin.lost > 0) out_ << ink(fmt::format("  {} events lost", origin.lost), Ink::bad);
        out_ << '\n';
    }

    static bool has_line(const Difference& difference) {
        return is_difference(difference.change) || difference.change == Change::lost;
    }

    void print_differences() {
        std::vector<std::vector<std::size_t>> order;
        std::map<std::vector<std::size_t>, std::vector<const Difference*>> groups;
        for (const Difference& difference : comparison_.differences) {
            if (!has_line(difference) && options_.fold) continue;
            auto& group = groups[difference.pairs];
            if (group.empty()) order.push_back(difference.pairs);
            group.push_back(&difference);
        }
        for (const auto& pairs : order) {
            out_ << '\n';
            print_pairs(pairs);
            print_group(groups.at(pairs));
        }
    }

    void print_pairs(const std::vector<std::size_t>& pairs) {
        constexpr std::size_t most_named = 4;
        if (pairs.size() > 1 && pairs.size() == comparison_.pairs.size()) {
            out_ << ink("all " + counted(pairs), Ink::packet) << '\n';
            return;
        }
        for (std::size_t i = 0; i < pairs.size() && i < most_named; ++i) {
            const Pair& pair = comparison_.pairs[pairs[i]];
            out_ << ink(numbers_of(pair), Ink::packet) << "  "
                 << (pair.summary.empty() ? "(headers not seen)" : pair.summary) << '\n';
        }
        if (pairs.size() > most_named) {
            out_ << ink(fmt::format("and {} more", counted(std::span(pairs).subspan(most_named))),
                        Ink::packet)
                 << '\n';
        }
    }

    static std::string numbers_of(const Pair& pair) {
        const char* sign = pair.is_chain ? " chain " : "#";
        std::string numbers;
        if (pair.a) numbers += fmt::format("A{}{}", sign, *pair.a);
        if (pair.b) numbers += fmt::format("{}B{}{}", numbers.empty() ? "" : " ", sign, *pair.b);
        return numbers;
    }

    /// "4 packets", "10 chains", "4 packets and 1 chain".
    std::string counted(std::span<const std::size_t> pairs) const {
        const auto chains =
            static_cast<std::size_t>(std::count_if(pairs.begin(), pairs.end(), [&](auto pair) {
                return comparison_.pairs[pair].is_chain;
            }));
        return counted(pairs.size() - chains, chains);
    }

    static std::string counted(std::size_t packets, std::size_t chains) {
        const auto some = [](std::size_t count, const char* what) {
            return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
        };
        if (chains == 0) return some(packets, "packet");
        if (packets == 0) return some(chains, "chain");
        return some(packets, "packet") + " and " + some(chains, "chain");
    }

    void print_group(const std::vector<const Difference*>& differences) {
        Branch root;
        for (const Difference* difference : differences) {
            Branch* branch = &root;
            for (const std::string& caller : difference->path) branch = &branch->child(caller);
            branch->differences.push_back(difference);
        }
        print_branch(root, 0);
    }

    void print_branch(const Branch& branch, std::size_t depth) {
        for (const Difference* difference : branch.differences) {
            const ChangeMark mark = mark_of(difference->change);
            out_ << ink(mark.glyph, mark.ink) << std::string(2 * depth + 1, ' ')
                 << ink(text_of(*difference), mark.ink) << ink(remark_of(*difference), Ink::dim)
                 << '\n';
        }
        for (const auto& below : branch.below) {
            // A caller that only leads on shares its line with the next one.
            const Branch* last = below.get();
            std::string line = last->function;
            while (last->differences.empty() && last->below.size() == 1) {
                last = last->below.front().get();
                if (columns(line) + columns(last->function) + 2 * depth + 6 > options_.width) {
                    out_ << "  " << std::string(2 * depth, ' ') << ink(line + " →", Ink::dim)
                         << '\n';
                    line = last->function;
                } else {
                    line += " → " + last->function;
                }
            }
            out_ << "  " << std::string(2 * depth, ' ') << ink(line, Ink::dim) << '\n';
            print_branch(*last, depth + 1);
        }
    }

    static std::string text_of(const Difference& difference) {
        switch (difference.change) {
            case Change::renamed:
                return fmt::format("{} → {}", difference.function, difference.other);
            case Change::packet_gone:
                return "the packet is in A only";
            case Change::packet_added:
                return "the packet is in B only";
            case Change::chain_gone:
                return "the chain is in A only";
            case Change::chain_added:
                return "the chain is in B only";
            case Change::fate:
                return fmt::format("its end: {} → {}", difference.function, difference.other);
            default:
                return difference.function;
        }
    }

    std::string remark_of(const Difference& difference) const {
        std::string remark;
        if (difference.below > 0) remark += fmt::format(" (+{})", difference.below);
        if (difference.times > 1) remark += fmt::format(" ×{}", difference.times);
        const char* side = difference.blind == Side::a ? "A" : "B";
        switch (difference.change) {
            case Change::moved:
                remark +=
                    difference.to == difference.path
                        ? "  moved among its neighbours"
                        : fmt::format("  moved below {}",
                                      difference.to.empty() ? "no caller" : difference.to.back());
                break;
            case Change::renamed:
                remark += "  renamed";
                break;
            case Change::inlined:
                remark += fmt::format("  inlined in {}, or called there by another name", side);
                break;
            case Change::not_traceable:
                remark += fmt::format("  cannot be seen in {}", side);
                break;
            case Change::lost:
                remark += fmt::format("  {} lost events just there: not known", side);
                break;
            default:
                break;
        }
        return remark;
    }

    /// Functions that one side cannot show, in a few lines.
    void print_blind(Side side, std::string_view name) {
        if (!options_.fold) return;
        std::set<std::string> inlined;
        std::set<std::string> hidden;
        for (const Difference& difference : comparison_.differences) {
            if (difference.blind != side) continue;
            if (difference.change == Change::inlined) inlined.insert(difference.function);
            if (difference.change == Change::not_traceable) hidden.insert(difference.function);
        }
        for (const std::string& function : inlined) hidden.erase(function);
        print_names(fmt::format("inlined in {} (what they call is seen in their callers):", name),
                    inlined);
        print_names(
            fmt::format("cannot be seen in {}, so whether they were called is not known:", name),
            hidden);
    }

    void print_names(const std::string& title, const std::set<std::string>& names) {
        if (names.empty()) return;
        out_ << '\n' << title << '\n';
        const std::string list = fmt::format("{}", fmt::join(names, " "));
        for (const std::string& line : wrapped(list, options_.width - 2)) {
            out_ << "  " << ink(line, Ink::dim) << '\n';
        }
    }

    void print_explained() {
        std::size_t times = 0;
        for (const auto& explanation : comparison_.explained) times += explanation.times;
        if (times == 0) return;
        out_ << '\n'
             << ink(fmt::format("explained by rules: {} difference{}{}", times,
                                times == 1 ? "" : "s", options_.fold ? "; --full says which" : ":"),
                    Ink::dim)
             << '\n';
        if (options_.fold) return;
        for (const auto& explanation : comparison_.explained) {
            out_ << fmt::format("  {:>4} × {}\n", explanation.times, explanation.rule);
            for (const auto& line : wrapped(explanation.reason, options_.width - 9)) {
                out_ << "         " << ink(line, Ink::dim) << '\n';
            }
        }
    }

    void print_left_out() {
        if (options_.fold) return;
        const auto a = comparison_.a.without_packet;
        const auto b = comparison_.b.without_packet;
        if (a + b == 0) return;
        out_ << '\n'
             << ink(fmt::format("not compared: {} chain{} of A and {} of B that handle no packet "
                                "and have no "
                                "name in both verdicts",
                                a, a == 1 ? "" : "s", b),
                    Ink::dim)
             << '\n';
    }

    static std::string percent(double part) { return fmt::format("{:.2f} %", 100 * part); }

    void print_durations() {
        if (!comparison_.durations) return;
        const diff::Durations& durations = *comparison_.durations;
        out_ << fmt::format(
            "\ndurations, {} ns an instruction: {} of {} calls took the same; apart by {} at the "
            "median,\n{} at the 95th percentile, {} at most\n",
            durations.nanoseconds_per_instruction, durations.same, durations.calls,
            percent(durations.median), percent(durations.percentile_95),
            percent(durations.largest));
        if (options_.fold || durations.functions.empty()) return;
        out_ << ink("      A ns       B ns       B - A  calls  took itself", Ink::dim) << '\n';
        for (const diff::FunctionCost& cost : durations.functions) {
            out_ << fmt::format("{:>10} {:>10} {:>+11} {:>6}  {}\n", cost.a, cost.b,
                                cost.b - cost.a, cost.calls, cost.function);
        }
    }

    void print_summary() {
        // Of packets, and of chains.
        std::array<std::size_t, 2> all{};
        std::array<std::size_t, 2> equal{};
        for (const Pair& pair : comparison_.pairs) {
            ++all[pair.is_chain ? 1 : 0];
            equal[pair.is_chain ? 1 : 0] += pair.equal ? 1 : 0;
        }
        const auto different = std::count_if(
            comparison_.differences.begin(), comparison_.differences.end(),
            [](const Difference& difference) { return is_difference(difference.change); });
        out_ << '\n';
        switch (comparison_.likeness) {
            case diff::Likeness::equal:
                out_ << ink("equal", Ink::good);
                break;
            case diff::Likeness::different:
                out_ << ink("different", Ink::bad);
                break;
            case diff::Likeness::unknown:
                out_ << ink("not known: events were lost where it matters", Ink::warning);
                break;
        }
        std::string same;
        if (all[0] > 0) same = fmt::format("{} of {} packets", equal[0], all[0]);
        if (all[1] > 0) {
            same += fmt::format("{}{} of {} chains without {}", same.empty() ? "" : " and ",
                                equal[1], all[1], same.empty() ? "a packet" : "one");
        }
        out_ << ": " << same << " took the same way";
        if (different > 0) {
            out_ << fmt::format("; {} difference{}", different, different == 1 ? "" : "s");
        }
        out_ << '\n';
    }

    std::ostream& out_;
    const Comparison& comparison_;
    ShowOptions options_;
};

}  // namespace

void show_diff(std::ostream& out, const diff::Comparison& comparison, const ShowOptions& options) {
    DiffPrinter(out, comparison, options).print();
}

}  // namespace skbtrail::labs
