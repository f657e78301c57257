// How well a recording tells packets apart: each serial number against the packets that carry it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/guest/identity_frames.h"
#include "tests/guest/identity_history.h"
#include "tracer/chain/recording.h"

namespace skbtrail::tests {

/// What is known of the frames from elsewhere.
struct Truth {
    std::vector<SerialFrame> frames;
    std::vector<CapturedFrame> captured;  ///< the NIC's own count
    struct Socket {
        std::uint64_t inode = 0;
        std::multiset<std::uint32_t> serials;  ///< that a program read from it
    };
    std::map<std::string, Socket> sockets;  ///< by name: udp, packet, tcp
};

/// Reads what identity/traffic.cpp printed of sockets into `truth.sockets`. Throws
/// std::runtime_error when one of `names` is missing.
void read_sockets(const std::string& output, const std::vector<std::string>& names, Truth& truth);

struct Grade {
    std::size_t serials = 0;  ///< that the NIC counted
    std::size_t found = 0;    ///< of those: in exactly one packet's history, with its fate
    std::size_t packets = 0;  ///< of the recording, that claim a serial number
    std::size_t right = 0;    ///< of those: in a history that is right
    std::vector<std::string> problems;  ///< the first of them, for a person

    [[nodiscard]] double precision() const { return share(right, packets); }
    [[nodiscard]] double recall() const { return share(found, serials); }
    /// Keeps a problem with a serial number, if it is one of the first. `history`: the packets that
    /// carry it; null: there are none.
    void tell(std::uint32_t serial, const char* what, std::string problem, const History* history);
    /// "precision 1.000 (…), recall …"
    [[nodiscard]] std::string text() const;

  private:
    static double share(std::size_t part, std::size_t whole) {
        return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
    }
};

Grade grade(const chain::Recording& recording, const Truth& truth);

/// Grades a stream of TCP, both ways: a serial number is that of a frame's first payload. `cut`:
/// the guest's kernel cuts what it sends, so that each frame but the first one of a packet is a
/// segment of that packet, in order and without a gap.
Grade grade_stream(const chain::Recording& recording, const Truth& truth, bool cut);

}  // namespace skbtrail::tests
