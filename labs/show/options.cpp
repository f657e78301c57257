#include "labs/show/options.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace skbtrail::labs {
namespace {

bool is_set(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0';
}

}  // namespace

ShowOptions terminal_options(int descriptor) {
    ShowOptions options;
    if (isatty(descriptor) == 0) return options;
    const char* terminal = std::getenv("TERM");
    const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
    options.colour = !dumb && !is_set("NO_COLOR");
    winsize size{};
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        constexpr unsigned narrowest = 60;
        options.width = std::max<unsigned>(size.ws_col, narrowest);
    }
    return options;
}

}  // namespace skbtrail::labs
