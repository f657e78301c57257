// Names for what was seen in a frame, and what a script makes of them later.
//
// "bind": {"isn": "tcp.sequence"} keeps a header's value; "$isn" stands for it where a value can
// stand, and "$isn+1" or "$isn+$size" for a sum or a difference, modulo 2^32 as TCP counts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "device/wire/frame_headers.h"

namespace skbtrail::device {

/// Values by name.
using Bindings = std::map<std::string, std::string, std::less<>>;
/// Which header word each name stands for.
using BoundWords = std::map<std::string, std::string, std::less<>>;

/// Whether `text` has the form of a reference; what looks like money ("$5") has not.
bool is_reference(std::string_view text);
/// Whether `name` can be one: letters, digits and "_", a letter first.
bool is_binding_name(std::string_view name);
/// The value of a reference. None when a name is not bound, or arithmetic meets no number.
std::optional<std::string> resolve_reference(std::string_view reference, const Bindings& bindings);

/// A value that the header word can have, to try a recipe with before there is a frame.
std::string sample_value(std::string_view word);

/// The names in a reference.
std::vector<std::string> names_in(std::string_view reference);

/// `json` with its references replaced: by numbers where they are ones. Payloads are left alone.
/// None when one cannot be resolved; `problem` is then the reference.
std::optional<nlohmann::json> resolve_all(const nlohmann::json& json, const Bindings& bindings,
                                          std::string& problem);
/// Whether there is a reference in it.
bool has_references(const nlohmann::json& json);

}  // namespace skbtrail::device
