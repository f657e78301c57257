#include "tracer/ftrace/functions.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fcntl.h>
#include <unistd.h>

#include "tracer/chain/text.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

/// endbr64 and its replacements are 4 bytes long; other landing pads are not larger.
constexpr std::uint64_t largest_landing_pad = 16;

/// A hexadecimal number, with or without "0x"; 0 for anything else.
std::uint64_t parse_hex(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

/// A function's name and its module's, as one key.
std::string symbol_key(std::string_view name, std::string_view module) {
    std::string key(name);
    key += '\t';
    key += module;
    return key;
}

/// "[name]" without its brackets.
std::string_view bracketed(std::string_view word) {
    if (word.size() < 2 || word.front() != '[' || word.back() != ']') return {};
    return word.substr(1, word.size() - 2);
}

/// The addresses of each function in the text of /proc/kallsyms, in order, by symbol_key().
std::unordered_map<std::string, std::vector<std::uint64_t>> addresses_by_name(
    std::string_view kallsyms) {
    std::unordered_map<std::string, std::vector<std::uint64_t>> symbols;
    for (const auto line : chain::split_lines(kallsyms)) {
        const auto words = split_words(line);  // address type name [module]
        if (words.size() < 3 || words[1].size() != 1) continue;
        if (std::string_view("tTwW").find(words[1][0]) == std::string_view::npos) continue;
        const auto address = parse_hex(words[0]);
        if (address == 0) continue;
        symbols[symbol_key(words[2], words.size() > 3 ? bracketed(words[3]) : std::string_view{})]
            .push_back(address);
    }
    for (auto& [name, addresses] : symbols) {
        std::sort(addresses.begin(), addresses.end());
        addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    }
    return symbols;
}

}  // namespace

std::vector<TraceableFunction> parse_traceable_functions(std::string_view text) {
    std::vector<TraceableFunction> functions;
    functions.reserve(text.size() / 40);
    std::uint32_t record = 0;
    for (const auto line : chain::split_lines(text)) {
        ++record;
        const auto words = split_words(line);
        if (words.size() < 2) continue;
        const auto site = parse_hex(words[0]);
        if (site == 0) continue;
        TraceableFunction function{record, site, std::string(words[1]), {}};
        if (words.size() > 2) function.module = bracketed(words[2]);
        functions.push_back(std::move(function));
    }
    return functions;
}

std::vector<TraceableFunction> parse_traceable_names(std::string_view text,
                                                     std::string_view kallsyms) {
    const auto symbols = addresses_by_name(kallsyms);
    std::vector<TraceableFunction> functions;
    std::vector<const std::vector<std::uint64_t>*> candidates;  // per function
    std::uint32_t record = 0;
    for (const auto line : chain::split_lines(text)) {
        ++record;
        const auto words = split_words(line);
        if (words.empty()) continue;
        TraceableFunction function{record, 0, std::string(words[0]), {}};
        if (words.size() > 1) function.module = bracketed(words[1]);
        const auto found = symbols.find(symbol_key(function.name, function.module));
        candidates.push_back(found == symbols.end() ? nullptr : &found->second);
        if (candidates.back() != nullptr && candidates.back()->size() == 1) {
            function.site = candidates.back()->front();
        }
        functions.push_back(std::move(function));
    }
    // Between two functions of one object that are certain, the list has the addresses in order: as
    // many candidates there as functions of that name leave no choice.
    for (std::size_t begin = 0; begin < functions.size();) {
        if (functions[begin].site != 0) {
            ++begin;
            continue;
        }
        const auto& module = functions[begin].module;
        auto end = begin;
        while (end < functions.size() && functions[end].site == 0 &&
               functions[end].module == module) {
            ++end;
        }
        const bool bounded_below = begin > 0 && functions[begin - 1].module == module;
        const bool bounded_above = end < functions.size() && functions[end].module == module;
        const auto low = bounded_below ? functions[begin - 1].site : 0;
        const auto high = bounded_above ? functions[end].site : ~std::uint64_t{0};
        for (auto i = begin; i < end; ++i) {
            if (candidates[i] == nullptr) continue;
            std::vector<std::uint64_t> inside;
            std::copy_if(candidates[i]->begin(), candidates[i]->end(), std::back_inserter(inside),
                         [&](std::uint64_t address) { return address > low && address < high; });
            std::size_t same = 0;
            std::size_t before = 0;
            for (auto j = begin; j < end; ++j) {
                if (candidates[j] != candidates[i]) continue;
                ++same;
                if (j < i) ++before;
            }
            if (inside.size() == same) functions[i].site = inside[before];
        }
        begin = end;
    }
    return functions;
}

std::vector<Module> parse_modules(std::string_view text) {
    std::vector<Module> modules;
    for (const auto line : chain::split_lines(text)) {
        const auto words = split_words(line);  // name size users dependants state address
        if (words.size() < 6) continue;
        Module module;
        module.name = words[0];
        std::from_chars(words[1].data(), words[1].data() + words[1].size(), module.size);
        module.address = parse_hex(words[5]);
        modules.push_back(std::move(module));
    }
    return modules;
}

KernelSymbols::KernelSymbols(std::string_view kallsyms) : text_(kallsyms) {
    by_address_.reserve(kallsyms.size() / 60);
    for (const auto line : chain::split_lines(kallsyms)) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos || line.size() < blank + 4) continue;
        const char type = line[blank + 1];
        if (type != 't' && type != 'T' && type != 'w' && type != 'W') continue;
        const auto address = parse_hex(line.substr(0, blank));
        if (address == 0) continue;
        hidden_ = false;
        auto name = line.substr(blank + 3);
        name = name.substr(0, name.find_first_of("\t "));
        by_address_.emplace(address, name);
    }
}

std::uint64_t KernelSymbols::function_at(std::uint64_t site, std::string_view name) const {
    for (std::uint64_t shift = 0; shift <= largest_landing_pad; ++shift) {
        const auto [begin, end] = by_address_.equal_range(site - shift);
        for (auto it = begin; it != end; ++it) {
            if (it->second == name) return it->first;
        }
    }
    return 0;
}

std::optional<KernelSymbols::Symbol> KernelSymbols::symbol_at(std::uint64_t site) const {
    for (std::uint64_t shift = 0; shift <= largest_landing_pad; ++shift) {
        const auto [begin, end] = by_address_.equal_range(site - shift);
        const auto shorter = [](const auto& one, const auto& other) {
            return std::pair(one.second.size(), one.second) <
                   std::pair(other.second.size(), other.second);
        };
        const auto found = std::min_element(begin, end, shorter);
        if (found != end) return Symbol{found->first, found->second};
    }
    return std::nullopt;
}

std::uint64_t KernelSymbols::address_of(std::string_view name) const {
    return find_symbol(text_, name);
}

std::uint64_t find_symbol(std::string_view kallsyms, std::string_view name) {
    for (auto at = kallsyms.find(name); at != std::string_view::npos;
         at = kallsyms.find(name, at + 1)) {
        const auto end = at + name.size();
        const bool whole = (at > 0 && kallsyms[at - 1] == ' ') &&
                           (end == kallsyms.size() || kallsyms[end] == '\n');
        if (!whole) continue;
        const auto line = kallsyms.rfind('\n', at);
        const auto begin = line == std::string_view::npos ? 0 : line + 1;
        return parse_hex(kallsyms.substr(begin, kallsyms.find(' ', begin) - begin));
    }
    return 0;
}

std::uint64_t read_text_start() {
    const Fd fd(::open("/proc/kallsyms", O_RDONLY | O_CLOEXEC));
    if (!fd) return 0;
    std::string text;
    constexpr std::size_t step = 1U << 16U;
    for (;;) {
        const auto used = text.size();
        text.resize(used + step);
        const ssize_t got = ::read(fd.get(), text.data() + used, step);
        if (got <= 0) return 0;
        text.resize(used + static_cast<std::size_t>(got));
        // Only whole lines: an address that the end of the buffer cut would read as another one.
        const auto whole = std::string_view(text).substr(0, text.rfind('\n') + 1);
        if (const auto address = find_symbol(whole, "_stext"); address != 0) return address;
    }
}

std::string_view without_suffix(std::string_view name) {
    // A leading dot belongs to the name itself on some architectures.
    const auto dot = name.find('.', 1);
    return dot == std::string_view::npos ? name : name.substr(0, dot);
}

}  // namespace skbtrail::tracer
