#include "tests/dpdk/listening.h"

#include <fstream>
#include <thread>

namespace skbtrail::dpdk {
namespace {

bool listening_at(const std::string& path) {
    std::ifstream sockets("/proc/net/unix");
    for (std::string line; std::getline(sockets, line);) {
        // Num RefCount Protocol Flags Type St Inode Path; __SO_ACCEPTCON is the one flag there.
        if (line.ends_with(" " + path) && line.find(" 00010000 ") != std::string::npos) {
            return true;
        }
    }
    return false;
}

}  // namespace

bool wait_listening(const std::string& path, std::chrono::milliseconds limit,
                    const std::function<bool()>& alive) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!listening_at(path)) {
        if (!alive() || std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

}  // namespace skbtrail::dpdk
