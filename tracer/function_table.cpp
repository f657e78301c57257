#include "tracer/function_table.h"

#include <utility>

namespace skbtrail::tracer {

void FunctionTable::add(Function function) {
    const auto id = static_cast<FunctionId>(functions_.size());
    by_site_.emplace(function.site, id);
    // Where the kernel tells no sites, the patched call may follow a landing pad (endbr64).
    constexpr std::uint64_t landing_pad = 4;
    if (function.site == function.symbol) by_site_.emplace(function.site + landing_pad, id);
    by_symbol_.emplace(function.symbol, id);
    functions_.push_back(std::move(function));
}

FunctionTable place_functions(const Plan& plan, std::uint64_t text_start,
                              const std::vector<Module>& modules) {
    FunctionTable table;
    for (const auto& planned : plan.functions) {
        Function function;
        function.name = planned.name;
        std::uint64_t base = text_start;
        if (planned.module > 0) {
            const auto& module = modules.at(planned.module - 1U);
            function.module = module.name;
            base = module.address;
        }
        function.site = base + static_cast<std::uint64_t>(planned.site);
        function.symbol = function.site - planned.shift;
        function.roles = planned.roles;
        function.probed = planned.cookie.has_value();
        function.takes_skb = planned.cookie && (*planned.cookie & 0xfU) != SKBTRAIL_NO_ARGUMENT;
        table.add(std::move(function));
    }
    return table;
}

}  // namespace skbtrail::tracer
