#include "labs/runner/guest_messages.h"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include "labs/runner/failure.h"
#include "tests/unit/runner/temporary.h"

namespace skbtrail::labs {
namespace {

using Catch::Matchers::ContainsSubstring;

/// Both ends of a guest's stream.
class Connection {
  public:
    Connection() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_.string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
        guest_ = device::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(guest_.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0);
        listener_.accept();
        REQUIRE(listener_.connected());
    }

    void say(const guest::Message& message) const {
        REQUIRE(guest::StreamWriter(guest_.get()).send(message) == 0);
    }
    void say(std::string_view bytes) const {
        REQUIRE(::send(guest_.get(), bytes.data(), bytes.size(), 0) ==
                static_cast<ssize_t>(bytes.size()));
    }
    void close() { guest_.reset(); }

    /// Whether the stream is open still; what came is in heard.
    bool read() {
        return messages_.read([this](const auto& message) { heard.push_back(message); });
    }
    std::string broken_off() const { return messages_.broken_off(); }

    std::vector<guest::Message> heard;

  private:
    TemporaryDirectory directory_;
    std::filesystem::path socket_ = directory_ / "stream.sock";
    StreamListener listener_{socket_};
    device::UniqueFd guest_;
    GuestMessages messages_{listener_};
};

}  // namespace

TEST_CASE("what a guest says comes message by message, and its end after the last one") {
    Connection guest;
    CHECK(guest.read());
    CHECK(guest.heard.empty());
    guest.say(guest::Message(guest::NoticeMessage{"one"}));
    guest.say(guest::Message(guest::EndMessage{0}));
    CHECK(guest.read());
    REQUIRE(guest.heard.size() == 2);
    CHECK(std::get<guest::NoticeMessage>(guest.heard[0]).message == "one");
    CHECK(guest.broken_off().empty());
    guest.close();
    CHECK_FALSE(guest.read());
    CHECK(guest.heard.size() == 2);
}

TEST_CASE("a guest that ends in the middle has said what it said") {
    Connection guest;
    guest.say(guest::Message(guest::NoticeMessage{"one"}));
    guest.say("{\"type\":");
    CHECK(guest.read());
    guest.close();
    CHECK_FALSE(guest.read());
    CHECK(guest.heard.size() == 1);
    CHECK_THAT(guest.broken_off(), ContainsSubstring("stopped inside a header"));
}

TEST_CASE("a guest that cannot be understood is not listened to") {
    Connection guest;
    guest.say(guest::Message(guest::NoticeMessage{"one"}));
    guest.say("Segmentation fault\n");
    CHECK_THROWS_AS(guest.read(), CannotRun);
    CHECK(guest.heard.size() == 1);
}

}  // namespace skbtrail::labs
