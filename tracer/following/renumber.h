// What is known by calls goes on being known when the forest forgets some of them.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "tracer/tree.h"

namespace skbtrail::tracer {

/// The entries of a map by node under their nodes' new numbers.
template <typename Value>
void renumber_keys(std::unordered_map<NodeId, Value>& map, const std::vector<NodeId>& numbers) {
    std::unordered_map<NodeId, Value> left;
    for (auto& [node, value] : map) {
        if (node < numbers.size() && numbers[node] != no_node) {
            left.emplace(numbers[node], std::move(value));
        }
    }
    map = std::move(left);
}

}  // namespace skbtrail::tracer
