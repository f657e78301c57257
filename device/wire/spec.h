// The words behind --wire: KIND[,key=value…].
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skbtrail::device {

/// One option of a kind of wire, for parsing and for --help.
struct WireOption {
    /// A key that ends in "." stands for all keys that begin so: "uplink." takes "uplink.restrict".
    std::string_view key;
    std::string_view value;    ///< what to write behind "=", for a person
    std::string_view meaning;  ///< one line
    bool repeatable = false;
};

/// A specification, taken apart but not yet understood.
struct WireSpec {
    std::string kind;
    std::vector<std::pair<std::string, std::string>> options;
};

/// Takes `KIND[,key=value…]` apart. A comma inside a value is written twice, as with QEMU.
/// Throws std::invalid_argument with a sentence when the text has another form.
WireSpec parse_wire_spec(std::string_view text);

/// The options of a specification, checked against what its kind knows.
class WireOptions {
  public:
    /// Throws std::invalid_argument, with a sentence, for an unknown or a repeated option.
    WireOptions(const WireSpec& spec, std::span<const WireOption> known);

    std::optional<std::string> text(std::string_view key) const;
    std::vector<std::string> all(std::string_view key) const;
    /// `on` or `off`. Throws std::invalid_argument for any other word.
    bool on_off(std::string_view key, bool otherwise) const;
    /// A whole number. Throws std::invalid_argument for anything else, and outside of the bounds.
    std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least,
                                        std::uint64_t greatest) const;
    /// The options whose keys begin with `prefix`, without it.
    std::vector<std::pair<std::string, std::string>> beginning_with(std::string_view prefix) const;

    /// Throws std::invalid_argument: `--wire nat: network=x: ` and then `sentence`.
    [[noreturn]] void fail(std::string_view key, std::string_view sentence) const;

  private:
    WireSpec spec_;
};

}  // namespace skbtrail::device
