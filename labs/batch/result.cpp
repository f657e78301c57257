#include "labs/batch/result.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "guest/cache.h"
#include "labs/batch/matrix.h"
#include "labs/runner/failure.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs::batch {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr chain::DocumentKind result_kind{"skbtrail-result", 1, "a run's result"};

constexpr std::array<std::pair<LabOutcome, std::string_view>, 6> names = {
    {{LabOutcome::passed, "passed"},
     {LabOutcome::diverged, "diverged"},
     {LabOutcome::not_judgeable, "not_judgeable"},
     {LabOutcome::skipped, "skipped"},
     {LabOutcome::failed, "failed"},
     {LabOutcome::interrupted, "interrupted"}}};

LabOutcome outcome_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::passed:
            return LabOutcome::passed;
        case Outcome::diverged:
            return LabOutcome::diverged;
        case Outcome::skipped:
            return LabOutcome::skipped;
        case Outcome::not_judgeable:
            break;
    }
    return LabOutcome::not_judgeable;
}

LabOutcome read_outcome(const chain::JsonValue& value) {
    const auto text = value.get<std::string>();
    for (const auto& [outcome, name] : names) {
        if (name == text) return outcome;
    }
    value.fail(fmt::format("\"{}\" is no outcome of a run", text));
}

std::string text_of(const Divergence& divergence) {
    return fmt::format("expected {}, came {}. {}", divergence.expected, divergence.came,
                       divergence.explanation);
}

LabResult load_result(const fs::path& file) {
    try {
        return parse_result(guest::read_file(file));
    } catch (const chain::FormatError& error) {
        throw chain::FormatError(fmt::format("{}: {}", file.string(), error.what()));
    }
}

}  // namespace

std::string_view outcome_name(LabOutcome outcome) {
    return std::find_if(names.begin(), names.end(),
                        [&](const auto& entry) { return entry.first == outcome; })
        ->second;
}

LabResult result_of(const Verdict& verdict) {
    LabResult result;
    result.lab = verdict.lab;
    result.release = verdict.kernel_release;
    result.outcome = outcome_of(verdict.outcome);
    result.text = verdict.reason;
    for (const ChainVerdict& chain : verdict.chains) {
        ChainResult& its = result.chains.emplace_back();
        its.name = chain.name;
        its.outcome = outcome_of(chain.outcome);
        its.text = chain.divergence ? text_of(*chain.divergence) : chain.reason;
        if (result.text.empty() && chain.outcome == verdict.outcome && !its.text.empty()) {
            result.text = fmt::format("{}: {}", chain.name, its.text);
        }
    }
    for (const Divergence& call : verdict.forbidden) {
        ChainResult& its = result.chains.emplace_back();
        its.name = fmt::format("no call of {}", call.came);
        its.outcome = LabOutcome::diverged;
        its.text = call.explanation;
        if (result.text.empty()) result.text = fmt::format("{} came", call.came);
    }
    return result;
}

std::string to_json(const LabResult& result) {
    json chains = json::array();
    for (const ChainResult& chain : result.chains) {
        chains.push_back(
            {{"name", chain.name}, {"outcome", outcome_name(chain.outcome)}, {"text", chain.text}});
    }
    const json object = {{"format", result_kind.format},
                         {"version", result_kind.version},
                         {"lab", result.lab},
                         {"kernel", result.kernel},
                         {"release", result.release},
                         {"outcome", outcome_name(result.outcome)},
                         {"text", result.text},
                         {"seconds", result.seconds},
                         {"directory", result.directory},
                         {"guest", result.guest},
                         {"chains", chains}};
    return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

LabResult parse_result(std::string_view text) {
    const nlohmann::json document = chain::parse_json(text);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, result_kind);
    LabResult result;
    object.required("lab", result.lab);
    object.required("kernel", result.kernel);
    object.required("release", result.release);
    result.outcome = read_outcome(object.required("outcome"));
    object.required("text", result.text);
    const auto seconds = object.required("seconds");
    if (!seconds.json().is_number()) seconds.fail("must be a number of seconds");
    result.seconds = seconds.json().get<double>();
    object.required("directory", result.directory);
    object.optional("guest", result.guest);
    result.chains = chain::read_array(object.required("chains"), [](const chain::JsonValue& one) {
        ChainResult chain;
        chain::JsonObject members(one);
        members.required("name", chain.name);
        chain.outcome = read_outcome(members.required("outcome"));
        members.required("text", chain.text);
        members.finish();
        return chain;
    });
    object.finish();
    return result;
}

std::vector<LabResult> collect(const std::vector<fs::path>& directories,
                               const guest::Progress& tell) {
    std::map<std::pair<std::string, std::string>, LabResult> found;
    std::map<std::pair<std::string, std::string>, fs::path> announced;
    for (const fs::path& directory : directories) {
        std::error_code error;
        std::vector<fs::path> files;
        if (fs::exists(directory / "result.json", error)) files.push_back(directory);
        for (const auto& entry : fs::directory_iterator(directory, error)) {
            if (fs::exists(entry.path() / "result.json")) files.push_back(entry.path());
        }
        for (const fs::path& run : files) {
            auto result = load_result(run / "result.json");
            // Where it is now, not where it was made: results travel from machine to machine.
            result.directory = run.string();
            LabResult& its = found[{result.kernel, result.lab}];
            if (tell && !its.directory.empty()) {
                tell(
                    fmt::format("{} on {} is there twice: {} in {}, {} in {}, which counts, as it "
                                "was named later",
                                result.lab, result.kernel, outcome_name(its.outcome), its.directory,
                                outcome_name(result.outcome), result.directory));
            }
            its = std::move(result);
        }
        const bool batch = fs::exists(directory / batch_file, error);
        if (batch) {
            for (const Cell& cell : parse_batch(guest::read_file(directory / batch_file))) {
                announced[{cell.kernel, cell.lab}] = directory;
            }
        }
        if (files.empty() && !batch) {
            throw CannotRun(fmt::format(
                "there is no result in {}: neither a result.json, nor a folder that holds one. "
                "`skbtrail run --all` makes such a directory.",
                directory.string()));
        }
    }
    for (const auto& [cell, directory] : announced) {
        if (found.contains(cell)) continue;
        LabResult missing;
        missing.kernel = cell.first;
        missing.lab = cell.second;
        missing.text = fmt::format(
            "it has no result: {} announces it, and none of the directories has it. Its shard "
            "has not run, or did not end.",
            (directory / batch_file).string());
        found[cell] = missing;
    }
    std::vector<LabResult> results;
    for (auto& [cell, result] : found) results.push_back(std::move(result));
    return results;
}

int exit_status(const std::vector<LabResult>& results) {
    const auto any = [&](auto... wanted) {
        return std::any_of(results.begin(), results.end(), [&](const LabResult& result) {
            return ((result.outcome == wanted) || ...);
        });
    };
    if (any(LabOutcome::diverged)) return 1;
    if (any(LabOutcome::failed, LabOutcome::not_judgeable, LabOutcome::interrupted)) return 2;
    return 0;
}

}  // namespace skbtrail::labs::batch
