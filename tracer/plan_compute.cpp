#include "tracer/plan_compute.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/policy.h"

namespace skbtrail::tracer {

namespace {

const Signature* find_signature(const Signatures& signatures, const std::string& name,
                                const std::set<std::string_view>& plain) {
    if (const auto it = signatures.find(name); it != signatures.end()) return &it->second;
    const auto base = without_suffix(name);
    if (base.size() == name.size()) return nullptr;
    // BTF names a function that the compiler changed without its suffix, and only when its
    // parameters still lie where the prototype says. If the plain one exists too, it is that one's.
    if (plain.contains(base)) return nullptr;
    const auto it = signatures.find(std::string(base));
    return it == signatures.end() ? nullptr : &it->second;
}

/// True for a parameter that makes a module one of the network's.
bool is_of_network(const Signatures& signatures) {
    return std::any_of(signatures.begin(), signatures.end(), [](const auto& entry) {
        const auto& parameters = entry.second.parameters;
        return std::any_of(parameters.begin(), parameters.end(), [](Parameter parameter) {
            return parameter == Parameter::skb || parameter == Parameter::skb_pointer ||
                   parameter == Parameter::device || parameter == Parameter::napi;
        });
    });
}

/// What ftrace can trace. Kernels before 6.5 give names only.
std::vector<TraceableFunction> list_functions(const std::string& tracefs,
                                              std::string_view kallsyms) {
    const auto path = tracefs + "/available_filter_functions";
    if (const auto text = try_read_file(path + "_addrs")) {
        auto functions = parse_traceable_functions(*text);
        if (functions.empty()) {
            throw Failure(
                fmt::format("{}_addrs lists no function: the kernel hides its addresses "
                            "(kernel.kptr_restrict), or offers none to trace. Try: sysctl "
                            "kernel.kptr_restrict=1",
                            path));
        }
        return functions;
    }
    const auto text = try_read_file(path);
    if (!text) {
        throw Failure(fmt::format(
            "{} cannot be read: this kernel was built without CONFIG_DYNAMIC_FTRACE. Use one that "
            "has it (Debian's have).",
            path));
    }
    return parse_traceable_names(*text, kallsyms);
}

}  // namespace

std::optional<TextRange> find_net_text(const std::vector<TraceableFunction>& functions) {
    std::vector<const TraceableFunction*> kernel;
    for (const auto& function : functions) {
        if (function.module.empty()) kernel.push_back(&function);
    }
    std::sort(kernel.begin(), kernel.end(),
              [](const auto* left, const auto* right) { return left->site < right->site; });
    const auto first = std::find_if(kernel.begin(), kernel.end(), [](const auto* function) {
        return function->name == net_text_first;
    });
    if (first == kernel.end()) return std::nullopt;
    const auto last = std::find_if(first, kernel.end(), [](const auto* function) {
        return is_behind_net_text(function->name);
    });
    if (last == kernel.end()) return std::nullopt;
    for (const auto anchor : net_text_anchors) {
        if (std::none_of(first, last,
                         [anchor](const auto* function) { return function->name == anchor; })) {
            return std::nullopt;
        }
    }
    return TextRange{(*first)->site, (*last)->site};
}

Plan make_plan(const KernelFacts& facts) {
    Plan plan;
    plan.drop_reasons = facts.drop_reasons;
    plan.layout = facts.layout;
    std::unordered_map<std::string_view, std::uint16_t> module_index;
    for (const auto& module : facts.modules) {
        plan.modules.push_back({module.name, module.size});
        module_index[module.name] = static_cast<std::uint16_t>(plan.modules.size());
    }
    const auto variable = [&facts](std::string_view name) -> std::optional<std::int64_t> {
        const auto address = facts.symbols->address_of(name);
        if (address == 0) return std::nullopt;
        return static_cast<std::int64_t>(address - facts.text_start);
    };
    plan.page_offset_base = variable("page_offset_base");
    plan.vmemmap_base = variable("vmemmap_base");
    const auto net = find_net_text(facts.functions);
    if (!net) {
        plan.notes.emplace_back(
            "The network's part of the kernel's text was not found as one range: the tree shows "
            "the functions that take an sk_buff and known helpers only.");
    }
    for (const auto& module : facts.modules) {
        if (!facts.module_signatures.contains(module.name)) {
            plan.notes.push_back(
                fmt::format("Module {} has no BTF: only those of its functions are traced that are "
                            "known by name.",
                            module.name));
        }
    }

    std::map<std::string_view, std::set<std::string_view>> plain;  // names per module
    for (const auto& function : facts.functions) plain[function.module].insert(function.name);

    const Signatures no_signatures;
    std::set<std::string_view> probed_names;
    std::set<std::string> ambiguous;
    for (const auto& function : facts.functions) {
        if (function.site == 0) {
            const auto known = facts.kernel_signatures.find(function.name);
            if (known != facts.kernel_signatures.end() &&
                cookie_of(function.name, &known->second)) {
                ambiguous.insert(function.name);
            }
            continue;
        }
        if (is_tracing_stub(function.name) || is_above_roots(function.name)) continue;
        const Signatures* signatures = &facts.kernel_signatures;
        bool wanted = false;
        std::uint64_t base = facts.text_start;
        std::uint16_t module = 0;
        if (function.module.empty()) {
            wanted = (net && function.site >= net->begin && function.site < net->end) ||
                     is_helper(function.name);
        } else {
            const auto it = facts.module_signatures.find(function.module);
            const auto index = module_index.find(function.module);
            if (index == module_index.end()) continue;
            signatures = it == facts.module_signatures.end() ? &no_signatures : &it->second;
            // The rings may be in a module of their own, which knows no network.
            wanted = is_of_network(*signatures) || is_helper(function.name);
            module = index->second;
            base = facts.modules[module - 1U].address;
        }
        const auto* signature = find_signature(*signatures, function.name, plain[function.module]);
        PlannedFunction planned;
        planned.cookie = cookie_of(function.name, signature);
        planned.roles = roles_of(function.name, signature);
        if (!wanted && !planned.cookie) continue;
        planned.name = function.name;
        planned.module = module;
        planned.record = function.record;
        planned.site = static_cast<std::int64_t>(function.site - base);
        if (planned.cookie) {
            const auto start = facts.symbols->function_at(function.site, function.name);
            if (start == 0) {
                plan.unavailable.push_back(
                    {function.name, "its start is not in /proc/kallsyms, so it is not probed"});
                planned.cookie.reset();
            } else {
                planned.shift = static_cast<std::uint8_t>(function.site - start);
                probed_names.insert(without_suffix(function.name));
            }
        }
        plan.functions.push_back(std::move(planned));
    }
    // What BTF knows and ftrace does not offer: inlined everywhere, or not traceable. A reader must
    // not take their absence from a chain for "was not called".
    for (const auto& [name, signature] : facts.kernel_signatures) {
        if (probed_names.contains(name) || plain[""].contains(name)) continue;
        if (!cookie_of(name, &signature) || is_tracing_stub(name)) continue;
        plan.unavailable.push_back({name, "takes an sk_buff, but ftrace does not offer it"});
    }
    for (const auto& name : ambiguous) {
        plan.unavailable.push_back(
            {name,
             "several functions have this name, and the kernel does not tell which is which"});
    }
    std::sort(plan.unavailable.begin(), plan.unavailable.end(),
              [](const auto& left, const auto& right) { return left.function < right.function; });
    return plan;
}

Plan compute_plan(const std::string& tracefs) {
    KernelFacts facts;
    facts.modules = parse_modules(try_read_file("/proc/modules").value_or(""));
    const auto text = read_file("/proc/kallsyms");
    const KernelSymbols symbols(text);
    facts.functions = list_functions(tracefs, text);
    facts.symbols = &symbols;
    facts.text_start = symbols.address_of("_stext");
    if (symbols.hidden() || facts.text_start == 0) {
        throw Failure(
            "The kernel hides the addresses of its symbols from /proc/kallsyms. Run as root, and "
            "allow it: sysctl kernel.kptr_restrict=1");
    }
    const KernelTypes types;
    facts.kernel_signatures = types.kernel();
    facts.drop_reasons = types.drop_reasons();
    facts.layout = types.skb_layout();
    for (const auto& module : facts.modules) {
        if (auto signatures = types.module(module.name)) {
            facts.module_signatures.emplace(module.name, std::move(*signatures));
        }
    }
    return make_plan(facts);
}

}  // namespace skbtrail::tracer
