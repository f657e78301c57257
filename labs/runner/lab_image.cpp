#include "labs/runner/lab_image.h"

#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "guest/cache.h"
#include "labs/runner/bpf_objects.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"
#include "labs/runner/guest_progress.h"
#include "labs/runner/programs.h"
#include "labs/runner/tracing_facts.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// As `place` of the guest has it.
void add_file(const fs::path& file, const std::string& place,
              std::vector<guest::GuestFile>& files) {
    const bool program =
        (fs::status(file).permissions() & fs::perms::owner_exec) != fs::perms::none;
    files.push_back({file, place + "/" + file.filename().string(), program ? 0755U : 0644U});
}

/// The user's files beside the lab's own.
void add_change(const LabChange& change, std::vector<guest::GuestFile>& files) {
    const std::string place = "/change";
    for (const auto& file : change.files) add_file(file, place, files);
    if (change.folder.empty()) return;
    for (auto& object : bpf_objects(change.folder, guest::cache_root(), place)) {
        files.push_back(std::move(object));
    }
}

void add_lab_files(const Lab& lab, std::vector<guest::GuestFile>& files) {
    files.push_back({find_data("labs/common.sh"), "/labs/common.sh", 0644U});
    for (const auto& entry : fs::directory_iterator(lab.folder)) {
        const auto name = entry.path().filename().string();
        if (entry.is_regular_file() && name != "lab.json" && name != "expect.json" &&
            name != "README.md") {
            add_file(entry.path(), "/lab", files);
        }
    }
}

guest::InitramfsRequest empty_image(const guest::Kernel& kernel) {
    return {.kernel = kernel,
            .modules = {},
            .init = require_program("skbtrail-init"),
            .collector = require_program("skbtrail-collect"),
            .files = {},
            .job = {}};
}

}  // namespace

fs::path require_program(const std::string& name) {
    const auto program = find_program(name);
    if (!program) {
        throw CannotRun(fmt::format(
            "{} was found neither beside skbtrail ({}) nor in PATH. Build it (`make build`) or "
            "install skbtrail again.",
            name, program_directory().string()));
    }
    return *program;
}

void require_configuration(const Lab& lab, const guest::Kernel& kernel) {
    if (kernel.config.empty()) {
        return;
    }
    const auto config = guest::read_file(kernel.config);
    if (const auto options = missing_for_guest(config); !options.empty()) {
        throw CannotRun(fmt::format(
            "{} cannot be a guest here: it was built without {}. Set what is missing ({} has the "
            "configuration that was looked at), and build it again.",
            kernel.release, fmt::join(options, ", "), kernel.config.string()));
    }
    const auto missing = missing_needs(lab, config);
    if (!missing.empty()) {
        throw NotApplicable(fmt::format(
            "the lab {} needs a kernel with {}, which {} was built without. Choose another one "
            "with --kernel; `skbtrail kernels list` shows them.",
            lab.name, fmt::join(missing, ", "), kernel.release));
    }
}

guest::InitramfsRequest waiting_image(const guest::Kernel& kernel) {
    auto request = empty_image(kernel);
    request.job.deferred = true;
    return request;
}

guest::InitramfsRequest lab_image(const Lab& lab, const guest::Kernel& kernel) {
    auto request = empty_image(kernel);
    request.modules = lab.modules;
    request.files = guest_programs(lab.programs);
    add_lab_files(lab, request.files);
    for (auto& object : bpf_objects(lab.folder, guest::cache_root())) {
        request.files.push_back(std::move(object));
    }
    if (lab.change) add_change(*lab.change, request.files);
    request.job.sysctls = lab.sysctls;
    request.job.environment = {{"SKBTRAIL_LAB", lab.name}};
    return request;
}

guest::JobStep job_step(const LabStep& step) {
    const auto file = step.folder + "/" + step.run;
    return {.name = step.name,
            .command = {step.run.ends_with(".ko") ? "/bin/insmod" : "/bin/sh", file},
            .record = step.record,
            .deadline = step.deadline};
}

bool add_lab_job(guest::InitramfsRequest& request, const Lab& lab, const fs::path& plan) {
    for (const auto& step : lab.steps) request.job.steps.push_back(job_step(step));
    std::error_code error;
    const bool has_plan = !plan.empty() && fs::exists(plan, error);
    if (has_plan) {
        request.files.push_back({plan, "/plan", 0644});
        request.job.collector = {"--plan", "/plan"};
    }
    if (lab.boot_trace) request.job.collector.emplace_back("--boot-trace");
    if (lab.interrupts) request.job.collector.emplace_back("--interrupts");
    request.job.collector.insert(request.job.collector.end(),
                                 {"--save-plan", std::string(new_plan_path)});
    if (!lab.filter.empty()) request.job.collector.push_back(lab.filter);
    request.job.return_files = {std::string(new_plan_path)};
    return has_plan;
}

}  // namespace skbtrail::labs
