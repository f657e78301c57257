// The end of patience when cleaning up: should something that must not block do so all the same
// (a call into libvirt, a thread that does not stop), the process ends without it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

namespace skbtrail::labs {

class LastResort {
  public:
    explicit LastResort(std::filesystem::path run_directory)
        : run_directory_(std::move(run_directory)) {}
    /// Disarms it.
    ~LastResort();
    LastResort(const LastResort&) = delete;
    LastResort& operator=(const LastResort&) = delete;

    /// Unless this object is gone within `patience`, ends the run's processes, removes its
    /// directory, and ends this process with status 2.
    void arm(std::chrono::seconds patience);

  private:
    std::filesystem::path run_directory_;
    std::mutex mutex_;
    std::condition_variable disarmed_;
    bool done_ = false;
    std::thread thread_;
};

}  // namespace skbtrail::labs
