#include "guest/debian_version.h"

#include <algorithm>

namespace skbtrail::guest {
namespace {

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

bool is_letter(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

/// deb-version(7): "~" sorts before everything, even the end of a part; letters sort before all
/// other characters. `at` may be the end.
int rank(std::string_view text, std::size_t at) {
    if (at >= text.size() || is_digit(text[at])) {
        return 0;
    }
    if (text[at] == '~') {
        return -1;
    }
    return is_letter(text[at]) ? text[at] : 256 + static_cast<unsigned char>(text[at]);
}

/// Takes the leading digits off `text`, without leading zeros.
std::string_view take_number(std::string_view& text) {
    const std::size_t end =
        std::min(static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) -
                                          text.begin()),
                 text.size());
    std::string_view number = text.substr(0, end);
    text.remove_prefix(end);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return number;
}

/// Compares one part (epoch, upstream version or revision): alternately what is not digits, by
/// rank, and digits, as numbers of any length.
std::weak_ordering compare_parts(std::string_view left, std::string_view right) {
    while (!left.empty() || !right.empty()) {
        while ((!left.empty() && !is_digit(left[0])) || (!right.empty() && !is_digit(right[0]))) {
            if (const auto order = rank(left, 0) <=> rank(right, 0); order != 0) {
                return order;
            }
            left.remove_prefix(std::min<std::size_t>(1, left.size()));
            right.remove_prefix(std::min<std::size_t>(1, right.size()));
        }
        const std::string_view a = take_number(left);
        const std::string_view b = take_number(right);
        if (const auto order = a.size() <=> b.size(); order != 0) {
            return order;
        }
        if (const int order = a.compare(b); order != 0) {
            return order <=> 0;
        }
    }
    return std::weak_ordering::equivalent;
}

struct Parts {
    std::string_view epoch = "0";
    std::string_view upstream;
    std::string_view revision = "0";
};

Parts split(std::string_view version) {
    Parts parts;
    if (const std::size_t colon = version.find(':'); colon != std::string_view::npos) {
        parts.epoch = version.substr(0, colon);
        version.remove_prefix(colon + 1);
    }
    if (const std::size_t dash = version.rfind('-'); dash != std::string_view::npos) {
        parts.revision = version.substr(dash + 1);
        version = version.substr(0, dash);
    }
    parts.upstream = version;
    return parts;
}

}  // namespace

std::weak_ordering compare_debian_versions(std::string_view left, std::string_view right) {
    const Parts a = split(left);
    const Parts b = split(right);
    if (const auto order = compare_parts(a.epoch, b.epoch); order != 0) {
        return order;
    }
    if (const auto order = compare_parts(a.upstream, b.upstream); order != 0) {
        return order;
    }
    return compare_parts(a.revision, b.revision);
}

std::string_view upstream_version(std::string_view version) {
    return split(version).upstream;
}

std::string series_of(std::string_view package_version) {
    const std::string version(upstream_version(package_version));
    const std::size_t dot = version.find('.');
    return dot == std::string::npos
               ? version
               : version.substr(0, version.find_first_not_of("0123456789", dot + 1));
}

}  // namespace skbtrail::guest
