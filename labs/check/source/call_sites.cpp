#include "labs/check/source/call_sites.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tracer/chain/glob.h"

namespace skbtrail::labs::source {
namespace {

/// So many inline functions may stand between a caller and what it calls.
constexpr int max_wrappers = 5;

bool is_header(const std::string& path) {
    return path.ends_with(".h");
}

/// How the source spells the name that the kernel's symbol table has.
std::string word_of(const std::string& function) {
    constexpr std::string_view system_call = "__x64_sys_";
    return function.starts_with(system_call) ? function.substr(system_call.size()) : function;
}

/// Whether `path` can name the function: a static one only in its own file.
bool visible_in(const std::vector<Definition>& callee, const std::string& path) {
    return std::any_of(callee.begin(), callee.end(), [&](const Definition& definition) {
        return !definition.function->is_static || is_header(definition.file) ||
               definition.file == path;
    });
}

/// A variable may be handed on as the parameter of its name.
bool may_fill(const Registration& put, const CallTable& table) {
    const bool parameter = table.type.empty();
    if (put.variable != parameter) return false;
    const bool kind = parameter || (put.type.empty() ? table.assigned : put.type == table.type);
    return kind && chain::glob_matches(table.member, put.member);
}

}  // namespace

/// What is looked for in a body: a name, or a member that stands for it.
struct CallSites::Target {
    std::string name;
    std::vector<Slot> slots;
    std::vector<std::string> through;  ///< wrappers from this name on, towards the callee
    CallSite::Kind kind = CallSite::Kind::direct;
    std::string table;
};

std::vector<Definition> CallSites::definitions(const std::string& name,
                                               const std::string& file) const {
    const std::vector<std::string> only = {file};
    const auto& paths = file.empty() ? tree_.files_with(word_of(name)) : only;
    std::vector<Definition> found;
    for (const std::string& path : paths) {
        const CFile* parsed = tree_.file(path);
        if (parsed == nullptr) continue;
        for (const Function* function : parsed->find(name)) found.push_back({path, function});
    }
    return found;
}

std::vector<CallSites::Slot> CallSites::slots(const std::vector<Definition>& callee) const {
    const std::string& name = callee.front().function->name;
    std::vector<Slot> found;
    std::set<std::string> known;
    const auto add = [&](const CallTable& table, const std::string& member,
                         const std::string& where) {
        const bool parameter = table.type.empty();
        const auto text =
            fmt::format("{}{}, {}", parameter ? "parameter " : table.type + ".", member, where);
        if (known.insert(member).second) {
            found.push_back({member, parameter, text, table.macro});
        }
        for (const std::string& alias : table.aliases) {
            if (known.insert(alias).second) found.push_back({alias, false, text, {}});
        }
        if (!table.variable.empty()) found.push_back({table.variable, true, text, {}});
    };
    for (const std::string& path : tree_.files_with(name)) {
        if (!visible_in(callee, path)) continue;
        const CFile& file = *tree_.file(path);
        for (const Registration& put : file.registrations) {
            if (put.value != name) continue;
            for (const CallTable& table : tables_.tables) {
                if (!may_fill(put, table)) continue;
                add(table, put.member, fmt::format("{}:{}", path, put.line));
            }
        }
        for (const Function& function : file.functions) {
            for (const Use& use : function.uses) {
                if (use.kind != Use::Kind::handed || use.name != name) continue;
                for (const CallTable& table : tables_.tables) {
                    if (table.handed_to.empty() || !chain::glob_matches(table.handed_to, use.to))
                        continue;
                    add(table, table.member, fmt::format("{}:{} ({})", path, use.line, use.to));
                }
            }
        }
    }
    return found;
}

std::optional<CallSite> CallSites::site_in(const Definition& caller, const Target& target) const {
    for (const Use& use : caller.function->uses) {
        CallSite site{target.kind, caller.file, use.line, target.through, target.table};
        const bool member = use.kind == Use::Kind::member;
        const bool called = !member && (use.kind == Use::Kind::call || tables_.hands_over(use.to));
        const auto slot =
            std::find_if(target.slots.begin(), target.slots.end(), [&](const Slot& known) {
                if (known.member != use.name) return false;
                if (known.parameter) return called;
                const bool named = use.kind == Use::Kind::handed && !known.macro.empty() &&
                                   chain::glob_matches(known.macro, use.to);
                return member || named;
            });
        if (slot != target.slots.end()) {
            site.kind = CallSite::Kind::table;
            site.table = slot->text;
            return site;
        }
        if (called && use.name == target.name) return site;
    }
    return std::nullopt;
}

/// What a compiler may put into a function of `caller_file` and that reaches `target` in its turn.
std::vector<CallSites::Target> CallSites::wrappers(const Target& target,
                                                   const std::string& caller_file) const {
    std::set<std::string> paths;
    const auto look_in = [&](const std::string& word) {
        for (const std::string& path : tree_.files_with(word)) {
            if (is_header(path) || path == caller_file) paths.insert(path);
        }
    };
    look_in(target.name);
    for (const Slot& slot : target.slots) look_in(slot.member);
    std::vector<Target> found;
    for (const std::string& path : paths) {
        const CFile& file = *tree_.file(path);
        for (const Function& function : file.functions) {
            if (function.name == target.name) continue;
            const auto site = site_in({path, &function}, target);
            if (!site) continue;
            Target wrapper;
            wrapper.name = function.name;
            wrapper.through = {function.name};
            wrapper.through.insert(wrapper.through.end(), target.through.begin(),
                                   target.through.end());
            wrapper.table = site->table;
            wrapper.kind = site->table.empty() ? CallSite::Kind::inlined : CallSite::Kind::table;
            found.push_back(std::move(wrapper));
        }
    }
    return found;
}

std::optional<CallSite> CallSites::find(const Definition& caller,
                                        const std::vector<Definition>& callee) const {
    const std::string& name = callee.front().function->name;
    // The name first: only where nobody calls it, the members that it is put into.
    for (const bool by_table : {false, true}) {
        if (!by_table && !visible_in(callee, caller.file)) continue;
        Target first;
        first.name = name;
        if (by_table) first.slots = slots(callee);
        if (by_table && first.slots.empty()) break;
        std::vector<Target> level = {first};
        std::set<std::string> known = {name};
        for (int depth = 0; depth <= max_wrappers && !level.empty(); ++depth) {
            for (const Target& target : level) {
                if (auto site = site_in(caller, target)) return site;
            }
            std::vector<Target> next;
            for (const Target& target : level) {
                for (Target& wrapper : wrappers(target, caller.file)) {
                    if (known.insert(wrapper.name).second) next.push_back(std::move(wrapper));
                }
            }
            level = std::move(next);
        }
    }
    return std::nullopt;
}

}  // namespace skbtrail::labs::source
