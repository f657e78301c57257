#include "tracer/chain/text.h"

namespace skbtrail::chain {

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return lines;
}

std::string printable(std::string_view text, std::string_view kept) {
    std::string clean(text);
    unsigned char before = 0;
    for (char& character : clean) {
        const auto byte = static_cast<unsigned char>(character);
        const bool control = byte < 0x20 || byte == 0x7f;
        const bool unicode_control = before == 0xc2 && byte >= 0x80 && byte < 0xa0;
        if (unicode_control) *(&character - 1) = ' ';
        if ((control && kept.find(character) == std::string_view::npos) || unicode_control) {
            character = ' ';
        }
        before = byte;
    }
    return clean;
}

}  // namespace skbtrail::chain
