// Where the tests and benchmarks find what they read and run. One file knows: an absolute path in
// every compilation would keep a compiler's cache from serving another clone.
#pragma once

#include <string>

namespace skbtrail::tests {

/// The absolute path of a file or directory of the source tree, e.g. "docs/nic.md".
std::string in_source(const std::string& path);

/// The absolute path of a file or directory of this build, e.g. "bin/skbtrail-nic".
std::string in_build(const std::string& path);

/// The absolute path of one of this build's programs, e.g. "skbtrail-nic".
std::string built_program(const std::string& name);

}  // namespace skbtrail::tests
