#include "device/capture_comment.h"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace skbtrail::device {

std::string capture_comment(const TappedFrame& frame) {
    std::string text =
        fmt::format("queue {} ({})", frame.queue,
                    frame.direction == FrameDirection::from_guest ? "transmit" : "receive");
    std::string_view separator = ", ";
    for (const Chain& chain : frame.chains) {
        fmt::format_to(std::back_inserter(text), "{}head {}:", separator, chain.head());
        separator = "; ";
        std::string_view joint = " ";
        for (const ChainDescriptor& descriptor : chain.descriptors()) {
            fmt::format_to(std::back_inserter(text), "{}{:#x}:{}", joint, descriptor.address.value,
                           descriptor.length);
            joint = "+";
        }
    }
    return text;
}

}  // namespace skbtrail::device
