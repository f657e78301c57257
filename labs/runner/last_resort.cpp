#include "labs/runner/last_resort.h"

#include <cstdio>

#include <unistd.h>

#include "labs/runner/orphans.h"
#include "labs/runner/reaper.h"

namespace skbtrail::labs {

LastResort::~LastResort() {
    {
        const std::lock_guard lock(mutex_);
        done_ = true;
    }
    disarmed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void LastResort::arm(std::chrono::seconds patience) {
    if (thread_.joinable()) {
        return;
    }
    thread_ = std::thread([this, patience] {
        std::unique_lock lock(mutex_);
        if (!disarmed_.wait_for(lock, patience, [this] { return done_; })) {
            std::fputs("skbtrail: cleaning up took too long; ending without it\n", stderr);
            remove_run(run_directory_);
            kill_children();
            ::_exit(2);
        }
    });
}

}  // namespace skbtrail::labs
