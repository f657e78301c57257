#include "labs/diff/align.h"

#include <algorithm>
#include <optional>

#include "labs/diff/likeness.h"

namespace skbtrail::labs::diff {
namespace {

// Where two calls of different name are taken for one that was renamed.
constexpr double alike_calls = 0.5;
constexpr double alike_names = 0.6;

bool lossy(const chain::Recording& recording) {
    return std::any_of(recording.losses.begin(), recording.losses.end(),
                       [](const chain::Loss& loss) { return loss.count > 0; });
}

bool same_kernel(const chain::Observed& a, const chain::Observed& b) {
    return a.kernel_build_id.empty() || b.kernel_build_id.empty()
               ? a.kernel_release == b.kernel_release
               : a.kernel_build_id == b.kernel_build_id;
}

bool calls(const ViewCall& call, NameId name) {
    return std::any_of(call.calls.begin(), call.calls.end(),
                       [&](const ViewCall& below) { return below.name == name; });
}

}  // namespace

Aligner::Aligner(const Views& a, const Views& b, RuleBook& rules, const NameTable& names,
                 OnPair on_pair)
    : a_(a),
      b_(b),
      rules_(rules),
      names_(names),
      on_pair_(std::move(on_pair)),
      same_kernel_(same_kernel(a.recording().observed, b.recording().observed)),
      lossy_a_(lossy(a.recording())),
      lossy_b_(lossy(b.recording())) {}

std::vector<Mismatch> Aligner::compare(const std::vector<ViewCall>& a,
                                       const std::vector<ViewCall>& b) {
    found_.clear();
    std::map<NameId, std::pair<Calls, Calls>> roots;
    std::vector<NameId> order;
    for (const ViewCall& tree : a) {
        if (!roots.contains(tree.name)) order.push_back(tree.name);
        roots[tree.name].first.push_back(&tree);
    }
    for (const ViewCall& tree : b) {
        if (!roots.contains(tree.name)) order.push_back(tree.name);
        roots[tree.name].second.push_back(&tree);
    }
    Level level{.incomplete_a = lossy_a_,
                .incomplete_b = lossy_b_,
                .names = {},
                .same = {},
                .left_a = {},
                .left_b = {},
                .opened = {}};
    Calls rest_a;
    Calls rest_b;
    for (const NameId root : order) {
        const auto& [of_a, of_b] = roots.at(root);
        if (of_b.empty()) {
            rest_a.insert(rest_a.end(), of_a.begin(), of_a.end());
        } else if (of_a.empty()) {
            rest_b.insert(rest_b.end(), of_b.begin(), of_b.end());
        } else {
            align(of_a, of_b, level);
        }
    }
    // Roots that only one side has: one of them may go by another name there.
    gap(rest_a, rest_b, level);
    settle(level);
    find_moved();
    return std::move(found_);
}

void Aligner::descend(const ViewCall& a, const ViewCall& b) {
    if (a.shape == b.shape) {
        if (on_pair_) tell_below(a, b);
        return;
    }
    Level level{.incomplete_a = a.incomplete,
                .incomplete_b = b.incomplete,
                .names = {},
                .same = {},
                .left_a = {},
                .left_b = {},
                .opened = {}};
    Calls of_a;
    Calls of_b;
    for (const ViewCall& call : a.calls) of_a.push_back(&call);
    for (const ViewCall& call : b.calls) of_b.push_back(&call);
    callers_a_.push_back(a.name);
    callers_b_.push_back(b.name);
    align(of_a, of_b, level);
    settle(level);
    callers_a_.pop_back();
    callers_b_.pop_back();
}

void Aligner::pair(const ViewCall& a, const ViewCall& b, Level& level) {
    level.names.insert(a.name);
    level.names.insert(b.name);
    level.same.insert(&a);
    level.same.insert(&b);
    together_.emplace(a.chain->id, b.chain->id);
    if (on_pair_) on_pair_(a, b);
    descend(a, b);
}

void Aligner::tell_below(const ViewCall& a, const ViewCall& b) const {
    for (std::size_t i = 0; i < a.calls.size() && i < b.calls.size(); ++i) {
        on_pair_(a.calls[i], b.calls[i]);
        tell_below(a.calls[i], b.calls[i]);
    }
}

void Aligner::align(const Calls& a, const Calls& b, Level& level) {
    std::size_t front = 0;
    while (front < a.size() && front < b.size() && a[front]->shape == b[front]->shape) {
        pair(*a[front], *b[front], level);
        ++front;
    }
    std::size_t back = 0;
    while (back < a.size() - front && back < b.size() - front &&
           a[a.size() - 1 - back]->shape == b[b.size() - 1 - back]->shape) {
        pair(*a[a.size() - 1 - back], *b[b.size() - 1 - back], level);
        ++back;
    }
    align_middle(std::span(a).subspan(front, a.size() - front - back),
                 std::span(b).subspan(front, b.size() - front - back), level);
}

void Aligner::align_middle(std::span<const ViewCall* const> a, std::span<const ViewCall* const> b,
                           Level& level) {
    auto pairs = common_calls(a, b);
    pairs.emplace_back(a.size(), b.size());
    std::size_t next_a = 0;
    std::size_t next_b = 0;
    for (const auto& [i, j] : pairs) {
        const auto before_a = a.subspan(next_a, i - next_a);
        const auto before_b = b.subspan(next_b, j - next_b);
        gap(Calls(before_a.begin(), before_a.end()), Calls(before_b.begin(), before_b.end()),
            level);
        if (i < a.size()) pair(*a[i], *b[j], level);
        next_a = i + 1;
        next_b = j + 1;
    }
}

void Aligner::gap(Calls a, Calls b, Level& level) {
    if (a.empty() && b.empty()) return;
    take_renamed(a, b, level);
    const bool opened_a = open(a, Side::a, level);
    const bool opened_b = open(b, Side::b, level);
    if (opened_a || opened_b) {
        align(a, b, level);
        return;
    }
    level.left_a.insert(level.left_a.end(), a.begin(), a.end());
    level.left_b.insert(level.left_b.end(), b.begin(), b.end());
}

bool Aligner::renamed(const ViewCall& a, const ViewCall& b, bool alone) const {
    if (a.takes != b.takes || a.name == b.name) return false;
    if (a_.would_show(b, b_) && b_.would_show(a, a_)) return false;  // two functions, then
    if (calls(a, b.name) || calls(b, a.name)) return false;          // one stands between, then
    const bool leaves = a.calls.empty() && b.calls.empty();
    if (!leaves) return likeness(a, b) >= alike_calls;
    return (alone && same_kernel_) ||
           likeness(names_.text(a.name), names_.text(b.name)) >= alike_names;
}

void Aligner::take_renamed(Calls& a, Calls& b, Level& level) {
    const bool alone = a.size() == 1 && b.size() == 1;
    auto from = b.begin();
    for (auto call = a.begin(); call != a.end();) {
        const auto other = std::find_if(from, b.end(), [&](const ViewCall* candidate) {
            return renamed(**call, *candidate, alone);
        });
        if (other == b.end()) {
            ++call;
            continue;
        }
        found_.push_back({.change = Change::renamed,
                          .blind = Side::b,
                          .a = *call,
                          .b = *other,
                          .path = callers_a_,
                          .to = callers_b_});
        pair(**call, **other, level);
        from = b.erase(other);
        call = a.erase(call);
    }
}

bool Aligner::open(Calls& calls, Side side, Level& level) {
    const auto& callers = side == Side::a ? callers_a_ : callers_b_;
    const Views& own = side == Side::a ? a_ : b_;
    const Views& other = side == Side::a ? b_ : a_;
    bool opened = false;
    Calls result;
    for (const ViewCall* call : calls) {
        const auto rule = rules_.find(Effect::through, call->name, callers);
        const bool blind = !other.would_show(*call, own);
        if (call->calls.empty() || (!rule && !blind)) {
            result.push_back(call);
            continue;
        }
        opened = true;
        if (rule) {
            ++explained_[*rule];
        } else {
            level.opened.emplace_back(call, side);
        }
        for (const ViewCall& below : call->calls) result.push_back(&below);
    }
    calls = std::move(result);
    return opened;
}

void Aligner::settle(Level& level) {
    for (const auto& [call, side] : level.opened) settle_opened(*call, side, level);
    for (const ViewCall* call : level.left_a) settle_call(*call, Side::a, level);
    for (const ViewCall* call : level.left_b) settle_call(*call, Side::b, level);
}

void Aligner::settle_opened(const ViewCall& call, Side side, Level& level) {
    const bool of_a = side == Side::a;
    const bool inlined =
        std::any_of(call.calls.begin(), call.calls.end(),
                    [&](const ViewCall& below) { return level.same.contains(&below); });
    Change change = inlined ? Change::inlined : Change::not_traceable;
    if (!inlined && (of_a ? b_ : a_).probably_lacks(call, of_a ? a_ : b_)) {
        change = of_a ? Change::gone : Change::added;
        // With all that it called.
        std::erase_if(of_a ? level.left_a : level.left_b, [&](const ViewCall* left) {
            return std::any_of(call.calls.begin(), call.calls.end(),
                               [&](const ViewCall& below) { return &below == left; });
        });
    }
    found_.push_back({.change = change,
                      .blind = of_a ? Side::b : Side::a,
                      .a = of_a ? &call : nullptr,
                      .b = of_a ? nullptr : &call,
                      .path = of_a ? callers_a_ : callers_b_,
                      .to = {}});
}

void Aligner::settle_call(const ViewCall& call, Side side, const Level& level) {
    const auto& callers = side == Side::a ? callers_a_ : callers_b_;
    auto rule = rules_.find(Effect::may_come, call.name, callers);
    if (!rule && level.names.contains(call.name)) {
        rule = rules_.find(Effect::repeats, call.name, callers);
    }
    if (rule) {
        ++explained_[*rule];
        return;
    }
    const bool of_a = side == Side::a;
    Change change = of_a ? Change::gone : Change::added;
    const Views& own = of_a ? a_ : b_;
    const Views& other = of_a ? b_ : a_;
    if (!other.would_show(call, own) && !other.probably_lacks(call, own)) {
        change = Change::not_traceable;
    } else if (of_a ? level.incomplete_b : level.incomplete_a) {
        change = Change::lost;
    }
    found_.push_back({.change = change,
                      .blind = of_a ? Side::b : Side::a,
                      .a = of_a ? &call : nullptr,
                      .b = of_a ? nullptr : &call,
                      .path = callers,
                      .to = {}});
}

void Aligner::find_moved() {
    for (Mismatch& gone : found_) {
        if (gone.change != Change::gone) continue;
        const auto same = [&](const Mismatch& other, bool exactly) {
            return other.change == Change::added && other.b->name == gone.a->name &&
                   other.b->takes == gone.a->takes &&
                   (other.b->shape == gone.a->shape ||
                    (!exactly && likeness(*gone.a, *other.b) >= alike_calls));
        };
        auto other = std::find_if(found_.begin(), found_.end(),
                                  [&](const Mismatch& its) { return same(its, true); });
        if (other == found_.end()) {
            other = std::find_if(found_.begin(), found_.end(),
                                 [&](const Mismatch& its) { return same(its, false); });
        }
        if (other == found_.end()) continue;
        gone.change = Change::moved;
        gone.b = other->b;
        gone.to = other->path;
        // Its own place among the differences is not needed any more.
        const auto taken = other - found_.begin();
        found_[static_cast<std::size_t>(taken)].change = Change::moved;
        found_[static_cast<std::size_t>(taken)].a = nullptr;
    }
    std::erase_if(found_, [](const Mismatch& mismatch) {
        return mismatch.change == Change::moved && mismatch.a == nullptr;
    });
}

}  // namespace skbtrail::labs::diff
