#include "labs/diff/named_chains.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "labs/check/verdict.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs::diff {
namespace {

constexpr chain::DocumentKind verdict_kind{"skbtrail-verdict", 1, "a verdict"};

/// The chain that a verdict compared with what it expected.
std::optional<chain::ChainId> nearest_of(chain::JsonObject& expected) {
    const auto divergence = expected.find("divergence");
    if (!divergence) return std::nullopt;
    const auto id = chain::JsonObject(*divergence).find("chain");
    return id ? std::optional(id->get<chain::ChainId>()) : std::nullopt;
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
        const auto outcome = expected.required("outcome").get<std::string>();
        if (outcome == outcome_name(Outcome::skipped)) continue;
        NamedChain chain;
        chain.name = chain::printable(expected.required("name").get<std::string>());
        expected.required("chains", chain.found);
        if (chain.found.empty()) chain.nearest = nearest_of(expected);
        chain.lost = chain.found.empty() && outcome == outcome_name(Outcome::not_judgeable);
        named.push_back(std::move(chain));
    }
    return named;
}

}  // namespace skbtrail::labs::diff
