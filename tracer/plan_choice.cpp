#include "tracer/plan_choice.h"

#include <utility>

#include <fmt/format.h>

#include "tracer/failure.h"
#include "tracer/files.h"
#include "tracer/notes.h"
#include "tracer/observed.h"
#include "tracer/plan_compute.h"

namespace skbtrail::tracer {

PlanInUse choose_plan(const Options& options, const std::string& tracefs,
                      const std::vector<Module>& modules) {
    Circumstances now;
    now.collector = own_build_id();
    now.build_id = kernel_build_id();
    for (const auto& module : modules) now.modules.push_back({module.name, module.size});

    if (!options.plan.empty()) {
        if (const auto text = try_read_file(options.plan)) {
            try {
                auto plan = parse_plan(*text);
                const auto why = why_unfit(plan, now);
                if (why.empty()) return {std::move(plan), false};
                note(fmt::format("the plan in {} is not used: {}", options.plan, why));
            } catch (const Failure& failure) {
                note(fmt::format("the plan in {} is not used: {}", options.plan, failure.what()));
            }
        } else if (options.plan != options.save_plan) {
            note(fmt::format("there is no plan in {} yet: computing it", options.plan));
        }
    }
    auto plan = compute_plan(tracefs);
    plan.collector = std::move(now.collector);
    plan.build_id = std::move(now.build_id);
    plan.release = kernel_release();
    return {std::move(plan), true};
}

}  // namespace skbtrail::tracer
