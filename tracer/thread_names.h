// Names of threads, of those that live and of those that ftrace saw run.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace skbtrail::tracer {

/// The name of a thread that lives; empty: it does not.
std::string name_of_living(std::uint32_t tid);

/// Names of the threads that still live, and those that ftrace saw run (saved_cmdlines); threads
/// that ended told theirs in their events, where there are such events.
std::map<std::uint32_t, std::string> thread_names(const std::string& tracefs,
                                                  const std::vector<std::uint32_t>& threads);

}  // namespace skbtrail::tracer
