// What a lab's guest boots into.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "guest/initramfs.h"
#include "guest/kernel_store.h"
#include "labs/runner/lab.h"

namespace skbtrail::labs {

/// One of our programs, by its name. Throws CannotRun with a sentence about where it was looked
/// for.
std::filesystem::path require_program(const std::string& name);

/// Throws NotApplicable when `kernel` was built without what the lab needs.
void require_configuration(const Lab& lab, const guest::Kernel& kernel);

/// The image of a guest with the lab's modules, programs and files, and without a job yet.
guest::InitramfsRequest lab_image(const Lab& lab, const guest::Kernel& kernel);

/// The image of a guest that boots, and waits for the job that it is sent: no lab's, so that it
/// serves any.
guest::InitramfsRequest waiting_image(const guest::Kernel& kernel);

/// How the guest runs a step of a lab.
guest::JobStep job_step(const LabStep& step);

/// Adds the lab's steps as the job, and the collector's `plan` for this kernel where there is one:
/// an empty path, or a file that may not exist yet. Returns whether it did.
bool add_lab_job(guest::InitramfsRequest& request, const Lab& lab,
                 const std::filesystem::path& plan);

}  // namespace skbtrail::labs
