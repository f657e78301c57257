#include "labs/runner/embedded_driver.h"

#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "guest/cache.h"
#include "labs/runner/data_files.h"
#include "labs/runner/failure.h"

namespace skbtrail::labs {
namespace {

namespace fs = std::filesystem;

/// Where libvirt keeps its knowledge, below the root.
constexpr auto capabilities_folder = "cache/qemu/capabilities";

}  // namespace

void prepare_embedded_driver(const fs::path& root, const fs::path& capabilities) {
    auto configuration = guest::read_file(find_data("qemu-configs/qemu.conf"));
    if (::geteuid() == 0) {
        configuration += guest::read_file(find_data("qemu-configs/qemu-as-root.conf"));
    }
    std::error_code error;
    fs::create_directories(root / "etc", error);
    if (error) {
        throw CannotRun(
            fmt::format("cannot make {}: {}", (root / "etc").string(), error.message()));
    }
    guest::write_file_atomically(root / "etc/qemu.conf", configuration);
    if (fs::is_directory(capabilities, error)) {
        fs::create_directories(root / capabilities_folder, error);
        // Knowledge that cannot be copied is found out again.
        fs::copy(capabilities, root / capabilities_folder, error);
    }
}

void keep_capabilities(const fs::path& root, const fs::path& capabilities) noexcept {
    try {
        fs::create_directories(capabilities);
        for (const auto& entry : fs::directory_iterator(root / capabilities_folder)) {
            const auto kept = capabilities / entry.path().filename();
            const auto content = guest::read_file(entry.path());
            std::error_code error;
            if (!fs::exists(kept, error) || guest::read_file(kept) != content) {
                guest::write_file_atomically(kept, content);
            }
        }
    } catch (const std::exception&) {
        return;  // the next run asks QEMU again
    }
}

std::string embedded_driver_uri(const fs::path& root) {
    return fmt::format("qemu:///embed?root={}", root.string());
}

fs::path embedded_driver_log(const fs::path& root, const std::string& domain) {
    return root / "log/qemu" / (domain + ".log");
}

}  // namespace skbtrail::labs
