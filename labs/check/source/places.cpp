#include "labs/check/source/places.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "tracer/chain/names.h"

namespace skbtrail::labs::source {
namespace {

/// Keeps the definitions that `is_like`, if there are any.
template <typename Predicate>
void prefer(std::vector<Definition>& definitions, Predicate is_like) {
    if (std::any_of(definitions.begin(), definitions.end(), is_like)) {
        std::erase_if(definitions, [&](const auto& one) { return !is_like(one); });
    }
}

/// "drivers/net/virtio_net.c" is of the module virtio_net: a module's name has no dashes.
bool is_of_module(const std::string& file, const std::string& module) {
    std::string stem = std::filesystem::path(file).stem();
    std::replace(stem.begin(), stem.end(), '-', '_');
    return stem == module;
}

}  // namespace

Place Places::of(const std::string& function, const std::string& module,
                 const std::string& caller_file) const {
    auto found = sites_.definitions(std::string(chain::base_name(function)), {});
    // What was traced is a function of its own: a macro never is, and a header's empty inline
    // function stands for it where its option is off.
    std::erase_if(found, [](const auto& one) { return one.function->is_macro; });
    prefer(found, [](const auto& one) { return !one.function->is_inline; });
    prefer(found, [&](const auto& one) { return one.file == caller_file; });
    prefer(found, [&](const auto& one) { return is_of_module(one.file, module); });
    prefer(found, [](const auto& one) { return !one.function->is_static; });
    if (found.empty()) return {};
    const bool one_file = std::all_of(found.begin(), found.end(), [&](const auto& one) {
        return one.file == found.front().file;
    });
    if (!one_file) return {};
    return {found.front().file, found.front().function->line};
}

}  // namespace skbtrail::labs::source
