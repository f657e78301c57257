#include "labs/runner/kernel_config.h"

#include <fmt/format.h>

namespace skbtrail::labs {

KernelConfig::KernelConfig(std::string_view text) : text_(fmt::format("\n{}\n", text)) {}

bool KernelConfig::is_built_in(std::string_view option) const {
    return says(option, 'y');
}

bool KernelConfig::has(std::string_view option) const {
    return says(option, 'y') || says(option, 'm');
}

bool KernelConfig::says(std::string_view option, char value) const {
    return text_.find(fmt::format("\n{}={}\n", option, value)) != std::string::npos;
}

}  // namespace skbtrail::labs
