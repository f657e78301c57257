#include "labs/debug_info/compiled_calls.h"

#include <optional>

#include <dwarf.h>

namespace skbtrail::labs::debug_info {
namespace {

std::string name_of(Dwarf_Die& die) {
    const char* name = dwarf_diename(&die);  // follows to the declaration and the inlined function
    return name == nullptr ? std::string() : std::string(name);
}

/// Calls `visit` with each child of `die`.
template <typename Visit>
void for_each_child(Dwarf_Die& die, const Visit& visit) {
    Dwarf_Die child;
    if (dwarf_child(&die, &child) != 0) return;
    do {
        visit(child);
    } while (dwarf_siblingof(&child, &child) == 0);
}

/// An address within the call instruction: what DWARF 5 names is where it returns to, or, of a
/// tail call with some compilers, where it stands.
std::optional<Dwarf_Addr> address_of(Dwarf_Die& site) {
    Dwarf_Attribute attribute;
    Dwarf_Addr address = 0;
    if (dwarf_attr(&site, DW_AT_call_pc, &attribute) != nullptr &&
        dwarf_formaddr(&attribute, &address) == 0) {
        return address;
    }
    // DWARF 4 (DW_TAG_GNU_call_site) has it as the low pc.
    for (const unsigned name : {DW_AT_call_return_pc, DW_AT_low_pc}) {
        if (dwarf_attr(&site, name, &attribute) != nullptr &&
            dwarf_formaddr(&attribute, &address) == 0) {
            return address - 1;
        }
    }
    return std::nullopt;
}

std::string callee_of(Dwarf_Die& site) {
    for (const unsigned name : {DW_AT_call_origin, DW_AT_abstract_origin}) {
        Dwarf_Attribute attribute;
        Dwarf_Die callee;
        if (dwarf_attr(&site, name, &attribute) != nullptr &&
            dwarf_formref_die(&attribute, &callee) != nullptr) {
            return name_of(callee);
        }
    }
    return {};
}

bool is_tail_call(Dwarf_Die& site) {
    return dwarf_hasattr(&site, DW_AT_call_tail_call) != 0 ||
           dwarf_hasattr(&site, DW_AT_GNU_tail_call) != 0;
}

/// The inlined functions below `die` that the instruction at `address` stands in, outermost first.
void add_inlined(Dwarf_Die& die, Dwarf_Addr address, std::vector<std::string>& names) {
    for_each_child(die, [&](Dwarf_Die& child) {
        const int tag = dwarf_tag(&child);
        const bool inlined = tag == DW_TAG_inlined_subroutine;
        if ((!inlined && tag != DW_TAG_lexical_block) || dwarf_haspc(&child, address) != 1) return;
        if (inlined) names.push_back(name_of(child));
        add_inlined(child, address, names);
    });
}

void add_calls(Dwarf_Die& function, Dwarf_Die& below, std::vector<CompiledCall>& calls) {
    for_each_child(below, [&](Dwarf_Die& child) {
        switch (dwarf_tag(&child)) {
            case DW_TAG_inlined_subroutine:
            case DW_TAG_lexical_block:
                add_calls(function, child, calls);
                break;
            case DW_TAG_call_site:
            case DW_TAG_GNU_call_site:
                if (const auto address = address_of(child)) {
                    CompiledCall& call = calls.emplace_back();
                    call.callee = callee_of(child);
                    call.tail_call = is_tail_call(child);
                    add_inlined(function, *address, call.inlined);
                }
                break;
            default:
                break;
        }
    });
}

}  // namespace

std::vector<CompiledCall> compiled_calls(Dwarf_Die function) {
    std::vector<CompiledCall> calls;
    add_calls(function, function, calls);
    return calls;
}

}  // namespace skbtrail::labs::debug_info
