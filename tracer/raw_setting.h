// What raw pages and events mean nothing without: kept beside them, for tests.
#pragma once

#include <cstddef>
#include <string>

#include "tracer/function_table.h"
#include "tracer/identity.h"
#include "tracer/plan.h"

namespace skbtrail::tracer {

/// Writes into `directory`, which has to exist:
/// - `functions`: site, symbol, whether probed, roles, name, module (or "-"), one function a line,
///   numbers in hexadecimal digits. Roles that the policy knows by name may change after a
///   recording; those that types tell are only here.
/// - `funcgraph_entry.format` and `funcgraph_exit.format`, as tracefs has them
/// - `page_bytes`: the size of a page of ftrace's buffer
/// - `plan`: the plan (plan.h) without its functions: the layout of the sk_buff is in it
/// - what Identity::save_raw() adds
/// Throws Failure when a file cannot be written.
void save_raw_setting(const std::string& directory, const std::string& tracefs,
                      std::size_t page_bytes, const FunctionTable& functions, const Plan& plan,
                      const Identity& identity);

}  // namespace skbtrail::tracer
