#include "labs/runner/change.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "labs/runner/failure.h"
#include "labs/runner/lab_names.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

constexpr const char* description = "change.json";
constexpr const char* script = "change.sh";

/// As the lab's step is called.
constexpr const char* step_name = "change";

void add_folder(const fs::path& folder, LabChange& change) {
    change.run = script;
    change.folder = folder;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        if (entry.is_regular_file() && name != description && name != "README.md") {
            change.files.push_back(entry.path());
        }
    }
    if (std::ranges::find(change.files, folder / script) == change.files.end()) {
        throw CannotRun(
            fmt::format("the change {} has no {}: the script that makes the change, in the guest",
                        folder.string(), script));
    }
    const auto file = folder / description;
    std::error_code error;
    if (!fs::exists(file, error)) return;
    try {
        parse_change(chain::read_file(file.string()), change);
    } catch (const chain::FormatError& failure) {
        throw chain::FormatError(fmt::format("{}: {}", file.string(), failure.what()));
    }
}

}  // namespace

void parse_change(std::string_view json, LabChange& change) {
    const auto document = chain::parse_json(json);
    const chain::JsonValue root(document);
    auto object =
        chain::open_document(root, {.format = "skbtrail-change", .version = 1, .name = "a change"});
    object.optional("about", change.about);
    object.optional("modules", change.modules);
    change.programs = chain::read_optional_array(object, "programs", program_name);
    object.finish();
}

LabChange load_change(const fs::path& path) {
    std::error_code error;
    const auto place = fs::canonical(path, error);
    if (error) {
        throw CannotRun(fmt::format(
            "there is no change at {}: a folder with a {}, a script, or a module (*.ko)",
            path.string(), script));
    }
    LabChange change;
    change.name = place.filename().string();
    if (fs::is_directory(place)) {
        add_folder(place, change);
    } else {
        change.run = change.name;
        change.files = {place};
    }
    return change;
}

Lab with_change(Lab lab, LabChange change) {
    if (std::ranges::find(lab.steps, step_name, &LabStep::name) != lab.steps.end()) {
        throw CannotRun(fmt::format(
            "the lab {} has a step called \"{}\", which is what the step of --change is called: "
            "give it another name",
            lab.name, step_name));
    }
    lab.steps.insert(std::ranges::find(lab.steps, true, &LabStep::record),
                     {.name = step_name, .run = change.run, .folder = "/change"});
    lab.modules.insert(lab.modules.end(), change.modules.begin(), change.modules.end());
    lab.programs.insert(lab.programs.end(), change.programs.begin(), change.programs.end());
    lab.change = std::move(change);
    return lab;
}

}  // namespace skbtrail::labs
