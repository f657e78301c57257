// skbtrail kernels: the kernels to boot.
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "guest/cache.h"
#include "guest/kernel_store.h"
#include "labs/command.h"
#include "labs/runner/interruptible.h"
#include "labs/runner/tracing_facts.h"

namespace skbtrail::labs {
namespace {

constexpr auto mirror_limit = std::chrono::minutes(10);
constexpr auto fetch_limit = std::chrono::minutes(30);

void say(std::string_view line) {
    fmt::print(stderr, "{}\n", line);
}

std::string mebibytes(std::uintmax_t bytes) {
    return fmt::format("{} MiB", (bytes + (1 << 19)) >> 20);
}

void print_facts(const guest::Kernel& kernel) {
    if (kernel.config.empty()) {
        fmt::print(
            "    its configuration is not known: the collector finds out at the first run\n");
        return;
    }
    const auto config = guest::read_file(kernel.config);
    for (const auto& option : missing_for_guest(config)) {
        fmt::print("    cannot be a guest: {} is not set\n", option);
    }
    for (const auto& fact : tracing_facts(config)) {
        fmt::print("    {} {}\n", fact.can ? "can:   " : "cannot:", fact.text);
    }
}

int list(bool available, bool facts) {
    guest::KernelStore store;
    const auto kernels = store.list();
    for (const auto& kernel : kernels) {
        fmt::print("{:<36}  {:>8}  {} {}\n", kernel.release, mebibytes(store.size(kernel.release)),
                   kernel.package_version, kernel.suite);
        if (facts) print_facts(kernel);
    }
    for (const auto& build : store.builds()) {
        fmt::print("{:<36}  {:>8}  your own, {}\n", build.name, mebibytes(build.size),
                   build.kernel.release);
        if (facts) print_facts(build.kernel);
    }
    if (kernels.empty()) {
        fmt::print(
            "There is no kernel in {} yet; `skbtrail kernels fetch 6.12` gets one, and so "
            "does `skbtrail run`.\n",
            guest::cache_root().string());
    }
    if (available) {
        fmt::print("\nOn the mirror:\n");
        const auto there = interruptibly<std::vector<guest::AvailableKernel>>(
            "mirror", mirror_limit,
            [&](std::stop_token stop) { return store.available(say, std::move(stop)); });
        for (const auto& kernel : there) {
            fmt::print("{:<36}  {} {}\n", kernel.release, kernel.package_version, kernel.suite);
        }
    }
    return exit_passed;
}

struct FetchArguments {
    std::string wanted;
    bool debug_info = false;
    bool source = false;
};

int fetch(const FetchArguments& arguments) {
    using guest::Addition;
    guest::KernelStore store;
    const auto kernel =
        interruptibly<guest::Kernel>("fetch", fetch_limit, [&](const std::stop_token& stop) {
            auto fetched = store.fetch(arguments.wanted, say, stop);
            if (arguments.debug_info) {
                fetched = store.fetch_addition(fetched, Addition::debug_info, say, stop);
            }
            if (arguments.source) {
                fetched = store.fetch_addition(fetched, Addition::source, say, stop);
            }
            return fetched;
        });
    fmt::print("{}  {}\n", kernel.release, kernel.vmlinux.string());
    if (arguments.debug_info) fmt::print("debug information  {}\n", kernel.debug_info.string());
    if (arguments.source) fmt::print("source  {}\n", kernel.source.string());
    return exit_passed;
}

int add(const std::string& name, const std::string& path) {
    guest::KernelStore store;
    const auto kernel = store.add_build(name, path);
    fmt::print("{}  {}  {}\n", name, kernel.release, kernel.vmlinux.string());
    print_facts(kernel);
    return exit_passed;
}

int remove(const std::vector<std::string>& releases) {
    guest::KernelStore store;
    for (const auto& release : releases) {
        store.remove(release);
        fmt::print("removed {}\n", release);
    }
    return exit_passed;
}

}  // namespace

void add_kernels_command(CLI::App& app, Action& chosen) {
    auto* command =
        app.add_subcommand("kernels", "List, fetch, name or remove the kernels to boot");
    command->footer(
        "Kernels come from Debian's suites (bookworm to sid), are checked against its signatures,\n"
        "and unpacked below the cache directory ($SKBTRAIL_CACHE, else ~/.cache/skbtrail). They "
        "are never\n"
        "installed on this machine.");
    command->require_subcommand(1);

    auto* listing = command->add_subcommand("list", "Show the kernels in the cache");
    auto available = std::make_shared<bool>(false);
    listing->add_flag("--available", *available, "Also ask the mirror which there are");
    auto facts = std::make_shared<bool>(false);
    listing->add_flag("--traces", *facts, "Say what can be traced on each, and what cannot");
    listing->callback([available, facts, &chosen] {
        chosen = [available, facts] { return list(*available, *facts); };
    });

    auto* fetching = command->add_subcommand("fetch", "Get the newest kernel of a version");
    auto fetched = std::make_shared<FetchArguments>();
    fetching->add_option("version", fetched->wanted, "A version (6.12) or an exact release")
        ->required()
        ->type_name("VERSION");
    fetching->add_flag("--debug-info", fetched->debug_info,
                       "Also get its debug information, so that recordings name what the compiler "
                       "inlined: 320 MB to fetch, 1 GB to keep, 2 GB while it is unpacked");
    fetching->add_flag("--source", fetched->source,
                       "Also get its source, for `show --source` and `expect verify --source`: "
                       "150 MB to fetch, 300 MB to keep");
    fetching->callback([fetched, &chosen] { chosen = [fetched] { return fetch(*fetched); }; });

    auto* adding = command->add_subcommand("add", "Keep a kernel of your own under a name");
    adding->footer(
        "The image and its modules are copied, so that the build may go on; --kernel NAME boots\n"
        "them then.\n"
        "\n"
        "Example:\n"
        "  skbtrail kernels add patched ~/linux            the tree that it was built in\n"
        "  skbtrail kernels add mine ./bzImage,modules=./staging/lib/modules/6.12.0");
    auto name = std::make_shared<std::string>();
    auto path = std::make_shared<std::string>();
    adding->add_option("name", *name, "Letters, digits, - and _, the first a letter")
        ->required()
        ->type_name("NAME");
    adding->add_option("path", *path, "A kernel's tree, a bzImage or a vmlinux[,modules=DIR]")
        ->required()
        ->type_name("PATH");
    adding->callback(
        [name, path, &chosen] { chosen = [name, path] { return add(*name, *path); }; });

    auto* removing = command->add_subcommand("remove", "Remove kernels from the cache");
    auto releases = std::make_shared<std::vector<std::string>>();
    removing
        ->add_option("release", *releases, "Exact releases or names, as `kernels list` shows them")
        ->required()
        ->type_name("RELEASE");
    removing->callback([releases, &chosen] { chosen = [releases] { return remove(*releases); }; });
}

}  // namespace skbtrail::labs
