#include "labs/bless/proposal.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "labs/check/check.h"
#include "labs/check/expectation_json.h"
#include "tracer/chain/names.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs::bless {
namespace {

/// A chain that wants more changes than this is another chain.
constexpr std::size_t most_hunks_of_chain = 64;
constexpr std::size_t context_lines = 2;

bool is_incomplete(const chain::Call& call) {
    return !call.incomplete.empty() ||
           std::any_of(call.calls.begin(), call.calls.end(), is_incomplete);
}

std::string quoted(const std::string& text) {
    return nlohmann::json(text).dump();
}

class Proposing {
  public:
    Proposing(const chain::Recording& recording, std::string_view text)
        : recording_(recording), text_(text) {}

    Proposal run() {
        while (const auto diverged = next()) {
            if (const auto why = mend(*diverged); !why.empty()) {
                proposal_.by_hand.push_back(fmt::format("{}: {}", diverged->name, why));
                given_up_.insert(diverged->name);
            }
        }
        return std::move(proposal_);
    }

  private:
    struct Change {
        TextEdit edit;
        std::string what;
    };

    std::optional<ChainVerdict> next() const {
        auto verdict = check(recording_, parse_expectation(text_));
        for (auto& chain : verdict.chains) {
            if (chain.outcome == Outcome::diverged && !given_up_.contains(chain.name)) {
                return std::move(chain);
            }
        }
        return std::nullopt;
    }

    /// Makes one change; why none could be made, else nothing.
    std::string mend(const ChainVerdict& verdict) {
        if (!verdict.divergence) return verdict.reason;
        const Divergence& divergence = *verdict.divergence;
        const auto change = change_for(divergence);
        if (!change) return fmt::format("{}; {}", divergence.explanation, divergence.next);
        if (++changes_[verdict.name] > most_hunks_of_chain) {
            return "it takes another way altogether; write it anew (`skbtrail expect new`)";
        }
        auto original = in_the_old_text(change->edit);
        auto changed = edited(text_, change->edit);
        if (!original || !is_expectation(changed)) {
            return fmt::format("{}, and no step can simply be added or left out there",
                               divergence.explanation);
        }
        made_.push_back(change->edit);
        text_ = std::move(changed);
        proposal_.hunks.push_back({verdict.name, change->what, std::move(*original)});
        return {};
    }

    static bool is_expectation(const std::string& text) {
        try {
            parse_expectation(text);
            return true;
        } catch (const chain::FormatError&) {
            return false;
        }
    }

    std::optional<Change> change_for(const Divergence& divergence) {
        switch (divergence.cause) {
            case Cause::unexpected_call:
                return one_more(divergence);
            case Cause::cannot_be_seen:
                return cannot_be_seen(divergence);
            case Cause::not_called:
            case Cause::other_order:
            case Cause::other_parent:
            case Cause::other_chain:
                return one_less(divergence);
            default:
                return std::nullopt;
        }
    }

    std::optional<Change> one_more(const Divergence& divergence) const {
        if (divergence.called.empty()) return std::nullopt;
        // In front of a step that all labs share: it cannot go in front, and not to the end either.
        if (step_of(divergence).empty() && !divergence.list_over) return std::nullopt;
        const auto step = fmt::format("{{\"call\": {}}}", quoted(divergence.called));
        const auto edit = step_of(divergence).empty()
                              ? insert_after(text_, divergence.last, step)
                              : insert_before(text_, divergence.place, step);
        if (!edit) return std::nullopt;
        return Change{*edit, fmt::format("{} called {}: a step more{}", caller(divergence),
                                         divergence.called, shared(divergence))};
    }

    std::optional<Change> one_less(const Divergence& divergence) {
        // What goes by another name, and does the same below, keeps its steps.
        if (divergence.cause == Cause::not_called && !divergence.called.empty() &&
            find_value(text_, divergence.place + "/calls") && !named_.contains(divergence.place)) {
            if (const auto edit =
                    replace_value(text_, divergence.place + "/call", quoted(divergence.called))) {
                named_.insert(divergence.place);
                return Change{
                    *edit, fmt::format("{} called {} in its place: another name{}",
                                       caller(divergence), divergence.called, shared(divergence))};
            }
        }
        if (step_of(divergence).empty()) return std::nullopt;
        const auto edit = remove_element(text_, divergence.place);
        if (!edit) return std::nullopt;
        return Change{*edit,
                      fmt::format("{} did not call {} there: a step less{}", caller(divergence),
                                  divergence.expected, shared(divergence))};
    }

    /// It may well have been called: the step stays, for kernels that show it.
    std::optional<Change> cannot_be_seen(const Divergence& divergence) const {
        const bool leaf = !find_value(text_, divergence.place + "/calls");
        const char* member = leaf ? "optional" : "may_inline";
        auto edit = add_member(text_, divergence.place, member, "true");
        if (const auto name = find_value(text_, divergence.place);
            !edit && leaf && name && text_[name->begin] == '"') {
            edit = replace_value(
                text_, divergence.place,
                fmt::format("{{\"call\": {}, \"optional\": true}}",
                            std::string_view(text_).substr(name->begin, name->end - name->begin)));
        }
        if (!edit) return std::nullopt;
        return Change{*edit, fmt::format("{} cannot be seen on this kernel: \"{}\"{}",
                                         divergence.expected, member, shared(divergence))};
    }

    /// The step that was wanted at the place; none where a list was over.
    static std::string step_of(const Divergence& divergence) {
        if (divergence.list_over) return {};
        const auto& place = divergence.place;
        const bool step = place.starts_with("/fragments/") ||
                          (place.starts_with("/chains/") && place.find("/calls/") != place.npos);
        return step ? place : "";
    }

    static std::string caller(const Divergence& divergence) {
        return divergence.path.empty() ? "nothing" : divergence.path.back();
    }

    static std::string shared(const Divergence& divergence) {
        const auto step = step_of(divergence);
        const auto& place = step.empty() ? divergence.last : step;
        return place.starts_with("/fragments/") ? " (in a fragment: for all that use it)" : "";
    }

    /// Where a change of the present text stands in the old one; nothing where that did not have
    /// the place.
    std::optional<TextEdit> in_the_old_text(TextEdit edit) const {
        auto end = edit.at + edit.removed;
        for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
            if (!move_back(edit.at, *made) || !move_back(end, *made)) return std::nullopt;
        }
        edit.removed = end - edit.at;
        const auto overlaps = [&](const Hunk& hunk) {
            const auto& other = hunk.edit;
            return edit.at < other.at + other.removed && other.at < end;
        };
        const auto& hunks = proposal_.hunks;
        if (std::any_of(hunks.begin(), hunks.end(), overlaps)) return std::nullopt;
        return edit;
    }

    static bool move_back(std::size_t& place, const TextEdit& made) {
        const auto behind = made.at + made.inserted.size();
        if (place > made.at && place < behind) return false;
        if (place >= behind) place = place - made.inserted.size() + made.removed;
        return true;
    }

    const chain::Recording& recording_;
    std::string text_;
    std::vector<TextEdit> made_;
    Proposal proposal_;
    std::set<std::string> given_up_;
    std::map<std::string, std::size_t> changes_;
    std::set<std::string> named_;  ///< steps that got another name already
};

}  // namespace

std::string why_not(const chain::Recording& recording, std::string_view expectation) {
    for (const chain::Loss& loss : recording.losses) {
        if (loss.count > 0) {
            return fmt::format(
                "the recording lost something ({}: {}), so what is missing in it may have been "
                "called; record again",
                loss.kind, loss.count);
        }
    }
    for (const chain::Chain& chain : recording.chains) {
        if (is_incomplete(chain.root)) {
            return fmt::format("calls may be missing in its chain {}; record again", chain.id);
        }
    }
    if (parse_expectation(expectation).draft) {
        return "the expectation is a draft that nobody has read yet: read it against the kernel's "
               "source, correct it, and remove \"draft\"";
    }
    return {};
}

Proposal propose(const chain::Recording& recording, std::string_view expectation) {
    parse_expectation(expectation);
    return Proposing(recording, expectation).run();
}

std::string with_hunks(std::string_view expectation, const Proposal& proposal,
                       const std::set<std::size_t>& numbers) {
    std::vector<TextEdit> edits;
    edits.reserve(numbers.size());
    for (const auto number : numbers) edits.push_back(proposal.hunks.at(number).edit);
    return edited(expectation, std::move(edits));
}

std::vector<std::string> lines_of(std::string_view expectation, const Hunk& hunk) {
    const auto changed = edited(expectation, hunk.edit);
    const auto before = chain::split_lines(expectation);
    const auto after = chain::split_lines(changed);
    std::size_t front = 0;
    while (front < before.size() && front < after.size() && before[front] == after[front]) ++front;
    std::size_t back = 0;
    while (back < before.size() - front && back < after.size() - front &&
           before[before.size() - 1 - back] == after[after.size() - 1 - back]) {
        ++back;
    }
    std::vector<std::string> result;
    const auto add = [&](char mark, const std::vector<std::string_view>& from, std::size_t begin,
                         std::size_t end) {
        for (auto line = begin; line < end; ++line) {
            result.push_back(fmt::format("{} {}", mark, from[line]));
        }
    };
    add(' ', before, front - std::min(front, context_lines), front);
    add('-', before, front, before.size() - back);
    add('+', after, front, after.size() - back);
    add(' ', before, before.size() - back,
        std::min(before.size(), before.size() - back + context_lines));
    return result;
}

}  // namespace skbtrail::labs::bless
