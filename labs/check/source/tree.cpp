#include "labs/check/source/tree.h"

#include <cctype>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::labs::source {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool is_source(const fs::path& path) {
    return path.extension() == ".c" || path.extension() == ".h";
}

/// The value of `KEY = value` in the kernel's Makefile.
std::string make_value(const std::string& makefile, std::string_view key) {
    const std::size_t at = ("\n" + makefile).find(fmt::format("\n{} = ", key));
    if (at == std::string::npos) return {};
    const std::size_t begin = at + key.size() + 3;
    return makefile.substr(begin, makefile.find('\n', begin) - begin);
}

std::string release_of(const fs::path& root) {
    const std::string makefile = read_text(root / "Makefile");
    const std::string version = make_value(makefile, "VERSION");
    if (version.empty()) return {};
    return fmt::format("{}.{}.{}", version, make_value(makefile, "PATCHLEVEL"),
                       make_value(makefile, "SUBLEVEL"));
}

bool has_word(std::string_view text, std::string_view word) {
    const auto in_word = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    };
    for (std::size_t at = text.find(word); at != std::string_view::npos;
         at = text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]))) {
            return true;
        }
    }
    return false;
}

}  // namespace

SourceTree::SourceTree(fs::path root, const std::vector<std::string>& scope)
    : root_(std::move(root)), release_(release_of(root_)) {
    std::error_code error;
    for (const std::string& part : scope) {
        const fs::path path = root_ / part;
        if (fs::is_regular_file(path, error)) texts_[part] = read_text(path);
        if (!fs::is_directory(path, error)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            if (!entry.is_regular_file(error) || !is_source(entry.path())) continue;
            texts_[entry.path().lexically_relative(root_).string()] = read_text(entry.path());
        }
    }
    if (texts_.empty()) {
        throw std::runtime_error(fmt::format(
            "{} is not a kernel's source tree: it has no net/ and no include/. (Debian's "
            "linux-source-6.12 is a tar file in /usr/src: unpack it first.)",
            root_.string()));
    }
}

const std::string* SourceTree::text(const std::string& path) const {
    if (const auto known = texts_.find(path); known != texts_.end()) return &known->second;
    const fs::path normal = fs::path(path).lexically_normal();
    std::error_code error;
    // A name from an expectation must not lead out of the tree.
    if (normal.is_absolute() || normal.string().starts_with("..")) return nullptr;
    if (!fs::is_regular_file(root_ / normal, error)) return nullptr;
    return &texts_.emplace(path, read_text(root_ / normal)).first->second;
}

const CFile* SourceTree::file(const std::string& path) const {
    const auto [known, added] = files_.try_emplace(path);
    if (!added) return known->second.get();
    const std::string* source = text(path);
    if (source != nullptr) known->second = std::make_unique<CFile>(parse_c_file(*source));
    return known->second.get();
}

const std::vector<std::string>& SourceTree::files_with(const std::string& word) const {
    const auto [known, added] = found_.try_emplace(word);
    if (added) {
        for (const auto& [path, source] : texts_) {
            if (has_word(source, word)) known->second.push_back(path);
        }
    }
    return known->second;
}

}  // namespace skbtrail::labs::source
