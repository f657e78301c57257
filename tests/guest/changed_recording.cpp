#include "tests/guest/changed_recording.h"

#include <fstream>
#include <optional>
#include <stdexcept>

#include "tracer/chain/recording_json.h"

namespace skbtrail::tests {
namespace {

std::optional<chain::PacketId> take_out_below(chain::Call& call, const std::string& function) {
    for (auto below = call.calls.begin(); below != call.calls.end(); ++below) {
        if (below->function == function) {
            const auto packet = below->skbs.at(0).packet;
            call.calls.erase(below);
            return packet;
        }
        if (const auto packet = take_out_below(*below, function)) return packet;
    }
    return std::nullopt;
}

}  // namespace

chain::PacketId take_out(const std::filesystem::path& recording, const std::string& function,
                         const std::filesystem::path& changed) {
    auto less = chain::load_recording(recording);
    for (auto& chain : less.chains) {
        if (const auto packet = take_out_below(chain.root, function)) {
            std::ofstream out(changed);
            chain::write_json(less, out);
            return *packet;
        }
    }
    throw std::runtime_error("no call of " + function + " handled a packet");
}

}  // namespace skbtrail::tests
