#include "labs/check/source/verify.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "labs/check/conditions.h"

namespace skbtrail::labs::source {
namespace {

using Finding = Edge::Finding;

/// A function that calls come from: a chain's roots are several, of which one is enough.
struct Caller {
    std::vector<std::string> names;
    std::string file;
};

class Verifier {
  public:
    Verifier(const Expectation& expectation, const SourceTree& tree, const CallTables& tables)
        : expectation_(expectation), tree_(tree), sites_(tree, tables) {
        observed_.kernel_release = tree.release();
        result_.release = tree.release();
    }

    Verification run() {
        for (const ExpectedChain& chain : expectation_.chains) {
            chain_ = chain.name;
            if (!chain.calls || left_out(chain.when)) continue;
            walk(*chain.calls, {chain.roots, {}}, true);
        }
        return std::move(result_);
    }

  private:
    /// Only versions are known of a source tree: other conditions are taken to hold.
    bool left_out(const Conditions& when) const {
        Conditions versions;
        versions.kernel = when.kernel;
        return holds(versions, observed_).truth == ConditionAnswer::Truth::no;
    }

    void walk(const std::vector<Step>& steps, const Caller& caller, bool required) {
        for (const Step& step : steps) {
            const bool here = required && !step.optional;
            // A call says itself that it is left out.
            if (step.kind != Step::Kind::call && left_out(step.when)) continue;
            switch (step.kind) {
                case Step::Kind::call:
                    claim(step, caller, here);
                    break;
                case Step::Kind::any_of:
                    choose(step, caller, here);
                    break;
                case Step::Kind::unordered:
                    for (const auto& member : step.alternatives) walk(member, caller, here);
                    break;
                case Step::Kind::somewhere:
                    for (const Step& below : step.alternatives[0]) {
                        note(below, caller, here);
                        if (below.calls) walk(*below.calls, as_caller(below), here);
                    }
                    break;
                case Step::Kind::anything:
                    break;
            }
        }
    }

    /// One alternative that the source has is enough; without any, the first one's claim fails.
    void choose(const Step& step, const Caller& caller, bool required) {
        bool any = false;
        const std::size_t begin = result_.edges.size();
        for (const auto& alternative : step.alternatives) {
            const std::size_t before = result_.edges.size();
            walk(alternative, caller, false);
            const bool all = std::all_of(
                result_.edges.begin() + static_cast<std::ptrdiff_t>(before), result_.edges.end(),
                [](const Edge& edge) { return edge.finding == Finding::found; });
            any = any || all;
        }
        if (any || !required || begin == result_.edges.size()) return;
        result_.edges[begin].required = true;
    }

    static Caller as_caller(const Step& step) { return {{step.call}, step.file}; }

    void claim(const Step& step, const Caller& caller, bool required) {
        Edge edge = edge_of(step, caller, required);
        if (left_out(step.when)) {
            edge.finding = Finding::other_kernel;
            edge.detail = fmt::format("not expected on {}", tree_.release());
        } else {
            look(step, caller, edge);
        }
        // What may be inlined may as well not have been split off yet, or any more: then it is its
        // caller that has to make its calls.
        const bool merged =
            step.may_inline && edge.finding == Finding::no_callee && define(step.call, {}).empty();
        if (merged) edge.required = false;
        add(std::move(edge));
        if (step.calls && !left_out(step.when)) {
            walk(*step.calls, merged ? caller : as_caller(step), required);
        }
    }

    void note(const Step& step, const Caller& caller, bool required) {
        if (step.kind != Step::Kind::call) return;
        Edge edge = edge_of(step, caller, required);
        edge.finding = Finding::not_claimed;
        edge.detail = "somewhere below: the way is not part of the claim";
        add(std::move(edge));
    }

    Edge edge_of(const Step& step, const Caller& caller, bool required) const {
        Edge edge;
        edge.chain = chain_;
        edge.caller = fmt::format("{}", fmt::join(caller.names, " or "));
        edge.callee = step.call;
        edge.file = step.file;
        edge.required = required;
        edge.place = step.place;
        return edge;
    }

    void add(Edge edge) {
        const auto [known, added] = index_.try_emplace(
            {edge.caller, edge.callee, edge.file, edge.required}, result_.edges.size());
        if (added) result_.edges.push_back(std::move(edge));
    }

    std::vector<std::string> names_of(const std::string& function) const {
        std::vector<std::string> names = {function};
        const auto more = expectation_.aliases.find(function);
        if (more != expectation_.aliases.end()) {
            names.insert(names.end(), more->second.begin(), more->second.end());
        }
        return names;
    }

    std::vector<Definition> define(const std::string& function, const std::string& file) const {
        std::vector<Definition> found;
        for (const std::string& name : names_of(function)) {
            auto more = sites_.definitions(name, file);
            std::move(more.begin(), more.end(), std::back_inserter(found));
        }
        return found;
    }

    void look(const Step& step, const Caller& caller, Edge& edge) const {
        std::vector<std::vector<Definition>> callees;
        for (const std::string& name : names_of(step.call)) {
            auto defined = sites_.definitions(name, step.file);
            if (!defined.empty()) callees.push_back(std::move(defined));
        }
        if (callees.empty()) {
            edge.finding = Finding::no_callee;
            edge.detail = missing_text(step.call, step.file);
            return;
        }
        std::vector<Definition> callers;
        for (const std::string& name : caller.names) {
            auto more = define(name, caller.file);
            std::move(more.begin(), more.end(), std::back_inserter(callers));
        }
        if (callers.empty()) {
            edge.finding = Finding::no_caller;
            edge.detail = missing_text(edge.caller, caller.file);
            return;
        }
        for (const auto& callee : callees) {
            for (const Definition& definition : callers) {
                if (auto site = sites_.find(definition, callee)) {
                    edge.site = std::move(*site);
                    return;
                }
            }
        }
        edge.finding = Finding::no_call;
        edge.detail = fmt::format(
            "{} ({}:{}) does not call {}: not by name, not through an inline function or a macro, "
            "not through a table that tables.json names",
            edge.caller, callers[0].file, callers[0].function->line, step.call);
    }

    std::string missing_text(const std::string& function, const std::string& file) const {
        if (!file.empty() && tree_.file(file) == nullptr) {
            return fmt::format("there is no {} in the tree", file);
        }
        const auto elsewhere = file.empty() ? std::vector<Definition>() : define(function, {});
        if (!elsewhere.empty()) {
            return fmt::format("{} is defined in {}, not in {}", function, elsewhere[0].file, file);
        }
        if (file.empty()) {
            return fmt::format("{} is not defined where names are looked for; say its \"file\"",
                               function);
        }
        return fmt::format("{} is not defined in {}", function, file);
    }

    const Expectation& expectation_;
    const SourceTree& tree_;
    CallSites sites_;
    chain::Observed observed_;
    std::string chain_;
    std::map<std::tuple<std::string, std::string, std::string, bool>, std::size_t> index_;
    Verification result_;
};

}  // namespace

std::size_t Verification::count(Edge::Finding finding) const {
    return static_cast<std::size_t>(
        std::count_if(edges.begin(), edges.end(),
                      [finding](const Edge& edge) { return edge.finding == finding; }));
}

std::size_t Verification::count(CallSite::Kind kind) const {
    return static_cast<std::size_t>(
        std::count_if(edges.begin(), edges.end(), [kind](const Edge& edge) {
            return edge.finding == Finding::found && edge.site.kind == kind;
        }));
}

std::vector<const Edge*> Verification::failures() const {
    std::vector<const Edge*> failed;
    for (const Edge& edge : edges) {
        const bool confirmed = edge.finding == Finding::found ||
                               edge.finding == Finding::not_claimed ||
                               edge.finding == Finding::other_kernel;
        if (!confirmed && edge.required) failed.push_back(&edge);
    }
    return failed;
}

Verification verify(const Expectation& expectation, const SourceTree& tree,
                    const CallTables& tables) {
    return Verifier(expectation, tree, tables).run();
}

}  // namespace skbtrail::labs::source
