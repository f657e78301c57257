#include "labs/check/noise.h"

#include <nlohmann/json.hpp>

#include "labs/check/noise_text.h"
#include "tracer/chain/glob.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {
namespace {

constexpr chain::DocumentKind noise_kind{"skbtrail-noise", 1, "a list of noise"};

NoiseGroup read_group(const chain::JsonValue& value) {
    NoiseGroup group;
    chain::JsonObject object(value);
    object.required("name", group.name);
    object.required("reason", group.reason);
    object.required("calls", group.calls);
    object.finish();
    return group;
}

}  // namespace

std::vector<NoiseGroup> parse_noise(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, noise_kind);
    auto groups = chain::read_array(object.required("groups"), read_group);
    object.finish();
    return groups;
}

const std::vector<NoiseGroup>& named_noise() {
    static const std::vector<NoiseGroup> groups = parse_noise(noise_text);
    return groups;
}

NoiseFilter::NoiseFilter(const std::vector<std::string>& extra) : globs_(extra) {
    for (const NoiseGroup& group : named_noise()) {
        globs_.insert(globs_.end(), group.calls.begin(), group.calls.end());
    }
}

bool NoiseFilter::is_noise(std::string_view function) const {
    return chain::any_glob_matches(globs_, std::string(chain::base_name(function)));
}

}  // namespace skbtrail::labs
