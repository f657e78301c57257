#include "labs/check/forbidden.h"

#include <fmt/format.h>

#include "labs/check/conditions.h"
#include "tracer/chain/glob.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {

std::vector<NodeId> forbidden_calls(const NameTable& names, const Tree& tree,
                                    const Forbidden& forbidden, const Bindings& bindings) {
    std::vector<NodeId> calls;
    const auto bound = bindings.find(forbidden.packet);
    for (NodeId node = 0; node < tree.nodes().size(); ++node) {
        const std::string recorded(chain::base_name(tree.node(node).call->function));
        const std::string& name = names.text(tree.node(node).name);
        if (!chain::glob_matches(forbidden.pattern, name) &&
            !chain::glob_matches(forbidden.pattern, recorded)) {
            continue;
        }
        const bool any = forbidden.packet.empty();
        if (any || (bound != bindings.end() && tree.takes_any(node, bound->second))) {
            calls.push_back(node);
        }
    }
    return calls;
}

std::string unprovable(const Evidence& evidence, const Forbidden& forbidden) {
    const ConditionAnswer answer = holds(forbidden.when, evidence.recording.observed);
    if (answer.truth == ConditionAnswer::Truth::no) return {};
    if (answer.truth == ConditionAnswer::Truth::unknown) return answer.reason;
    if (evidence.visibility.any_visible(forbidden.pattern)) return {};
    return fmt::format(
        "that {} does not come proves nothing: no function of that name can be seen "
        "on this kernel ({}); name what it is called there in \"aliases\", or put "
        "\"when\" on it",
        forbidden.pattern, evidence.recording.observed.kernel_release);
}

}  // namespace skbtrail::labs
