// A call's surroundings: what it was called from, and what it called.
#pragma once

#include <cstdint>
#include <string>

#include "tracer/function_table.h"
#include "tracer/tree.h"

namespace skbtrail::tracer {

/// Asks the forest about one call. A call that is not in the forest (no_node) has no surroundings.
class CallTree {
  public:
    /// Both must outlive it.
    CallTree(const Forest& forest, const FunctionTable& functions)
        : forest_(forest), functions_(functions) {}

    /// A function's name; empty for no_function.
    [[nodiscard]] const std::string& name_of(FunctionId function) const {
        static const std::string none;
        return function == no_function ? none : functions_[function].name;
    }
    [[nodiscard]] std::uint32_t roles_of(FunctionId function) const {
        return function == no_function ? 0 : functions_[function].roles;
    }
    [[nodiscard]] FunctionId function_of(NodeId node) const {
        return node == no_node ? no_function : forest_.nodes[node].function;
    }
    [[nodiscard]] NodeId parent_of(NodeId node) const {
        return node == no_node ? no_node : forest_.nodes[node].parent;
    }
    /// The thread that called; 0 for no_node.
    [[nodiscard]] std::uint32_t thread_of(NodeId node) const {
        return node == no_node ? 0 : forest_.nodes[node].pid;
    }
    /// The call itself or its nearest caller with one of the roles; no_node when there is none.
    [[nodiscard]] NodeId caller_with(NodeId node, std::uint32_t roles) const {
        return caller_with_role(forest_, functions_, node, roles);
    }
    /// True when it has one of the roles, or something that it called has, directly or not.
    [[nodiscard]] bool has_below(NodeId node, std::uint32_t roles) const {
        return node != no_node && has_role_below(forest_, functions_, node, roles);
    }

  private:
    const Forest& forest_;
    const FunctionTable& functions_;
};

}  // namespace skbtrail::tracer
