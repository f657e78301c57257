#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/show/paint.h"
#include "labs/show/show.h"

namespace skbtrail::labs {
namespace {

struct OutcomeMark {
    const char* glyph;
    const char* word;
    Ink ink;
};

OutcomeMark mark_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::passed:
            return {"✓", "passed", Ink::good};
        case Outcome::diverged:
            return {"✗", "diverged", Ink::bad};
        case Outcome::not_judgeable:
            return {"?", "not judgeable", Ink::warning};
        case Outcome::skipped:
            break;
    }
    return {"-", "skipped", Ink::dim};
}

class VerdictPrinter {
  public:
    VerdictPrinter(std::ostream& out, const ShowOptions& options) : out_(out), options_(options) {}

    void print(const Verdict& verdict) {
        const OutcomeMark mark = mark_of(verdict.outcome);
        out_ << ink(mark.word, mark.ink);
        const std::string& name = verdict.title.empty() ? verdict.lab : verdict.title;
        if (!name.empty()) out_ << ": " << ink(name, Ink::strong);
        if (!verdict.kernel_release.empty()) out_ << ", kernel " << verdict.kernel_release;
        out_ << '\n';
        if (!verdict.reason.empty()) sentences("", verdict.reason, 2);
        for (const ChainVerdict& chain : verdict.chains) print_chain(chain);
        for (const Divergence& call : verdict.forbidden) {
            out_ << "  " << ink("✗", Ink::bad) << " " << ink(call.came, Ink::strong)
                 << fmt::format(" came in chain {}", call.chain.value_or(0)) << '\n';
            print_divergence(call);
        }
        const std::size_t skipped = verdict.count(Outcome::skipped);
        out_ << fmt::format("{} of {} chains as expected", verdict.count(Outcome::passed),
                            verdict.chains.size());
        if (skipped > 0) out_ << fmt::format(", {} skipped", skipped);
        out_ << '\n';
        show_losses(out_, verdict.losses, options_);
    }

  private:
    std::string ink(std::string_view text, Ink ink) const {
        return paint(text, ink, options_.colour);
    }

    void print_chain(const ChainVerdict& chain) {
        const OutcomeMark mark = mark_of(chain.outcome);
        out_ << "  " << ink(mark.glyph, mark.ink) << " " << ink(chain.name, Ink::strong);
        if (chain.outcome == Outcome::passed) {
            out_ << "  " << ink(where(chain), Ink::dim);
        } else {
            out_ << ": " << ink(mark.word, mark.ink);
            if (chain.divergence && chain.divergence->chain) {
                out_ << fmt::format(" in chain {}", *chain.divergence->chain);
                if (chain.divergence->packet) {
                    out_ << fmt::format(", packet #{}", *chain.divergence->packet);
                }
            }
        }
        out_ << '\n';
        if (!chain.reason.empty()) sentences("", chain.reason, 6);
        if (chain.divergence) print_divergence(*chain.divergence);
    }

    static std::string where(const ChainVerdict& chain) {
        constexpr std::size_t shown = 6;
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < std::min(shown, chain.chains.size()); ++i) {
            std::string id = fmt::format("{}", chain.chains[i]);
            if (i < chain.packets.size()) id += fmt::format(" #{}", chain.packets[i]);
            ids.push_back(std::move(id));
        }
        if (chain.chains.size() > shown) {
            ids.push_back(fmt::format("{} more", chain.chains.size() - shown));
        }
        if (ids.empty()) return "never, as expected";
        return fmt::format("chain{} {}", chain.chains.size() == 1 ? "" : "s", fmt::join(ids, ", "));
    }

    /// The steps that led to the place, what was expected there, and what came.
    void print_divergence(const Divergence& divergence) {
        constexpr std::size_t margin = 6;
        out_ << '\n';
        std::size_t depth = 0;
        for (const PathLine& line : divergence.lines) {
            const std::string branch = branch_of(line.depth, line.ancestor);
            out_ << std::string(margin, ' ') << ink(branch, Ink::dim);
            if (!line.ancestor) out_ << ink("✓ ", Ink::good);
            out_ << line.function << '\n';
            depth = line.ancestor ? line.depth + 1 : line.depth;
        }
        const auto finding = [&](bool last, std::string_view what, const std::string& text,
                                 Ink its_ink) {
            const std::string branch = divergence.lines.empty() ? "" : branch_of(depth, last);
            out_ << std::string(margin, ' ') << ink(branch, Ink::dim) << ink(what, its_ink)
                 << ink(text, Ink::strong) << '\n';
        };
        finding(false, "✗ expected: ", divergence.expected, Ink::bad);
        finding(true, "  came:     ", divergence.came, Ink::bad);
        out_ << '\n';
        sentences("likely cause", divergence.explanation, margin);
        sentences("what to do", divergence.next, margin);
        if (!divergence.place.empty()) sentences("expectation", divergence.place, margin);
        out_ << '\n';
    }

    static std::string branch_of(std::size_t depth, bool last) {
        if (depth == 0) return "";
        return std::string((depth - 1) * 3, ' ') + (last ? "└─ " : "├─ ");
    }

    void sentences(std::string_view name, const std::string& text, std::size_t margin) {
        constexpr std::size_t name_columns = 14;
        const std::size_t indent = margin + (name.empty() ? 0 : name_columns);
        constexpr std::size_t narrowest = 30;
        const std::size_t room = std::max<std::size_t>(
            narrowest, options_.width - std::min<std::size_t>(options_.width, indent));
        bool first = true;
        for (const std::string& line : wrapped(text, room)) {
            if (first && !name.empty()) {
                out_ << std::string(margin, ' ') << ink(padded(name, name_columns), Ink::dim);
            } else {
                out_ << std::string(indent, ' ');
            }
            out_ << line << '\n';
            first = false;
        }
    }

    std::ostream& out_;
    const ShowOptions& options_;
};

}  // namespace

void show_verdict(std::ostream& out, const Verdict& verdict, const ShowOptions& options) {
    VerdictPrinter(out, options).print(verdict);
}

}  // namespace skbtrail::labs
