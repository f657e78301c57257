#include "labs/runner/kept_guest.h"

#include <variant>

#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/stream.h"
#include "labs/runner/evidence.h"
#include "labs/runner/failure.h"
#include "labs/runner/guest_messages.h"
#include "labs/runner/guest_progress.h"
#include "labs/runner/lab_image.h"
#include "labs/runner/last_resort.h"
#include "labs/runner/machine.h"
#include "labs/runner/result_directory.h"
#include "labs/runner/run_directory.h"
#include "labs/runner/steering.h"

namespace skbtrail::labs {
namespace {

/// The lab's machine, without what only the lab is about.
Lab bare(const Lab& lab) {
    Lab machine;
    machine.name = lab.name;
    machine.folder = lab.folder;
    machine.kernel = lab.kernel;
    machine.nics = lab.nics;
    machine.vcpus = lab.vcpus;
    machine.memory_mib = lab.memory_mib;
    // No driver, no frame: any wire will do.
    for (auto& nic : machine.nics) nic.wire = {.kind = "reflect", .options = {}};
    return machine;
}

class Keeper {
  public:
    Keeper(const Lab& lab, const RunOptions& options, PhaseLog& phases, const SignalWatch& signals,
           const std::function<void()>& tick)
        : lab_(bare(lab)),
          phases_(phases),
          results_(options.output),
          directory_(run_directory_base()),
          last_resort_(directory_.path()),
          steering_(phases, signals, tick),
          machine_(lab_, options, steering_, directory_.path(), guest::cache_root()) {}

    void execute() {
        try {
            boot();
            machine_.keep();
            last_resort_.arm(clean_up_limit);
            machine_.end();
            machine_.await_end();
        } catch (...) {
            phases_.mute();
            last_resort_.arm(clean_up_limit);
            machine_.abandon();
            throw;
        }
    }

  private:
    void boot() {
        machine_.find_parts();
        machine_.assemble(results_, [this] { return waiting_image(machine_.kernel()); });
        machine_.start(results_.console(), "qemu-configs/domain.xml");
        phases_.start("boot", boot_limit);
        auto& stream = machine_.stream();
        GuestMessages messages(stream);
        steering_.watch().add(stream.fd(), [&] {
            const bool open = messages.read([this](const auto& said) { take(said); });
            if (!open && !waiting_) throw CannotRun(ended_early());
        });
        steering_.wait([this] { return waiting_; });
        steering_.watch().remove(stream.fd());
        phases_.finish("boot");
    }

    void take(const guest::Message& message) {
        if (const auto* phase = std::get_if<guest::PhaseMessage>(&message)) {
            waiting_ = waiting_ || phase->name == guest::phase::waiting;
        } else if (const auto* error = std::get_if<guest::ErrorMessage>(&message)) {
            throw CannotRun(error->message);
        }
    }

    std::string ended_early() const {
        const auto ending = console_ending(results_.console());
        return fmt::format("the guest {} before it had booted; its console is in {}",
                           ending.empty() ? "ended" : ending, results_.console().string());
    }

    const Lab lab_;
    PhaseLog& phases_;
    ResultDirectory results_;
    RunDirectory directory_;  // before what uses it, and ends before it
    LastResort last_resort_;
    Steering steering_;
    GuestMachine machine_;
    bool waiting_ = false;
};

}  // namespace

void keep_guest(const Lab& lab, const RunOptions& options, PhaseLog& phases,
                const SignalWatch& signals, const std::function<void()>& tick) {
    Keeper(lab, options, phases, signals, tick).execute();
}

std::string machine_of(const Lab& lab) {
    if (lab.own_guest || lab.boot_trace) return {};
    auto text = fmt::format("{} vcpus, {} MiB", lab.vcpus, lab.memory_mib);
    for (const auto& nic : lab.nics) {
        text += fmt::format(", a NIC of {} queue pairs", nic.queue_pairs);
        for (const auto& [feature, on] : nic.features) {
            text += fmt::format(", {}{}", on ? '+' : '-', feature);
        }
    }
    return text;
}

}  // namespace skbtrail::labs
