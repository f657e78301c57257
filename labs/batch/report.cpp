#include "labs/batch/report.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

namespace skbtrail::labs::batch {
namespace {

std::size_t count(const std::vector<LabResult>& results, LabOutcome outcome) {
    return static_cast<std::size_t>(
        std::count_if(results.begin(), results.end(),
                      [&](const LabResult& result) { return result.outcome == outcome; }));
}

/// What was skipped or failed before its kernel was known is of the kernel that the others found
/// under the same name, if that was one and the same.
std::vector<LabResult> with_releases(std::vector<LabResult> results) {
    std::map<std::string, std::set<std::string>> releases;
    for (const LabResult& result : results) {
        if (!result.release.empty()) releases[result.kernel].insert(result.release);
    }
    for (LabResult& result : results) {
        const auto& known = releases[result.kernel];
        if (result.release.empty() && known.size() == 1) result.release = *known.begin();
    }
    return results;
}

/// What a kernel is called in a report: its release. Two that were asked for under different names
/// may have the same one, as a patched build and the one it was made of; then the name as well.
class KernelNames {
  public:
    explicit KernelNames(const std::vector<LabResult>& results) {
        for (const LabResult& result : results) asked_[result.release].insert(result.kernel);
    }

    std::string of(const LabResult& result) const {
        if (result.release.empty()) return result.kernel;
        if (asked_.at(result.release).size() == 1) return result.release;
        return fmt::format("{} ({})", result.release, result.kernel);
    }

  private:
    std::map<std::string, std::set<std::string>> asked_;  ///< by release
};

std::map<std::string, std::vector<const LabResult*>> by_kernel(
    const std::vector<LabResult>& results) {
    const KernelNames names(results);
    std::map<std::string, std::vector<const LabResult*>> kernels;
    for (const LabResult& result : results) kernels[names.of(result)].push_back(&result);
    return kernels;
}

bool is_error(LabOutcome outcome) {
    return outcome == LabOutcome::failed || outcome == LabOutcome::not_judgeable ||
           outcome == LabOutcome::interrupted;
}

/// Text for one line of KTAP: a '#' would begin a directive, a line break the next line.
std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::replace(text.begin(), text.end(), '#', ' ');
    return text;
}

std::string ktap_line(std::size_t number, const std::string& name, LabOutcome outcome,
                      const std::string& text) {
    const bool ok = outcome == LabOutcome::passed || outcome == LabOutcome::skipped;
    std::string line = fmt::format("{} {} {}", ok ? "ok" : "not ok", number, one_line(name));
    if (outcome == LabOutcome::skipped) line += " # SKIP " + one_line(text);
    if (is_error(outcome)) line += " # ERROR " + one_line(text);
    return line + "\n";
}

}  // namespace

Format format_of(const std::string& name) {
    if (name == "text") return Format::text;
    if (name == "json") return Format::json;
    if (name == "junit") return Format::junit;
    if (name == "ktap") return Format::ktap;
    throw std::invalid_argument(fmt::format("there is no format \"{}\"", name));
}

std::string text_report(const std::vector<LabResult>& results) {
    const auto kernels = by_kernel(results);
    const KernelNames names(results);
    std::map<std::string, std::map<std::string, const LabResult*>> labs;
    std::size_t widest = 0;
    double seconds = 0;
    for (const LabResult& result : results) {
        labs[result.lab][names.of(result)] = &result;
        widest = std::max(widest, result.lab.size());
        seconds += result.seconds;
    }
    std::string text = std::string(widest, ' ');
    for (const auto& [kernel, its] : kernels) {
        text += fmt::format("  {:<{}}", kernel, std::max<std::size_t>(kernel.size(), 13));
    }
    text += "\n";
    for (const auto& [lab, its] : labs) {
        text += fmt::format("{:<{}}", lab, widest);
        for (const auto& [kernel, all] : kernels) {
            const auto found = its.find(kernel);
            text += fmt::format("  {:<{}}",
                                found == its.end() ? "" : outcome_name(found->second->outcome),
                                std::max<std::size_t>(kernel.size(), 13));
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    bool any = false;
    for (const LabResult& result : results) {
        if (result.outcome == LabOutcome::passed) continue;
        text += fmt::format("{}{} on {}: {}: {}\n", any ? "" : "\n", result.lab, names.of(result),
                            outcome_name(result.outcome), result.text);
        any = true;
    }
    std::vector<std::string> counts;
    for (const auto outcome : {LabOutcome::passed, LabOutcome::diverged, LabOutcome::not_judgeable,
                               LabOutcome::failed, LabOutcome::interrupted, LabOutcome::skipped}) {
        const auto times = count(results, outcome);
        // How many were skipped is said also when it is none: a skip must not go unnoticed.
        if (times > 0 || outcome == LabOutcome::passed || outcome == LabOutcome::skipped) {
            counts.push_back(fmt::format("{} {}", times, outcome_name(outcome)));
        }
    }
    text += fmt::format("\n{} of {}; {:.0f} s of runs\n", fmt::join(counts, ", "), results.size(),
                        seconds);
    return text;
}

std::string json_report(const std::vector<LabResult>& results) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const LabResult& result : results) {
        list.push_back(nlohmann::ordered_json::parse(to_json(result)));
    }
    const nlohmann::ordered_json object = {
        {"format", "skbtrail-results"}, {"version", 1}, {"results", list}};
    return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string junit_report(const std::vector<LabResult>& results) {
    pugi::xml_document document;
    auto suites = document.append_child("testsuites");
    suites.append_attribute("name") = "skbtrail";
    for (const auto& [kernel, its] : by_kernel(results)) {
        auto suite = suites.append_child("testsuite");
        const auto number = [&](auto predicate) {
            return static_cast<unsigned>(std::count_if(its.begin(), its.end(), predicate));
        };
        suite.append_attribute("name") = kernel.c_str();
        suite.append_attribute("tests") = static_cast<unsigned>(its.size());
        suite.append_attribute("failures") =
            number([](const auto* result) { return result->outcome == LabOutcome::diverged; });
        suite.append_attribute("errors") =
            number([](const auto* result) { return is_error(result->outcome); });
        suite.append_attribute("skipped") =
            number([](const auto* result) { return result->outcome == LabOutcome::skipped; });
        for (const LabResult* result : its) {
            auto test = suite.append_child("testcase");
            test.append_attribute("classname") = fmt::format("skbtrail.{}", kernel).c_str();
            test.append_attribute("name") = result->lab.c_str();
            test.append_attribute("time") = fmt::format("{:.2f}", result->seconds).c_str();
            if (result->outcome == LabOutcome::passed) continue;
            auto why = test.append_child(result->outcome == LabOutcome::diverged  ? "failure"
                                         : result->outcome == LabOutcome::skipped ? "skipped"
                                                                                  : "error");
            why.append_attribute("message") = result->text.c_str();
            std::string details;
            for (const ChainResult& chain : result->chains) {
                if (chain.outcome == LabOutcome::passed) continue;
                details += fmt::format("{}: {}: {}\n", chain.name, outcome_name(chain.outcome),
                                       chain.text);
            }
            if (!details.empty()) why.text() = details.c_str();
        }
    }
    std::ostringstream out;
    document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
    return std::move(out).str();
}

std::string ktap_report(const std::vector<LabResult>& results) {
    std::string text = fmt::format("KTAP version 1\n1..{}\n", results.size());
    const KernelNames names(results);
    std::size_t number = 0;
    for (const LabResult& result : results) {
        const auto name = fmt::format("{} on {}", result.lab, names.of(result));
        if (!result.chains.empty()) {
            text += fmt::format("  KTAP version 1\n  # Subtest: {}\n  1..{}\n", one_line(name),
                                result.chains.size());
            std::size_t below = 0;
            for (const ChainResult& chain : result.chains) {
                text += "  " + ktap_line(++below, chain.name, chain.outcome, chain.text);
                if (chain.outcome == LabOutcome::diverged) {
                    text += "  # " + one_line(chain.text) + "\n";
                }
            }
        }
        text += ktap_line(++number, name, result.outcome, result.text);
    }
    return text;
}

std::string report(const std::vector<LabResult>& all, Format format) {
    const auto results = with_releases(all);
    switch (format) {
        case Format::json:
            return json_report(results);
        case Format::junit:
            return junit_report(results);
        case Format::ktap:
            return ktap_report(results);
        case Format::text:
            break;
    }
    return text_report(results);
}

}  // namespace skbtrail::labs::batch
