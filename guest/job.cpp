#include "guest/job.h"

#include <set>

#include <nlohmann/json.hpp>

#include "guest/error.h"

namespace skbtrail::guest {
namespace {

using nlohmann::json;

/// A place in the document and what stands there. Every reading function names the place when it
/// does not like what it finds.
class Node {
  public:
    Node(const json& value, std::string pointer) : value_(value), pointer_(std::move(pointer)) {}

    [[noreturn]] void refuse(const std::string& why) const {
        throw Error("The job is not right at " + (pointer_.empty() ? "its top" : pointer_) + ": " +
                    why + ".");
    }

    /// Checks that this is an object with no member but `known` ones: a typo must not silently
    /// leave a step unrecorded.
    void expect_object(const std::set<std::string>& known) const {
        if (!value_.is_object()) {
            refuse("an object was expected, not " + kind());
        }
        for (const auto& item : value_.items()) {
            if (known.count(item.key()) == 0) {
                refuse("there is no member \"" + item.key() + "\" in this place");
            }
        }
    }

    Node member(const std::string& name) const {
        const auto found = value_.find(name);
        if (found == value_.end()) {
            refuse("the member \"" + name + "\" is missing");
        }
        return {*found, pointer_ + "/" + name};
    }

    bool has(const std::string& name) const { return value_.contains(name); }

    std::string text() const {
        if (!value_.is_string()) {
            refuse("a string was expected, not " + kind());
        }
        auto string = value_.get<std::string>();
        if (string.find('\0') != std::string::npos) {
            refuse("a string with a NUL cannot be passed to a program");
        }
        return string;
    }

    std::string absolute_path() const {
        std::string path = text();
        if (path.empty() || path.front() != '/') {
            refuse("an absolute path was expected, not \"" + path + "\"");
        }
        return path;
    }

    bool flag() const {
        if (!value_.is_boolean()) {
            refuse("true or false was expected, not " + kind());
        }
        return value_.get<bool>();
    }

    std::chrono::seconds seconds() const {
        // A day is far above any sensible step and far below what overflows a timer.
        if (!value_.is_number_integer() || value_ < 1 || value_ > 86400) {
            refuse("a whole number of seconds from 1 to 86400 was expected, not " + value_.dump());
        }
        return std::chrono::seconds(value_.get<int>());
    }

    std::vector<Node> elements() const {
        if (!value_.is_array()) {
            refuse("an array was expected, not " + kind());
        }
        std::vector<Node> nodes;
        for (std::size_t i = 0; i < value_.size(); ++i) {
            nodes.emplace_back(value_[i], pointer_ + "/" + std::to_string(i));
        }
        return nodes;
    }

    std::map<std::string, std::string> string_map() const {
        if (!value_.is_object()) {
            refuse("an object was expected, not " + kind());
        }
        std::map<std::string, std::string> map;
        for (const auto& item : value_.items()) {
            map[item.key()] = Node(item.value(), pointer_ + "/" + item.key()).text();
        }
        return map;
    }

    std::vector<std::string> strings() const {
        std::vector<std::string> list;
        for (const Node& node : elements()) {
            list.push_back(node.text());
        }
        return list;
    }

    std::vector<std::string> absolute_paths() const {
        std::vector<std::string> list;
        for (const Node& node : elements()) {
            list.push_back(node.absolute_path());
        }
        return list;
    }

  private:
    std::string kind() const {
        return std::string(value_.is_null() ? "" : "a ") + value_.type_name();
    }

    const json& value_;
    std::string pointer_;
};

JobStep read_step(const Node& node) {
    node.expect_object({"name", "command", "record", "deadline_s"});
    JobStep step;
    step.name = node.member("name").text();
    if (step.name.empty()) {
        node.member("name").refuse("a step needs a name");
    }
    step.command = node.member("command").strings();
    if (step.command.empty() || step.command.front().empty()) {
        node.member("command").refuse("a step needs a program to run");
    }
    if (node.has("record")) {
        step.record = node.member("record").flag();
    }
    if (node.has("deadline_s")) {
        step.deadline = node.member("deadline_s").seconds();
    }
    return step;
}

std::vector<JobStep> read_steps(const Node& node) {
    std::vector<JobStep> steps;
    std::set<std::string> names;
    for (const Node& element : node.elements()) {
        steps.push_back(read_step(element));
        if (!names.insert(steps.back().name).second) {
            element.member("name").refuse("another step has the name \"" + steps.back().name +
                                          "\" already");
        }
    }
    return steps;
}

}  // namespace

std::string to_json_text(const JobSpec& job) {
    json steps = json::array();
    for (const JobStep& step : job.steps) {
        steps.push_back({{"name", step.name},
                         {"command", step.command},
                         {"record", step.record},
                         {"deadline_s", step.deadline.count()}});
    }
    const json document = {{"deferred", job.deferred},       {"early_modules", job.early_modules},
                           {"modules", job.modules},         {"sysctls", job.sysctls},
                           {"environment", job.environment}, {"steps", steps},
                           {"collector", job.collector},     {"return_files", job.return_files}};
    try {
        return document.dump(1) + "\n";
    } catch (const json::exception&) {
        throw Error(
            "The job cannot be written: a name or value in it is not UTF-8 text, which JSON "
            "needs.");
    }
}

JobSpec parse_job(std::string_view text) {
    const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (document.is_discarded()) {
        throw Error("The job is not JSON.");
    }
    const Node top(document, "");
    top.expect_object({"deferred", "early_modules", "modules", "sysctls", "environment", "steps",
                       "collector", "return_files"});
    JobSpec job;
    job.steps = read_steps(top.member("steps"));
    if (top.has("deferred")) {
        job.deferred = top.member("deferred").flag();
    }
    if (top.has("early_modules")) {
        job.early_modules = top.member("early_modules").absolute_paths();
    }
    if (top.has("modules")) {
        job.modules = top.member("modules").absolute_paths();
    }
    if (top.has("sysctls")) {
        job.sysctls = top.member("sysctls").string_map();
    }
    if (top.has("environment")) {
        job.environment = top.member("environment").string_map();
    }
    if (top.has("collector")) {
        job.collector = top.member("collector").strings();
    }
    if (top.has("return_files")) {
        job.return_files = top.member("return_files").absolute_paths();
    }
    return job;
}

}  // namespace skbtrail::guest
