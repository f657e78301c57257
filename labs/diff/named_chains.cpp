#include "labs/diff/named_chains.h"

#include <nlohmann/json.hpp>

#include "labs/check/verdict.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs::diff {
namespace {

constexpr chain::DocumentKind verdict_kind{"skbtrail-verdict", 1, "a verdict"};

/// The chain that a verdict compared with what it expected.
void add_nearest(chain::JsonObject& object, std::vector<chain::ChainId>& chains) {
    const auto divergence = object.find("divergence");
    if (!divergence) return;
    chain::JsonObject nearest(*divergence);
    if (const auto id = nearest.find("chain")) chains.push_back(id->get<chain::ChainId>());
}

}  // namespace

std::vector<NamedChain> parse_named_chains(std::string_view verdict) {
    const nlohmann::json json = chain::parse_json(verdict);
    const chain::JsonValue document(json);
    chain::JsonObject object = chain::open_document(document, verdict_kind);
    std::vector<NamedChain> named;
    const chain::JsonValue chains = object.required("chains");
    for (std::size_t i = 0; i < chains.size(); ++i) {
        const chain::JsonValue element = chains.element(i);
        chain::JsonObject expected(element);
        NamedChain found;
        expected.required("name", found.name);
        expected.required("chains", found.chains);
        const auto outcome = expected.required("outcome").get<std::string>();
        if (outcome == outcome_name(Outcome::diverged)) {
            if (found.chains.empty()) add_nearest(expected, found.chains);
        } else if (outcome != outcome_name(Outcome::passed)) {
            continue;
        }
        named.push_back(std::move(found));
    }
    return named;
}

}  // namespace skbtrail::labs::diff
