#include "tracer/ftrace/functions.h"

#include <charconv>

#include <fcntl.h>
#include <unistd.h>

#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

/// A hexadecimal number, with or without "0x"; 0 for anything else.
std::uint64_t parse_hex(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

/// "[name]" without its brackets.
std::string_view bracketed(std::string_view word) {
    if (word.size() < 2 || word.front() != '[' || word.back() != ']') return {};
    return word.substr(1, word.size() - 2);
}

}  // namespace

std::vector<TraceableFunction> parse_traceable_functions(std::string_view text) {
    std::vector<TraceableFunction> functions;
    functions.reserve(text.size() / 40);
    std::uint32_t record = 0;
    for (const auto line : split_lines(text)) {
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

std::vector<Module> parse_modules(std::string_view text) {
    std::vector<Module> modules;
    for (const auto line : split_lines(text)) {
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
    for (const auto line : split_lines(kallsyms)) {
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
    // endbr64 and its replacements are 4 bytes long; other landing pads are not larger than 16.
    for (std::uint64_t shift = 0; shift <= 16; ++shift) {
        const auto [begin, end] = by_address_.equal_range(site - shift);
        for (auto it = begin; it != end; ++it) {
            if (it->second == name) return it->first;
        }
    }
    return 0;
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
