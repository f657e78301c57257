#include "labs/runner/shell.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/cache.h"
#include "guest/process.h"
#include "guest/stream.h"
#include "labs/runner/failure.h"
#include "labs/runner/guest_messages.h"
#include "labs/runner/lab_image.h"
#include "labs/runner/last_resort.h"
#include "labs/runner/machine.h"
#include "labs/runner/raw_terminal.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/steering.h"
#include "labs/runner/stream_listener.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto shell_boot_limit = 3min;
constexpr auto longest_session = 24h;
constexpr std::uintmax_t most_exchanged = std::uintmax_t{64} << 20;
constexpr const char* shell_step = "shell";
constexpr const char* archive = "/exchange.tar";
constexpr std::string_view end_of_input = "\x15\x04";  // Ctrl-U, Ctrl-D

class Shell {
  public:
    Shell(const Lab& lab, const ShellOptions& options, PhaseLog& phases, const SignalWatch& signals,
          const std::function<void()>& tick, std::function<void()> begins)
        : lab_(lab),
          options_(options),
          phases_(phases),
          begins_(std::move(begins)),
          swept_(sweep_dead_runs(run_directory_base())),
          directory_(run_directory_base()),
          last_resort_(directory_.path()),
          steering_(phases, signals, tick),
          machine_(lab, options.run, steering_, directory_.path(), guest::cache_root()) {}

    void execute() {
        try {
            go();
        } catch (...) {
            raw_.reset();
            phases_.mute();
            last_resort_.arm(clean_up_limit);
            machine_.abandon();
            throw;
        }
    }

  private:
    void go() {
        machine_.find_parts();
        results_ = std::make_unique<ResultDirectory>(
            options_.run.output.empty() ? directory_.path() / "results" : options_.run.output);
        machine_.assemble(*results_, [this] { return image(); });
        const auto socket = directory_.path() / "terminal.sock";
        terminal_ = std::make_unique<StreamListener>(socket);
        steering_.watch().add(terminal_->fd(), [this] {
            steering_.watch().remove(terminal_->fd());
            terminal_->accept();
            steering_.watch().add(terminal_->fd(), [this] { from_guest(); });
        });
        machine_.start(results_->console(), "qemu-configs/domain.xml", socket);
        phases_.start("boot", shell_boot_limit);
        auto& stream = machine_.stream();
        GuestMessages messages(stream);
        steering_.watch().add(stream.fd(), [&] {
            const bool open = messages.read([this](const guest::Message& said) { take(said); });
            if (!open && !ended_) {
                throw CannotRun("the guest stopped in the middle, without a word");
            }
        });
        steering_.wait([this] {
            say_end_of_input();
            return ended_;
        });
        raw_.reset();
        stream.acknowledge();
        steering_.watch().remove(stream.fd());
        machine_.end();
        last_resort_.arm(clean_up_limit);
        machine_.await_end();
        if (!failure_.empty()) throw CannotRun(failure_);
    }

    guest::InitramfsRequest image() const {
        auto request = lab_image(lab_, machine_.kernel());
        for (const auto& step : lab_.steps) {
            if (step.record) break;
            request.job.steps.push_back(job_step(step));
        }
        // A session leader's first terminal is its controlling one: Ctrl-C works.
        request.job.steps.push_back(
            {.name = shell_step,
             .command = {"/bin/sh", "-c",
                         fmt::format("mkdir -p /exchange; cd /exchange; "
                                     "exec </dev/hvc0 >/dev/hvc0 2>&1; {}; "
                                     "export TERM={} PS1='guest:\\w# '; sh -i; exit 0",
                                     window_size(), terminal_type())},
             .record = false,
             .deadline = longest_session});
        if (!options_.exchange.empty()) {
            add_exchange(request);
            request.job.steps.push_back(
                {.name = "exchange",
                 .command = {"/bin/tar", "-C", "/exchange", "-cf", archive, "."},
                 .record = false,
                 .deadline = 60s});
            request.job.return_files = {archive};
        }
        const auto plan = machine_.plan_path();
        std::error_code error;
        if (!plan.empty() && fs::exists(plan, error)) {
            request.files.push_back({plan, "/plan", 0644});
        }
        return request;
    }

    void add_exchange(guest::InitramfsRequest& request) const {
        std::uintmax_t bytes = 0;
        for (const auto& entry : fs::recursive_directory_iterator(options_.exchange)) {
            if (!entry.is_regular_file()) continue;
            bytes += entry.file_size();
            if (bytes > most_exchanged) {
                throw CannotRun(fmt::format(
                    "{} holds more than {} MiB: all of it would go into the guest's memory. Name a "
                    "smaller directory.",
                    options_.exchange.string(), most_exchanged >> 20));
            }
            const bool program =
                (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
            request.files.push_back(
                {entry.path(),
                 "/exchange/" + entry.path().lexically_relative(options_.exchange).string(),
                 program ? 0755U : 0644U});
        }
    }

    static std::string window_size() {
        winsize size{};
        if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return ":";
        return fmt::format("stty rows {} cols {}", size.ws_row, size.ws_col);
    }

    /// The user's, if nothing in it could mean something to a shell.
    static std::string terminal_type() {
        const char* type = std::getenv("TERM");
        const std::string name = type == nullptr ? "" : type;
        const bool plain =
            !name.empty() && name.find_first_not_of(
                                 "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+.") == std::string::npos;
        return plain ? name : "vt100";
    }

    // --- the guest ------------------------------------------------------------------------------

    void take(const guest::Message& message) {
        std::visit([this](const auto& its) { on(its); }, message);
    }

    void on(const guest::PhaseMessage& message) {
        if (message.name == guest::phase::step_started && message.step == shell_step) {
            phases_.finish("boot");
            begins_();
        } else if (message.name == guest::phase::step_ended && message.step == shell_step) {
            raw_.reset();
            input_ended_ = false;
            if (std::exchange(reading_, false)) steering_.watch().remove(STDIN_FILENO);
        } else if (message.name == guest::phase::step_ended && message.status.value_or(0) != 0) {
            failure_ = fmt::format("the step \"{}\" of the guest ended with status {}: {}",
                                   message.step, *message.status, last_output_);
        }
    }
    void on(const guest::OutputMessage& message) {
        if (!message.bytes.empty()) last_output_ = message.bytes;
    }
    void on(const guest::FileMessage& message) {
        if (message.name != archive) return;
        const auto file = directory_.path() / "exchange.tar";
        guest::write_file_atomically(file, message.bytes);
        guest::Command tar;
        tar.arguments = {"tar", "--no-same-owner", "-C", options_.exchange.string(),
                         "-xf", file.string()};
        const auto result = guest::run_process(tar);
        if (!result.succeeded()) {
            failure_ = fmt::format("the files of /exchange could not be put into {}: {}",
                                   options_.exchange.string(), guest::describe(tar, result));
        }
    }
    void on(const guest::ErrorMessage& message) {
        if (failure_.empty()) failure_ = message.message;
    }
    void on(const guest::EndMessage& /*message*/) { ended_ = true; }
    void on(const guest::NoticeMessage& /*message*/) {}
    void on(const guest::CollectorMessage& /*message*/) {}

    // --- the terminal ---------------------------------------------------------------------------

    void from_guest() {
        bool closed = false;
        const auto bytes = terminal_->read(closed);
        if (!bytes.empty() && !std::exchange(begun_, true)) {
            // Not before the shell has said something: opening the line empties it.
            raw_ = std::make_unique<RawTerminal>();
            steering_.watch().add(STDIN_FILENO, [this] { from_user(); });
            reading_ = true;
        }
        write_all(STDOUT_FILENO, bytes);
        if (closed) steering_.watch().remove(terminal_->fd());
    }

    void from_user() {
        std::array<char, 4096> bytes;
        const auto got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (got > 0) {
            write_all(terminal_->fd(), {bytes.data(), static_cast<std::size_t>(got)});
            line_begun_ = bytes[static_cast<std::size_t>(got) - 1] != '\n';
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            steering_.watch().remove(STDIN_FILENO);
            reading_ = false;
            input_ended_ = true;
            if (line_begun_) write_all(terminal_->fd(), "\n");  // a last line is a line
        }
    }

    /// The end of a file is to the guest's shell what Ctrl-D is, on an empty line. Said until it is
    /// heard: what comes while a command runs ends that command's input, or waits as a byte of the
    /// shell's next line, which therefore is emptied first.
    void say_end_of_input() {
        const auto now = std::chrono::steady_clock::now();
        if (input_ended_ && now >= say_again_) {
            write_all(terminal_->fd(), end_of_input);
            say_again_ = now + 500ms;
        }
    }

    static void write_all(int file, std::string_view bytes) {
        while (!bytes.empty()) {
            const auto written = ::write(file, bytes.data(), bytes.size());
            if (written > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(written));
            } else if (errno == EAGAIN) {
                pollfd ready{file, POLLOUT, 0};
                if (::poll(&ready, 1, 1000) <= 0) return;  // nobody reads: what it says is lost
            } else if (errno != EINTR) {
                return;
            }
        }
    }

    const Lab& lab_;
    const ShellOptions& options_;
    PhaseLog& phases_;
    std::function<void()> begins_;
    std::size_t swept_;
    RunDirectory directory_;  // first: what follows uses it, and ends before it
    LastResort last_resort_;
    Steering steering_;
    std::unique_ptr<ResultDirectory> results_;
    std::unique_ptr<StreamListener> terminal_;
    GuestMachine machine_;
    std::unique_ptr<RawTerminal> raw_;
    bool begun_ = false;        ///< the shell has said something
    bool reading_ = false;      ///< what the user types is handed on
    bool line_begun_ = false;   ///< what the user typed last is not ended
    bool input_ended_ = false;  ///< and the shell has not ended
    std::chrono::steady_clock::time_point say_again_;
    bool ended_ = false;
    std::string last_output_;
    std::string failure_;
};

}  // namespace

void run_shell(const Lab& lab, const ShellOptions& options, PhaseLog& phases,
               const SignalWatch& signals, const std::function<void()>& tick,
               const std::function<void()>& begins) {
    Shell(lab, options, phases, signals, tick, begins).execute();
}

}  // namespace skbtrail::labs
