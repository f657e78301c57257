// What a kernel was built with, as its configuration file says.
#pragma once

#include <string>
#include <string_view>

namespace skbtrail::labs {

/// The text of a kernel's config file, asked for single options ("CONFIG_NET").
class KernelConfig {
  public:
    explicit KernelConfig(std::string_view text);

    /// =y
    bool is_built_in(std::string_view option) const;
    /// =y or =m
    bool has(std::string_view option) const;

  private:
    bool says(std::string_view option, char value) const;

    std::string text_;
};

}  // namespace skbtrail::labs
