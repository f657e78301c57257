#include "tracer/ftrace/trace_buffer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer/chain/text.h"
#include "tracer/failure.h"

namespace skbtrail::tracer {

namespace {

constexpr std::string_view instance_prefix = "skbtrail-";
constexpr std::uint64_t large_page_kib = 64;

std::vector<std::string> list_directory(const std::string& path) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (!directory) return names;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<unsigned> number_behind(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return std::nullopt;
    text.remove_prefix(prefix.size());
    return chain::whole_number<unsigned>(text);
}

/// The word in brackets of a file like trace_clock: "[local] global mono".
std::string selected(std::string_view text) {
    const auto begin = text.find('[');
    const auto end = text.find(']', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) {
        return std::string(trim(text));
    }
    return std::string(text.substr(begin + 1, end - begin - 1));
}

/// Switches an instance off and removes it. Busy while somebody has one of its files open.
void remove_instance(const std::string& path) {
    try_write_file(path + "/tracing_on", "0");
    try_write_file(path + "/current_tracer", "nop");
    ::rmdir(path.c_str());
}

/// A collector that was killed could not remove its instance: its name carries its process id.
void remove_left_behind(const std::string& instances) {
    for (const auto& name : list_directory(instances)) {
        const auto pid = number_behind(name, instance_prefix);
        if (!pid || (::kill(static_cast<pid_t>(*pid), 0) == 0 || errno != ESRCH)) continue;
        remove_instance(fmt::format("{}/{}", instances, name));
    }
}

}  // namespace

std::string find_tracefs() {
    for (const auto line : chain::split_lines(try_read_file("/proc/self/mounts").value_or(""))) {
        const auto words = split_words(line);
        if (words.size() > 2 && words[2] == "tracefs") {
            std::string path(words[1]);
            if (::access((path + "/available_tracers").c_str(), R_OK) == 0) return path;
            if (errno == ENOENT) {
                throw Failure(fmt::format(
                    "tracefs is mounted at {} and empty: the kernel is locked down "
                    "(confidentiality), which forbids tracing. Boot it without lockdown.",
                    path));
            }
            throw Failure(fmt::format(
                "tracefs is mounted at {} but cannot be read: {}. Recording needs root.", path,
                std::strerror(errno)));
        }
    }
    throw Failure(
        "tracefs is not mounted, so the kernel cannot be asked to trace. Mount it: mount -t "
        "tracefs "
        "tracefs /sys/kernel/tracing (a kernel without CONFIG_FTRACE has none).");
}

void check_tracer(const std::string& tracefs) {
    const auto tracers = try_read_file(tracefs + "/available_tracers");
    if (!tracers) {
        throw Failure(fmt::format(
            "What {} can trace cannot be read: {}. A kernel that is locked down (confidentiality; "
            "see /sys/kernel/security/lockdown) forbids tracing even to root: boot it without "
            "lockdown.",
            tracefs, std::strerror(errno)));
    }
    const auto names = split_words(trim(*tracers));
    if (std::find(names.begin(), names.end(), "function_graph") == names.end()) {
        throw Failure(
            "This kernel has no function_graph tracer: it was built without "
            "CONFIG_FUNCTION_GRAPH_TRACER. Use one that has it (Debian's have).");
    }
}

GraphDecoder make_decoder(const std::string& tracefs) {
    const auto format = [&tracefs](const char* event) {
        return parse_format(read_file(tracefs + "/events/ftrace/" + event + "/format"));
    };
    return {format("funcgraph_entry"), format("funcgraph_exit")};
}

std::size_t page_size(const std::string& directory) {
    EventFormat header;
    header.text = try_read_file(directory + "/events/header_page").value_or("");
    // "field: char data; offset:16; size:4080;": the data fills the page behind the header.
    for (const auto line : chain::split_lines(header.text)) {
        if (line.find(" data;") == std::string_view::npos) continue;
        const auto number = [line](std::string_view key) {
            std::size_t value = 0;
            if (const auto at = line.find(key); at != std::string_view::npos) {
                std::from_chars(line.data() + at + key.size(), line.data() + line.size(), value);
            }
            return value;
        };
        const auto total = number("offset:") + number("size:");
        if (total >= 4096 && total <= (1U << 20U)) return total;
    }
    return 4096;
}

CpuStats parse_stats(std::string_view text) {
    CpuStats stats;
    for (const auto line : chain::split_lines(text)) {
        const auto colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        std::uint64_t value = 0;
        std::from_chars(line.data() + colon + 2, line.data() + line.size(), value);
        const auto key = line.substr(0, colon);
        if (key == "overrun") stats.overrun = value;
        if (key == "commit overrun") stats.commit_overrun = value;
        if (key == "dropped events") stats.dropped = value;
    }
    return stats;
}

TraceBuffer::TraceBuffer(const std::string& tracefs, std::uint64_t kib_per_cpu, SavedState& saved)
    : saved_(saved) {
    create(tracefs);
    try {
        set("tracing_on", "0");
        set("trace_clock", "mono");
        set_size(kib_per_cpu);
        // Wake the reader when a quarter is full: often enough to be in time, and no interrupt of
        // ours in a recording that fits.
        if (::access((directory_ + "/buffer_percent").c_str(), F_OK) == 0) {
            set("buffer_percent", "25");
        }
    } catch (...) {
        restore();
        throw;
    }
}

/// Since Linux 6.8 a buffer's pages may be larger. The record that begins one takes a microsecond
/// more, in the midst of what is being watched, so there are to be few; but not if the memory for
/// them is not there in one piece.
void TraceBuffer::set_size(std::uint64_t kib_per_cpu) {
    constexpr std::uint64_t pages_at_least = 16;
    const auto size = std::to_string(kib_per_cpu);
    const bool enough = kib_per_cpu >= pages_at_least * large_page_kib;
    if (private_ && enough &&
        try_write_file(directory_ + "/buffer_subbuf_size_kb", std::to_string(large_page_kib)) ==
            0) {
        if (try_write_file(directory_ + "/buffer_size_kb", size) == 0) return;
        try_write_file(directory_ + "/buffer_subbuf_size_kb", "4");
    }
    set("buffer_size_kb", size);
}

void TraceBuffer::create(const std::string& tracefs) {
    const auto instances = tracefs + "/instances";
    remove_left_behind(instances);
    directory_ = fmt::format("{}/{}{}", instances, instance_prefix, ::getpid());
    if (::mkdir(directory_.c_str(), 0700) != 0) {
        if (errno == EPERM || errno == EACCES || errno == EROFS) {
            throw Failure(fmt::format(
                "A trace instance cannot be made in {}: {}. Recording needs root and a kernel that "
                "is not locked down (see /sys/kernel/security/lockdown).",
                instances, std::strerror(errno)));
        }
        throw Failure(fmt::format("A trace instance cannot be made in {}: {}.", instances,
                                  std::strerror(errno)));
    }
    private_ = true;
    const auto offered = try_read_file(directory_ + "/available_tracers").value_or("");
    const auto here = split_words(trim(offered));
    if (std::find(here.begin(), here.end(), "function_graph") != here.end()) return;

    // This kernel has it at the top only.
    ::rmdir(directory_.c_str());
    private_ = false;
    take_top(tracefs);
}

void TraceBuffer::take_top(const std::string& tracefs) {
    directory_ = tracefs;
    const auto refuse = [&](const std::string& who, const std::string& end_it) {
        throw Failure(fmt::format(
            "{} is at work in {}, and this kernel has only one function_graph. End it first: {}",
            who, tracefs, end_it));
    };
    const auto current = read_file(tracefs + "/current_tracer");
    if (trim(current) != "nop") {
        refuse(fmt::format("Another tracer ({})", trim(current)),
               fmt::format("echo nop > {}/current_tracer", tracefs));
    }
    const auto events = try_read_file(tracefs + "/set_event").value_or("");
    if (!trim(events).empty()) {
        refuse(fmt::format("Somebody else's trace of the event {}",
                           trim(chain::split_lines(trim(events)).front())),
               fmt::format("echo > {}/set_event", tracefs));
    }
    // Whatever would narrow our view.
    for (const char* file : {"set_ftrace_filter", "set_ftrace_notrace", "set_ftrace_pid",
                             "set_graph_function", "set_graph_notrace"}) {
        if (::access(fmt::format("{}/{}", tracefs, file).c_str(), F_OK) == 0) set(file, "", true);
    }
    for (const auto& [file, text] :
         {std::pair("max_graph_depth", "0"), std::pair("options/funcgraph-irqs", "1"),
          std::pair("options/overwrite", "1")}) {
        if (::access(fmt::format("{}/{}", tracefs, file).c_str(), F_OK) == 0) set(file, text);
    }
}

/// Writes a setting. Of the machine's own buffer what it was is kept first.
void TraceBuffer::set(const std::string& file, const std::string& text, bool by_word) {
    const auto path = fmt::format("{}/{}", directory_, file);
    if (!private_) {
        auto before = read_file(path);
        if (file == "trace_clock") before = selected(before);
        if (file == "buffer_size_kb") before = std::string(split_words(trim(before)).front());
        // "#### all functions enabled ####" and the like say that a list is empty.
        if (by_word && before.starts_with("#")) before.clear();
        if (by_word && file == "set_ftrace_pid" && trim(before) == "no pid") before.clear();
        saved_.remember(path, std::string(trim(before)), by_word);
    }
    write_file(path, text.empty() ? "\n" : text);
}

TraceBuffer::~TraceBuffer() {
    pipes_.clear();
    if (keep_) {
        try_write_file(directory_ + "/tracing_on", "0");
        saved_.forget();
        return;
    }
    restore();
}

void TraceBuffer::restore() {
    if (private_) {
        remove_instance(directory_);
        return;
    }
    saved_.restore();
}

std::vector<std::size_t> TraceBuffer::choose(const std::vector<std::uint32_t>& records,
                                             const std::vector<std::string>& names) {
    const auto path = directory_ + "/set_ftrace_filter";
    std::vector<std::size_t> missing;
    std::vector<std::string_view> expected;
    {
        const Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
        if (!fd) throw Failure(fmt::format("Cannot open {}: {}.", path, std::strerror(errno)));
        // One number a write, since the kernel takes one word of each, and a blank behind it, which
        // ends the word.
        std::string word;
        for (std::size_t i = 0; i < records.size(); ++i) {
            word = std::to_string(records[i]) + ' ';
            if (::write(fd.get(), word.data(), word.size()) >= 0) {
                expected.emplace_back(names[i]);
            } else if (errno == EINVAL) {  // its list is shorter
                missing.push_back(i);
            } else {
                throw Failure(fmt::format("Cannot write record {} to {}: {}.", records[i], path,
                                          std::strerror(errno)));
            }
        }
    }
    const auto text = read_file(path);
    const auto lines = chain::split_lines(text);
    const bool same = std::equal(lines.begin(), lines.end(), expected.begin(), expected.end(),
                                 [](std::string_view line, std::string_view name) {
                                     return line.substr(0, line.find(' ')) == name;
                                 });
    // With an empty filter the kernel would trace everything.
    if (!same || (expected.empty() && !names.empty())) {
        throw Failure(fmt::format(
            "The kernel chose other functions than asked for ({} of {}): its list of functions "
            "changed since the plan was made. Remove the plan's file and start again.",
            lines.size(), names.size()));
    }
    return missing;
}

void TraceBuffer::enable() {
    set("current_tracer", "function_graph");
    pipes_ = open_trace_pipes(
        directory_);  // not before: an open pipe keeps the tracer from being changed
}

std::vector<TraceBuffer::Pipe> open_trace_pipes(const std::string& directory) {
    std::vector<TraceBuffer::Pipe> pipes;
    for (const auto& name : list_directory(directory + "/per_cpu")) {
        const auto cpu = number_behind(name, "cpu");
        if (!cpu) continue;
        const auto path = directory + "/per_cpu/" + name + "/trace_pipe_raw";
        Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        // A CPU that is off line has no buffer, and no events.
        if (!fd && errno == ENODEV) continue;
        if (!fd) {
            throw Failure(fmt::format("Cannot open {}: {}.", path, std::strerror(errno)));
        }
        pipes.push_back({*cpu, std::move(fd)});
    }
    std::sort(pipes.begin(), pipes.end(),
              [](const auto& left, const auto& right) { return left.cpu < right.cpu; });
    return pipes;
}

void TraceBuffer::switch_on() {
    write_file(directory_ + "/tracing_on", "1");
}

void TraceBuffer::switch_off() {
    write_file(directory_ + "/tracing_on", "0");
}

std::vector<CpuStats> TraceBuffer::stats() const {
    return trace_stats(directory_, pipes_);
}

std::vector<CpuStats> trace_stats(const std::string& directory,
                                  const std::vector<TraceBuffer::Pipe>& pipes) {
    std::vector<CpuStats> all;
    for (const auto& pipe : pipes) {
        auto stats = parse_stats(
            try_read_file(fmt::format("{}/per_cpu/cpu{}/stats", directory, pipe.cpu)).value_or(""));
        stats.cpu = pipe.cpu;
        all.push_back(stats);
    }
    return all;
}

}  // namespace skbtrail::tracer
