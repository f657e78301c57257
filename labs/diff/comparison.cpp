#include "labs/diff/comparison.h"

#include <nlohmann/json.hpp>

namespace skbtrail::labs::diff {
namespace {

using json = nlohmann::ordered_json;

json origin_json(const Origin& origin) {
    return {{"name", origin.name},
            {"kernel", origin.kernel},
            {"build_id", origin.build_id},
            {"lab", origin.lab},
            {"change", origin.change},
            {"lost", origin.lost},
            {"without_packet", origin.without_packet}};
}

json pair_json(const Pair& pair) {
    json object{{"of", pair.is_chain ? "chain" : "packet"}};
    if (pair.a) object["a"] = *pair.a;
    if (pair.b) object["b"] = *pair.b;
    object["summary"] = pair.summary;
    object["calls"] = {{"a", pair.calls_a}, {"b", pair.calls_b}};
    object["equal"] = pair.equal;
    return object;
}

bool has_blind_side(Change change) {
    return change == Change::inlined || change == Change::not_traceable || change == Change::lost;
}

json difference_json(const Difference& difference) {
    json object;
    object["change"] = change_name(difference.change);
    object["function"] = difference.function;
    if (!difference.other.empty()) object["other"] = difference.other;
    object["path"] = difference.path;
    if (difference.change == Change::moved) object["to"] = difference.to;
    if (has_blind_side(difference.change)) {
        object["blind"] = difference.blind == Side::a ? "a" : "b";
    }
    object["below"] = difference.below;
    if (!difference.detail.empty()) object["detail"] = difference.detail;
    object["times"] = difference.times;
    object["pairs"] = difference.pairs;
    return object;
}

json durations_json(const Durations& durations) {
    json object{{"nanoseconds_per_instruction", durations.nanoseconds_per_instruction},
                {"calls", durations.calls},
                {"same", durations.same},
                {"median", durations.median},
                {"percentile_95", durations.percentile_95},
                {"largest", durations.largest},
                {"functions", json::array()}};
    for (const FunctionCost& cost : durations.functions) {
        object["functions"].push_back(
            {{"function", cost.function}, {"calls", cost.calls}, {"a", cost.a}, {"b", cost.b}});
    }
    return object;
}

}  // namespace

std::string_view change_name(Change change) {
    switch (change) {
        case Change::gone:
            return "gone";
        case Change::added:
            return "added";
        case Change::moved:
            return "moved";
        case Change::renamed:
            return "renamed";
        case Change::packet_gone:
            return "packet_gone";
        case Change::packet_added:
            return "packet_added";
        case Change::chain_gone:
            return "chain_gone";
        case Change::chain_added:
            return "chain_added";
        case Change::fate:
            return "fate";
        case Change::inlined:
            return "inlined";
        case Change::not_traceable:
            return "not_traceable";
        case Change::lost:
            break;
    }
    return "lost";
}

bool is_difference(Change change) {
    return change != Change::inlined && change != Change::not_traceable && change != Change::lost;
}

std::string_view likeness_name(Likeness likeness) {
    switch (likeness) {
        case Likeness::equal:
            return "equal";
        case Likeness::different:
            return "different";
        case Likeness::unknown:
            break;
    }
    return "unknown";
}

std::string to_json(const Comparison& comparison) {
    json object;
    object["format"] = "skbtrail-diff";
    object["version"] = 2;
    object["likeness"] = likeness_name(comparison.likeness);
    object["a"] = origin_json(comparison.a);
    object["b"] = origin_json(comparison.b);
    object["pairs"] = json::array();
    for (const Pair& pair : comparison.pairs) object["pairs"].push_back(pair_json(pair));
    object["differences"] = json::array();
    for (const Difference& difference : comparison.differences) {
        object["differences"].push_back(difference_json(difference));
    }
    object["explained"] = json::array();
    for (const Explanation& explanation : comparison.explained) {
        object["explained"].push_back({{"rule", explanation.rule},
                                       {"reason", explanation.reason},
                                       {"times", explanation.times}});
    }
    if (comparison.durations) object["durations"] = durations_json(*comparison.durations);
    return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace skbtrail::labs::diff
