// Scripts of the script wire, in short.
#pragma once

#include <string>

#include "device/wire/script.h"

namespace skbtrail::device::test {

/// A script of these steps, which are JSON.
inline Script script_of(const std::string& steps) {
    return parse_script(R"({"format": "skbtrail-script", "version": 1, "steps": [)" + steps + "]}",
                        "wire.json");
}

}  // namespace skbtrail::device::test
