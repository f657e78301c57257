#include "labs/runner/guest_messages.h"

#include <fmt/format.h>

#include "labs/runner/failure.h"

namespace skbtrail::labs {

bool GuestMessages::read(const std::function<void(const guest::Message&)>& take) {
    bool closed = false;
    decoder_.feed(stream_.read(closed));
    while (true) {
        const auto message = decoder_.next();
        if (!message) {
            throw CannotRun(fmt::format("the guest's stream cannot be understood: {}",
                                        message.error().message));
        }
        if (!*message) return !closed;
        take(**message);
    }
}

std::string GuestMessages::broken_off() const {
    const auto end = decoder_.finish();
    return end ? std::string() : end.error().message;
}

}  // namespace skbtrail::labs
