#include <nlohmann/json.hpp>

#include "labs/check/verdict.h"

namespace skbtrail::labs {
namespace {

using json = nlohmann::ordered_json;

/// A text member that is left out when it says nothing.
void add_text(json& object, const char* key, const std::string& text) {
    if (!text.empty()) object[key] = text;
}

json divergence_json(const Divergence& divergence) {
    json object;
    if (divergence.chain) object["chain"] = *divergence.chain;
    if (divergence.packet) object["packet"] = *divergence.packet;
    object["path"] = divergence.path;
    json lines = json::array();
    for (const PathLine& line : divergence.lines) {
        lines.push_back(
            {{"depth", line.depth}, {"function", line.function}, {"ancestor", line.ancestor}});
    }
    object["lines"] = lines;
    object["expected"] = divergence.expected;
    object["came"] = divergence.came;
    object["cause"] = cause_name(divergence.cause);
    object["explanation"] = divergence.explanation;
    object["next"] = divergence.next;
    add_text(object, "place", divergence.place);
    return object;
}

json chain_json(const ChainVerdict& chain) {
    json object;
    object["name"] = chain.name;
    object["outcome"] = outcome_name(chain.outcome);
    object["chains"] = chain.chains;
    object["packets"] = chain.packets;
    add_text(object, "reason", chain.reason);
    if (chain.divergence) object["divergence"] = divergence_json(*chain.divergence);
    return object;
}

json loss_json(const chain::Loss& loss) {
    json object;
    object["kind"] = loss.kind;
    if (loss.cpu) object["cpu"] = *loss.cpu;
    object["count"] = loss.count;
    add_text(object, "function", loss.function);
    add_text(object, "detail", loss.detail);
    return object;
}

}  // namespace

std::string to_json(const Verdict& verdict) {
    json object;
    object["format"] = "skbtrail-verdict";
    object["version"] = 1;
    object["outcome"] = outcome_name(verdict.outcome);
    add_text(object, "lab", verdict.lab);
    add_text(object, "title", verdict.title);
    add_text(object, "kernel_release", verdict.kernel_release);
    add_text(object, "reason", verdict.reason);
    json chains = json::array();
    for (const ChainVerdict& chain : verdict.chains) chains.push_back(chain_json(chain));
    object["chains"] = chains;
    json forbidden = json::array();
    for (const Divergence& call : verdict.forbidden) forbidden.push_back(divergence_json(call));
    object["forbidden"] = forbidden;
    json losses = json::array();
    for (const chain::Loss& loss : verdict.losses) losses.push_back(loss_json(loss));
    object["losses"] = losses;
    // The recording's texts are UTF-8; a name that came from elsewhere may not be.
    return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace skbtrail::labs
