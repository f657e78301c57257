#include "guest/apt_state.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/debian_mirror.h"
#include "guest/process.h"

namespace skbtrail::guest {
namespace fs = std::filesystem;

namespace {

constexpr auto question_time = std::chrono::minutes(1);
constexpr auto download_time = std::chrono::minutes(15);
/// Lets a user on a machine without Debian sources name a mirror.
constexpr const char* mirror_variable = "SKBTRAIL_DEBIAN_MIRROR";

std::string keyring() {
    for (const char* path : {"/usr/share/keyrings/debian-archive-keyring.pgp",
                             "/usr/share/keyrings/debian-archive-keyring.gpg"}) {
        if (fs::exists(path)) {
            return path;
        }
    }
    return {};
}

DebianMirror machine_mirror(const std::stop_token& stop) {
    if (const char* named = std::getenv(mirror_variable); named != nullptr && *named != '\0') {
        return {.archive = named, .security = {}};
    }
    // Release information tells vendors apart, but is only there once the machine's lists are.
    for (const char* option : {"--release-info", "--no-release-info"}) {
        Command command;
        command.arguments = {"apt-get", "indextargets", option};
        command.deadline = question_time;
        command.stop = stop;
        const ProcessResult result = run_process(command);
        if (!result.succeeded()) {
            throw Error("Could not ask apt for its mirror: " + describe(command, result) + ".");
        }
        if (const auto mirror = find_mirror(result.output)) {
            return *mirror;
        }
    }
    throw Error(fmt::format(
        "This machine's apt has no Debian archive among its sources, so there is nowhere to fetch "
        "kernels from. Name a mirror with {}=URI, or give the path of a kernel of your own.",
        mirror_variable));
}

/// As root, apt downloads as the user _apt, and complains when that user cannot reach the
/// directory, as is the case below /root.
bool others_can_enter(fs::path directory) {
    for (directory = fs::absolute(directory); directory.has_relative_path();
         directory = directory.parent_path()) {
        struct stat status{};
        if (::stat(directory.c_str(), &status) != 0 || (status.st_mode & S_IXOTH) == 0) {
            return false;
        }
    }
    return true;
}

/// apt's configuration files have their own quoting: none, inside double quotes.
std::string quoted(const fs::path& path) {
    if (path.string().find('"') != std::string::npos) {
        throw Error(fmt::format(
            "apt cannot work below {}: the path has a quotation mark. Set SKBTRAIL_CACHE.",
            path.string()));
    }
    return "\"" + path.string() + "\"";
}

}  // namespace

AptState::AptState(fs::path directory, Progress progress, std::stop_token stop)
    : directory_(std::move(directory)), progress_(std::move(progress)), stop_(std::move(stop)) {}

void AptState::write_configuration() const {
    std::error_code error;
    for (const char* part : {"lists/partial", "archives/partial"}) {
        fs::create_directories(directory_ / part, error);
        if (error) {
            throw Error(fmt::format(
                "Could not make {}: {}. Set SKBTRAIL_CACHE to a directory you can write to.",
                (directory_ / part).string(), error.message()));
        }
    }
    write_file_atomically(directory_ / "status", "");
    // Given with -c, so that it is read behind the machine's files: those keep their proxies and
    // credentials, and lose their hooks and pins.
    std::string text =
        "#clear APT::Update::Pre-Invoke;\n"
        "#clear APT::Update::Post-Invoke;\n"
        "#clear APT::Update::Post-Invoke-Success;\n"
        "#clear DPkg::Post-Invoke;\n"
        "#clear APT::Architectures;\n"
        "APT::Architecture \"amd64\";\n"
        "APT::Architectures { \"amd64\"; };\n"
        "APT::Get::List-Cleanup \"true\";\n"
        "Acquire::Languages \"none\";\n"
        "Acquire::GzipIndexes \"true\";\n"
        "Acquire::PDiffs \"false\";\n"
        "Acquire::Retries \"1\";\n"
        "Acquire::http::Timeout \"20\";\n"
        "Acquire::https::Timeout \"20\";\n"
        "Dir::Etc::preferences \"/dev/null\";\n"
        "Dir::Etc::preferencesparts \"/dev/null\";\n"
        "Dir::Etc::sourceparts \"/dev/null\";\n";
    text += fmt::format("Dir::Etc::sourcelist {};\n", quoted(directory_ / "sources.list"));
    text += fmt::format("Dir::State {};\n", quoted(directory_));
    text += fmt::format("Dir::State::lists {};\n", quoted(directory_ / "lists/"));
    text += fmt::format("Dir::State::status {};\n", quoted(directory_ / "status"));
    text += fmt::format("Dir::Cache {};\n", quoted(directory_));
    text += fmt::format("Dir::Cache::archives {};\n", quoted(directory_ / "archives/"));
    text += "Dir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"\";\n";
    if (::geteuid() == 0 && !others_can_enter(directory_)) {
        text += "APT::Sandbox::User \"root\";\n";
    }
    write_file_atomically(directory_ / "apt.conf", text);
    write_file_atomically(directory_ / "sources.list",
                          sources_list(machine_mirror(stop_), keyring()));
}

ProcessResult AptState::run(std::vector<std::string> arguments, std::chrono::seconds deadline,
                            const fs::path& working_directory) const {
    Command command;
    command.arguments = std::move(arguments);
    command.arguments.insert(command.arguments.begin() + 1,
                             {"-c", (directory_ / "apt.conf").string()});
    command.environment = {{"LC_ALL", "C.UTF-8"}, {"DEBIAN_FRONTEND", "noninteractive"}};
    command.directory = working_directory;
    command.deadline = deadline;
    command.stop = stop_;
    ProcessResult result = run_process(command);
    if (result.ending != ProcessResult::Ending::exited) {
        throw Error("Kernels could not be fetched: " + describe(command, result) + ".");
    }
    return result;
}

std::string AptState::ask(std::vector<std::string> arguments) const {
    const std::string program = arguments.front();
    const ProcessResult result = run(std::move(arguments), question_time);
    if (result.status != 0) {
        throw Error(
            fmt::format("`{}` failed with status {}: {}", program, result.status, result.errors));
    }
    return result.output;
}

void AptState::say(const std::string& line) const {
    if (progress_) {
        progress_(line);
    }
}

void AptState::update() {
    write_configuration();
    say("asking the Debian mirror which kernels it has");
    const ProcessResult result = run({"apt-get", "update", "-q"}, download_time);
    const std::vector<FailedSuite> failed = failed_suites(result.errors);
    const std::string sources = read_file(directory_ / "sources.list");
    const auto asked = std::count(sources.begin(), sources.end(), '\n');
    if (std::cmp_greater_equal(failed.size(), asked)) {
        say(fmt::format("the Debian mirror could not be asked: {}", failed.front().reason));
        return;
    }
    for (const FailedSuite& suite : failed) {
        say(fmt::format("no fresh list of {}: {}", suite.suite, suite.reason));
    }
    if (result.status != 0 && failed.empty()) {
        throw Error(
            fmt::format("`apt-get update` for the kernel suites failed with status {}: {}"
                        "Run `apt-get update` by hand to see whether this machine's apt works.",
                        result.status, result.errors));
    }
}

std::vector<AvailableKernel> AptState::kernels() const {
    std::vector<std::string> question =
        cloud_kernel_packages(ask({"apt-cache", "pkgnames", "linux-image-"}));
    if (question.empty()) {
        return {};
    }
    question.insert(question.begin(), {"apt-cache", "madison"});
    return parse_madison(ask(std::move(question)));
}

std::vector<std::string> AptState::with_parts(const AvailableKernel& kernel) const {
    std::vector<std::string> packages = {kernel.package + "=" + kernel.package_version};
    // A part may name further parts; each is asked for once.
    for (std::size_t i = 0; i < packages.size(); ++i) {
        const std::string show = ask({"apt-cache", "show", packages[i]});
        for (const std::string& part : kernel_parts(show, kernel.release)) {
            if (std::find(packages.begin(), packages.end(), part) == packages.end()) {
                packages.push_back(part);
            }
        }
    }
    return packages;
}

std::vector<fs::path> AptState::download(const AvailableKernel& kernel,
                                         const fs::path& target) const {
    std::vector<std::string> command = with_parts(kernel);
    say(fmt::format("downloading {} {} from {}", kernel.package, kernel.package_version,
                    kernel.suite));
    command.insert(command.begin(), {"apt-get", "download", "-q"});
    const ProcessResult result = run(std::move(command), download_time, target);
    if (result.status != 0) {
        throw Error(fmt::format(
            "{} could not be downloaded: {}Check the network and this machine's apt sources, then "
            "try again.",
            kernel.package, result.errors));
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(target)) {
        if (entry.path().extension() == ".deb") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace skbtrail::guest
