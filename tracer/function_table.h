// The functions of a recording, by the addresses that trace records and BPF events name.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/bpf/prober.h"
#include "tracer/ftrace/functions.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

using FunctionId = std::uint32_t;
inline constexpr FunctionId no_function = ~FunctionId{0};

struct Function {
    std::string name;
    std::string module;
    std::uint64_t site = 0;    ///< patched call: trace records
    std::uint64_t symbol = 0;  ///< start: BPF events
    std::uint32_t roles = 0;   ///< role::…
    bool probed = false;
    bool takes_skb = false;  ///< its probe looks for sk_buffs; else it tells other things
};

class FunctionTable {
  public:
    void add(Function function);

    [[nodiscard]] const Function& operator[](FunctionId id) const { return functions_[id]; }
    [[nodiscard]] std::size_t size() const { return functions_.size(); }
    [[nodiscard]] FunctionId at_site(std::uint64_t site) const { return find(by_site_, site); }
    [[nodiscard]] FunctionId at_symbol(std::uint64_t symbol) const {
        return find(by_symbol_, symbol);
    }
    /// Takes back that a function is probed: it could not be attached.
    void not_probed(FunctionId id) { functions_[id].probed = false; }

  private:
    using Index = std::unordered_map<std::uint64_t, FunctionId>;
    static FunctionId find(const Index& index, std::uint64_t address) {
        const auto it = index.find(address);
        return it == index.end() ? no_function : it->second;
    }

    std::vector<Function> functions_;
    Index by_site_;
    Index by_symbol_;
};

/// Puts a plan's functions where this boot has them. `modules` are the loaded ones with their
/// addresses, in the plan's order.
FunctionTable place_functions(const Plan& plan, std::uint64_t text_start,
                              const std::vector<Module>& modules);

}  // namespace skbtrail::tracer
