#include "tracer/ftrace/saved_state.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"
#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

constexpr std::string_view prefix = "skbtrail-collect-";
constexpr std::string_view suffix = ".saved";
constexpr std::string_view journal_first_line = "skbtrail-saved 1";

/// When a process began, in the kernel's ticks since boot: with its id it is unique. 0: no such
/// one.
std::uint64_t start_of(long pid) {
    const auto text = try_read_file(fmt::format("/proc/{}/stat", pid));
    if (!text) return 0;
    // The second word is the name in parentheses, which may hold blanks; the 22nd is wanted.
    const auto behind = text->rfind(')');
    if (behind == std::string::npos) return 0;
    const auto words = split_words(std::string_view(*text).substr(behind + 1));
    constexpr std::size_t index = 19;
    std::uint64_t ticks = 0;
    if (words.size() > index) {
        std::from_chars(words[index].data(), words[index].data() + words[index].size(), ticks);
    }
    return ticks;
}

void put_back(const SavedState::Entry& entry) {
    if (!entry.by_word) {
        // An empty text would be no write at all.
        try_write_file(entry.path, entry.text.empty() ? "\n" : entry.text);
        return;
    }
    const Fd fd(::open(entry.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    if (!fd) return;
    for (const auto line : chain::split_lines(entry.text)) {
        for (const auto word : split_words(line)) {
            const auto ended = std::string(word) + ' ';
            (void)!::write(fd.get(), ended.data(), ended.size());
        }
    }
}

/// The owner of a journal by its name; nothing when it is another file's.
std::optional<std::pair<long, std::uint64_t>> owner_of(std::string_view name) {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    name.remove_suffix(suffix.size());
    const auto dash = name.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto pid = chain::whole_number<long>(name.substr(0, dash));
    const auto start = chain::whole_number<std::uint64_t>(name.substr(dash + 1));
    if (!pid || !start) return std::nullopt;
    return std::pair(*pid, *start);
}

/// Reads a journal; what is cut short is left out: its change was not made yet.
std::vector<SavedState::Entry> parse_journal(std::string_view text) {
    std::vector<SavedState::Entry> entries;
    const auto take_line = [&text]() -> std::optional<std::string_view> {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        const auto line = text.substr(0, end);
        text.remove_prefix(end + 1);
        return line;
    };
    if (take_line() != journal_first_line) return entries;
    while (const auto path = take_line()) {
        const auto header = take_line();  // "SIZE once" or "SIZE words"
        if (!header) break;
        const auto words = split_words(*header);
        if (words.size() != 2) break;
        const auto size = chain::whole_number<std::size_t>(words[0]);
        if (!size || *size >= text.size()) break;
        entries.push_back(
            {std::string(*path), std::string(text.substr(0, *size)), words[1] == "words"});
        text.remove_prefix(*size + 1);
    }
    return entries;
}

}  // namespace

SavedState::SavedState(std::string directory) : directory_(std::move(directory)) {
    journal_ =
        fmt::format("{}/{}{}-{}{}", directory_, prefix, ::getpid(), start_of(::getpid()), suffix);
    std::vector<std::string> left_behind;
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory_.c_str()), ::closedir);
    while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
        const auto owner = owner_of(entry->d_name);
        if (owner && start_of(owner->first) != owner->second) {
            left_behind.emplace_back(fmt::format("{}/{}", directory_, entry->d_name));
        }
    }
    for (const auto& path : left_behind) {
        const auto entries = parse_journal(try_read_file(path).value_or(""));
        for (auto it = entries.rbegin(); it != entries.rend(); ++it) put_back(*it);
        ::unlink(path.c_str());
        if (!entries.empty()) ++repaired_;
    }
}

SavedState::~SavedState() {
    restore();
}

void SavedState::remember(const std::string& path, std::string text, bool by_word) {
    entries_.push_back({path, std::move(text), by_word});
    write_journal();
}

void SavedState::restore() {
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) put_back(*it);
    remove_journal();
}

void SavedState::forget() {
    remove_journal();
}

void SavedState::write_journal() const {
    std::string text = fmt::format("{}\n", journal_first_line);
    for (const auto& entry : entries_) {
        text += fmt::format("{}\n{} {}\n{}\n", entry.path, entry.text.size(),
                            entry.by_word ? "words" : "once", entry.text);
    }
    const auto fail = [this] {
        throw Failure(fmt::format(
            "The tracing settings of this machine would have to be changed, and what they were "
            "cannot be kept in {}: {}. Nothing was changed. Make {} writable.",
            journal_, std::strerror(errno), directory_));
    };
    // Another file first: a journal must never be half written.
    const auto fresh = journal_ + ".new";
    const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) fail();
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) fail();
    if (::rename(fresh.c_str(), journal_.c_str()) != 0) fail();
}

void SavedState::remove_journal() {
    if (!entries_.empty()) ::unlink(journal_.c_str());
    entries_.clear();
}

}  // namespace skbtrail::tracer
