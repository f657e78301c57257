#include "labs/check/noise.h"

#include <algorithm>
#include <cstddef>

#include <fnmatch.h>
#include <nlohmann/json.hpp>

#include "labs/check/noise_text.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {
namespace {

constexpr chain::DocumentKind noise_kind{"skbtrail-noise", 1, "a list of noise"};

}  // namespace

std::vector<NoiseGroup> parse_noise(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, noise_kind);
    std::vector<NoiseGroup> groups;
    const auto list = object.required("groups");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto element = list.element(i);
        chain::JsonObject group(element);
        NoiseGroup& read = groups.emplace_back();
        group.required("name", read.name);
        group.required("reason", read.reason);
        group.required("calls", read.calls);
        group.finish();
    }
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
    const std::string name(chain::base_name(function));
    return std::any_of(globs_.begin(), globs_.end(), [&](const std::string& glob) {
        return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
    });
}

}  // namespace skbtrail::labs
