#include "labs/runner/lab_names.h"

#include <string_view>

#include <fmt/format.h>

namespace skbtrail::labs {
namespace {

std::string name_without_path(const chain::JsonValue& value, std::string_view what) {
    auto name = value.get<std::string>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        value.fail(fmt::format("\"{}\" is not the name of a {}", name, what));
    }
    return name;
}

}  // namespace

std::string file_name(const chain::JsonValue& value) {
    return name_without_path(value, "file in the lab's folder");
}

std::string program_name(const chain::JsonValue& value) {
    return name_without_path(value, "program");
}

}  // namespace skbtrail::labs
