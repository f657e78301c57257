#include "guest/debian_mirror.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "guest/debian_version.h"

namespace skbtrail::guest {
namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trim(std::string_view text) {
    const std::size_t start = text.find_first_not_of(blanks);
    if (start == std::string_view::npos) {
        return {};
    }
    return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

using Paragraph = std::map<std::string, std::string, std::less<>>;

/// Reads "Key: value" paragraphs; continuation lines are of no interest here.
std::vector<Paragraph> paragraphs(std::string_view text) {
    std::vector<Paragraph> all(1);
    for (const std::string_view line : split(text, '\n')) {
        if (trim(line).empty()) {
            if (!all.back().empty()) {
                all.emplace_back();
            }
            continue;
        }
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos &&
            blanks.find(line.front()) == std::string_view::npos) {
            all.back()[std::string(line.substr(0, colon))] = trim(line.substr(colon + 1));
        }
    }
    return all;
}

std::string value_of(const Paragraph& paragraph, std::string_view key) {
    const auto found = paragraph.find(key);
    return found == paragraph.end() ? std::string() : found->second;
}

/// What a source is, as far as kernels care.
enum class Source : std::uint8_t { archive, security, other };

/// Debian's releases by their code names. "stable" and the like are no proof: other vendors use
/// these names for their own repositories.
bool is_debian_codename(std::string_view release) {
    static const std::set<std::string_view> codenames = {"bullseye", "bookworm", "trixie", "forky",
                                                         "sid"};
    return codenames.contains(release.substr(0, release.find('-')));
}

Source classify(const Paragraph& target) {
    if (value_of(target, "Identifier") != "Packages" || value_of(target, "Component") != "main") {
        return Source::other;
    }
    const std::string release = value_of(target, "Release");
    if (target.contains("Origin")) {
        if (target.at("Origin") != "Debian") {
            return Source::other;
        }
    } else if (!is_debian_codename(release)) {
        return Source::other;
    }
    const bool security =
        value_of(target, "Label") == "Debian-Security" || release.ends_with("-security");
    return security ? Source::security : Source::archive;
}

}  // namespace

std::optional<DebianMirror> find_mirror(std::string_view indextargets) {
    DebianMirror mirror;
    for (const Paragraph& target : paragraphs(indextargets)) {
        const std::string uri = value_of(target, "Repo-URI");
        const Source source = classify(target);
        if (source == Source::archive && mirror.archive.empty()) {
            mirror.archive = uri;
        } else if (source == Source::security && mirror.security.empty()) {
            mirror.security = uri;
        }
    }
    return mirror.archive.empty() ? std::nullopt : std::optional(mirror);
}

const std::vector<std::string>& kernel_suites() {
    static const std::vector<std::string> suites = {
        "bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports",
        "trixie",   "trixie-security",  "trixie-backports",  "sid"};
    return suites;
}

std::string sources_list(const DebianMirror& mirror, const std::string& keyring) {
    std::string text;
    const std::string signed_by = keyring.empty() ? "" : " signed-by=" + keyring;
    for (const std::string& suite : kernel_suites()) {
        const std::string& uri = suite.ends_with("-security") ? mirror.security : mirror.archive;
        if (!uri.empty()) {
            text += fmt::format("deb [arch=amd64 target=Packages lang=none{}] {} {} main\n",
                                signed_by, uri, suite);
        }
    }
    return text;
}

std::vector<FailedSuite> failed_suites(std::string_view errors) {
    // "E: The repository 'URI SUITE Release' does not …" or "W: Failed to fetch URI/dists/SUITE/…"
    static const std::regex complaint(
        R"(^[EW]: (.*(?:/dists/([^/\s]+)/|'\S+ (\S+) (?:In)?Release').*)$)");
    std::vector<FailedSuite> failed;
    std::set<std::string> seen;
    for (const std::string_view line : split(errors, '\n')) {
        std::match_results<std::string_view::const_iterator> match;
        if (!std::regex_match(line.begin(), line.end(), match, complaint)) {
            continue;
        }
        const std::string suite = match[2].matched ? match[2].str() : match[3].str();
        if (seen.insert(suite).second) {
            failed.push_back({.suite = suite, .reason = match[1].str()});
        }
    }
    return failed;
}

std::vector<std::string> cloud_kernel_packages(std::string_view pkgnames) {
    std::vector<std::string> names;
    for (const std::string_view line : split(pkgnames, '\n')) {
        constexpr std::string_view prefix = "linux-image-";
        const std::string_view name = trim(line);
        if (name.starts_with(prefix) && name.ends_with("-cloud-amd64") &&
            name.size() > prefix.size() && name[prefix.size()] >= '0' &&
            name[prefix.size()] <= '9') {
            names.emplace_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<AvailableKernel> parse_madison(std::string_view text) {
    std::vector<AvailableKernel> kernels;
    std::set<std::pair<std::string, std::string>> seen;
    for (const std::string_view line : split(text, '\n')) {
        // " package | version | URI suite/component architecture Packages"
        const std::vector<std::string_view> fields = split(line, '|');
        if (fields.size() != 3) {
            continue;
        }
        const std::vector<std::string_view> place = split(trim(fields[2]), ' ');
        constexpr std::string_view prefix = "linux-image-";
        const std::string package(trim(fields[0]));
        const std::string version(trim(fields[1]));
        if (place.size() < 4 || place.back() != "Packages" || !package.starts_with(prefix) ||
            !seen.emplace(package, version).second) {
            continue;
        }
        kernels.push_back({.release = package.substr(prefix.size()),
                           .package = package,
                           .package_version = version,
                           .suite = std::string(place[1].substr(0, place[1].rfind('/')))});
    }
    std::sort(kernels.begin(), kernels.end(),
              [](const AvailableKernel& left, const AvailableKernel& right) {
                  const auto order =
                      compare_debian_versions(left.package_version, right.package_version);
                  return order != 0 ? order < 0 : left.release < right.release;
              });
    return kernels;
}

std::vector<std::string> kernel_parts(std::string_view show, const std::string& release) {
    static const std::regex dependency(R"(^(linux-[a-z]+-\S+)(?:\s*\(=\s*([^)\s]+)\s*\))?$)");
    std::vector<std::string> parts;
    for (const Paragraph& package : paragraphs(show)) {
        const std::string depends = value_of(package, "Depends");
        for (const std::string_view alternative : split(depends, ',')) {
            const std::string text(trim(alternative));
            std::smatch match;
            if (!std::regex_match(text, match, dependency) ||
                !match[1].str().ends_with("-" + release)) {
                continue;
            }
            const std::string part =
                match[2].matched ? match[1].str() + "=" + match[2].str() : match[1].str();
            if (std::find(parts.begin(), parts.end(), part) == parts.end()) {
                parts.push_back(part);
            }
        }
    }
    return parts;
}

bool matches(std::string_view spec, std::string_view release, std::string_view package_version) {
    const auto leads = [spec](std::string_view version) {
        if (!version.starts_with(spec)) {
            return false;
        }
        // Whatever ends a number: "6.12" leads 6.12.95 and 6.12~rc3, never 6.120.
        return version.size() == spec.size() ||
               std::string_view(".-+~").find(version[spec.size()]) != std::string_view::npos;
    };
    return !spec.empty() &&
           (leads(release) || leads(upstream_version(package_version)) || spec == package_version);
}

}  // namespace skbtrail::guest
