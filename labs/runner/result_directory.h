// What a run leaves to the user: a directory of files.
//
//   recording.json   the recording, joined with the NIC's ring events: whole, or not there
//   verdict.json     the judgement: whole, or not there
//   result.json      what came of the run, also of one that failed
//   console.log      the guest's serial console
//   nic.log          what skbtrail-nic wrote
//   capture.pcap     the frames on the wire
//   ring.jsonl       the NIC's ring events as they came
//   output.txt       what the lab's steps wrote
//   qemu.log         libvirt's log of QEMU; kept when the run failed
//
// Of a guest with several NICs the second one's files are nic-1.log, capture-1.pcap, ring-1.jsonl.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace skbtrail::labs {

class ResultDirectory {
  public:
    /// Makes `path` and removes what an earlier run left there: the files above, no others. Throws
    /// CannotRun.
    explicit ResultDirectory(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path recording() const { return path_ / "recording.json"; }
    std::filesystem::path verdict() const { return path_ / "verdict.json"; }
    std::filesystem::path result() const { return path_ / "result.json"; }
    std::filesystem::path console() const { return path_ / "console.log"; }
    /// Of NIC number `nic`, from 0.
    std::filesystem::path nic_log(std::size_t nic) const { return of_nic(nic, "nic", ".log"); }
    std::filesystem::path capture(std::size_t nic) const { return of_nic(nic, "capture", ".pcap"); }
    std::filesystem::path ring_events(std::size_t nic) const {
        return of_nic(nic, "ring", ".jsonl");
    }
    std::filesystem::path output() const { return path_ / "output.txt"; }
    std::filesystem::path qemu_log() const { return path_ / "qemu.log"; }

    /// Writes a file of it whole or not at all. Throws CannotRun.
    void write(const std::filesystem::path& file, std::string_view content) const;

  private:
    std::filesystem::path of_nic(std::size_t nic, std::string_view stem,
                                 std::string_view extension) const;

    std::filesystem::path path_;
};

/// ./skbtrail-results/LAB-RELEASE-YYYYmmddTHHMMSS (in UTC), with a number behind it if that is
/// there already.
std::filesystem::path default_result_path(const std::string& lab, const std::string& release);

}  // namespace skbtrail::labs
