#include "labs/debug_info/dwarf_file.h"

#include <algorithm>
#include <cstddef>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fmt/format.h>
#include <gelf.h>

#include "labs/debug_info/error.h"

namespace skbtrail::labs::debug_info {
namespace {

/// Nothing is looked for anywhere else: the file is the one that has everything.
const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = [](Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                         GElf_Word, char**) { return -1; },
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = nullptr,
};

struct Symbol {
    Dwarf_Addr address = 0;
    std::string name;
};

/// Where the functions of these names begin, by address.
std::vector<Symbol> find_symbols(Dwfl_Module* module,
                                 const std::unordered_set<std::string>& names) {
    std::vector<Symbol> found;
    const int count = dwfl_module_getsymtab(module);
    for (int index = 0; index < count; ++index) {
        GElf_Sym symbol;
        GElf_Addr address = 0;
        const char* name =
            dwfl_module_getsym_info(module, index, &symbol, &address, nullptr, nullptr, nullptr);
        if (name != nullptr && GELF_ST_TYPE(symbol.st_info) == STT_FUNC && names.contains(name)) {
            found.push_back({address, name});
        }
    }
    std::sort(found.begin(), found.end(),
              [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
    return found;
}

/// Calls `visit` with each of `symbols`, sorted by address, that lies in one of the DIE's ranges.
template <typename Visit>
void for_each_covered(Dwarf_Die& die, Dwarf_Addr bias, const std::vector<Symbol>& symbols,
                      const Visit& visit) {
    Dwarf_Addr base = 0;
    Dwarf_Addr begin = 0;
    Dwarf_Addr end = 0;
    std::ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(&die, offset, &base, &begin, &end)) > 0) {
        const auto first = std::lower_bound(
            symbols.begin(), symbols.end(), begin + bias,
            [](const Symbol& symbol, Dwarf_Addr address) { return symbol.address < address; });
        for (auto symbol = first; symbol != symbols.end() && symbol->address < end + bias;
             ++symbol) {
            visit(*symbol);
        }
    }
}

}  // namespace

DwarfFile::DwarfFile(const std::filesystem::path& path) : dwfl_(dwfl_begin(&callbacks)) {
    const auto because = [] { return dwfl_errmsg(-1); };
    if (!dwfl_) throw Error(fmt::format("libdw does not start: {}", because()));
    dwfl_report_begin(dwfl_.get());
    module_ = dwfl_report_offline(dwfl_.get(), "", path.c_str(), -1);
    dwfl_report_end(dwfl_.get(), nullptr, nullptr);
    if (module_ == nullptr) {
        throw Error(fmt::format("{} cannot be read: {}", path.string(), because()));
    }
    Dwarf_Addr bias = 0;
    if (dwfl_module_getdwarf(module_, &bias) == nullptr) {
        throw Error(
            fmt::format("{} has no debug information in it ({}): a kernel is built with it by "
                        "CONFIG_DEBUG_INFO_DWARF5, and Debian has it in packages of its own, which "
                        "`skbtrail kernels fetch VERSION --debug-info` gets",
                        path.string(), because()));
    }
}

std::string DwarfFile::build_id() const {
    const unsigned char* bits = nullptr;
    GElf_Addr address = 0;
    const int length = dwfl_module_build_id(module_, &bits, &address);
    std::string text;
    for (int i = 0; i < length; ++i) text += fmt::format("{:02x}", bits[i]);
    return text;
}

std::unordered_map<std::string, std::vector<Dwarf_Die>> DwarfFile::functions(
    const std::unordered_set<std::string>& names) const {
    const std::vector<Symbol> symbols = find_symbols(module_, names);
    std::unordered_map<std::string, std::vector<Dwarf_Die>> found;
    Dwarf_Addr bias = 0;
    for (Dwarf_Die* unit = nullptr; (unit = dwfl_module_nextcu(module_, unit, &bias)) != nullptr;) {
        bool any = false;
        for_each_covered(*unit, bias, symbols, [&](const Symbol&) { any = true; });
        Dwarf_Die child;
        if (!any || dwarf_child(unit, &child) != 0) continue;
        do {
            if (dwarf_tag(&child) != DW_TAG_subprogram) continue;
            for_each_covered(child, bias, symbols,
                             [&](const Symbol& symbol) { found[symbol.name].push_back(child); });
        } while (dwarf_siblingof(&child, &child) == 0);
    }
    return found;
}

}  // namespace skbtrail::labs::debug_info
