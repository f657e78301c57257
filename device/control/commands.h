// What can be said to the control socket.
//
// A request is a JSON object on one line; so is its answer:
//     {"command":"step","queue":1,"count":2,"id":7}
//     {"ok":true,"id":7,"result":{…}}
//     {"ok":false,"id":7,"error":"there is no queue 9: this device has 0 to 1"}
// docs/nic.md describes the commands and their results.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "device/control/nic_view.h"
#include "device/control/state_json.h"
#include "device/result.h"

namespace skbtrail::device {

/// Answers requests, hostile ones too. Stateless: what it changes is the NIC.
class Commands {
  public:
    explicit Commands(NicView nic) : nic_(std::move(nic)) {}

    /// The answer to a line, without the line's end. Never throws on what the line says.
    std::string answer(std::string_view line);
    /// The answer to a line that was too long to be read.
    static std::string too_long();

    const NicView& nic() const noexcept { return nic_; }

  private:
    friend struct CommandTable;

    Result<Json> run(const Json& request);

    Result<Json> state(const Json& request);
    Result<Json> metrics(const Json& request);
    Result<Json> help(const Json& request);
    Result<Json> pause(const Json& request);
    Result<Json> resume(const Json& request);
    Result<Json> step(const Json& request);
    Result<Json> hold(const Json& request);
    Result<Json> release(const Json& request);
    Result<Json> break_add(const Json& request);
    Result<Json> break_list(const Json& request);
    Result<Json> break_remove(const Json& request);
    Result<Json> fault_add(const Json& request);
    Result<Json> fault_list(const Json& request);
    Result<Json> fault_remove(const Json& request);
    Result<Json> link(const Json& request);
    Result<Json> announce(const Json& request);
    Result<Json> disconnect(const Json& request);
    Result<Json> reset_counters(const Json& request);

    /// Member "queue" of a request: one, or all if it is absent.
    Result<std::vector<unsigned>> queues_of(const Json& request) const;
    /// Which queues are held now.
    Json holds() const;

    NicView nic_;
};

/// A command as a person types it: one or two words, then values of these members in order.
struct CommandName {
    std::string_view name;  ///< as requests have it: "break-add"
    /// Members that may be given: "queue" (a number), "count", "when..." (all further words) …
    std::span<const std::string_view> members;
    std::string_view meaning;
};
/// All of them, in the order in which help shows them.
std::span<const CommandName> command_names();

}  // namespace skbtrail::device
