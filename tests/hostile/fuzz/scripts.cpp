// Fuzzes script files: the text is read, each frame in it is made, and the script is played with
// its own frames as the guest's. Input: the file.

#include <string_view>

#include "device/wire/script.h"
#include "tests/hostile/fuzz/invariant.h"

using namespace skbtrail::device;
using skbtrail::hostile::DescriptorsBalance;
using skbtrail::hostile::require;

namespace {

constexpr MacAddress guest{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
/// Enough to reach every kind of step; a long script only takes long.
constexpr std::size_t most_frames = 64;

void play(const Script& script) {
    EventLoop loop;
    std::size_t delivered = 0;
    ScriptWire wire(script, loop, nullptr);
    wire.attach([&](const Frame& frame) {
        require(frame.bytes.size() <= longest_script_frame, "a frame that is too long was sent");
        return ++delivered % 8 != 0;
    });
    wire.on_receive_ready();
    std::size_t played = 0;
    for (const ScriptStep& step : script.steps) {
        for (const ScriptFrame& one : step.send) {
            const FrameRecipe& recipe = one.recipe;
            if (++played > most_frames) {
                return;
            }
            const auto bytes = craft_frame(recipe, guest);
            require(bytes.size() >= recipe_size(recipe), "a frame is shorter than its recipe");
            wire.transmit(Frame{bytes, {}});
            loop.turn(std::chrono::milliseconds(0));
        }
    }
    wire.on_receive_ready();
    wire.report();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DescriptorsBalance balance;
    try {
        play(parse_script({reinterpret_cast<const char*>(data), size}, "fuzzed.json"));
    } catch (const ScriptError&) {
    }
    return 0;
}
