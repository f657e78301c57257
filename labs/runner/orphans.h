// QEMU as libvirt starts it is a daemon: nobody's child but init's. libvirt waits until it has
// vanished, which it has when init has reaped it; and an init that does so late (in small virtual
// machines seconds late, in containers perhaps never) makes each run, and each question about what
// QEMU can, late by as much. So this process adopts the orphans among its descendants and reaps
// those that are QEMU.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include <sys/types.h>

namespace skbtrail::labs {

/// What /proc/PID/stat says of a child, as far as it matters here.
struct ChildState {
    std::string name;  ///< of the program, at most 15 characters
    char state = 0;    ///< 'Z': ended, not reaped
    pid_t session = 0;
};

/// Reads the text of /proc/PID/stat; an empty name when it is not that.
ChildState parse_child_state(std::string_view stat);

/// Whether a child is an orphan to be reaped here. A QEMU in our own session is not: its starter
/// (libvirt, run_process) is about to wait for it, and must find it.
bool is_ended_orphan(const ChildState& child, pid_t own_session);

/// Kills every child of this process, whatever it is. For the very end of one that cannot end well.
void kill_children() noexcept;

/// For as long as it exists, orphans come to this process, and QEMUs among them are reaped within
/// some 20 ms of their end.
class OrphanReaper {
  public:
    OrphanReaper();
    ~OrphanReaper();
    OrphanReaper(const OrphanReaper&) = delete;
    OrphanReaper& operator=(const OrphanReaper&) = delete;

  private:
    static void reap_until(const std::stop_token& stop);

    std::jthread thread_;
};

}  // namespace skbtrail::labs
