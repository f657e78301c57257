#include "tracer/raw_setting.h"

#include <fmt/format.h>

#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

std::string functions_text(const FunctionTable& functions) {
    std::string text;
    for (FunctionId id = 0; id < functions.size(); ++id) {
        const auto& function = functions[id];
        text += fmt::format("{:x} {:x} {} {:x} {} {}\n", function.site, function.symbol,
                            function.probed ? 1 : 0, function.roles, function.name,
                            function.module.empty() ? "-" : function.module);
    }
    return text;
}

}  // namespace

void save_raw_setting(const std::string& directory, const std::string& tracefs,
                      std::size_t page_bytes, const FunctionTable& functions, const Plan& plan,
                      const Identity& identity) {
    const auto save = [&directory](const std::string& name, const std::string& text) {
        write_whole(directory + "/" + name, text);
    };
    save("functions", functions_text(functions));
    for (const std::string event : {"funcgraph_entry", "funcgraph_exit"}) {
        save(event + ".format", read_file(tracefs + "/events/ftrace/" + event + "/format"));
    }
    save("page_bytes", fmt::format("{}\n", page_bytes));
    Plan types = plan;
    types.functions.clear();
    types.unavailable.clear();
    save("plan", to_text(types));
    identity.save_raw(directory);
}

}  // namespace skbtrail::tracer
