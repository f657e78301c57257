#include "tracer/status.h"

#include <cmath>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace skbtrail::tracer {

namespace {

nlohmann::ordered_json event(const char* name) {
    return {{"event", name}};
}

/// Milliseconds are enough for a person.
double rounded(double seconds) {
    return std::round(seconds * 1000) / 1000;
}

std::string dump(const nlohmann::ordered_json& json) {
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void StatusWriter::line(const std::string& json) {
    if (fd_ < 0) return;
    const auto text = json + "\n";
    // Whoever no longer listens does not stop the recording.
    (void)!::write(fd_, text.data(), text.size());
}

void StatusWriter::prepared(double seconds, bool computed) {
    auto json = event("prepared");
    json["seconds"] = rounded(seconds);
    json["plan"] = computed ? "computed" : "used";
    line(dump(json));
}

void StatusWriter::attached(std::size_t functions, std::size_t probed, double seconds) {
    auto json = event("attached");
    json["functions"] = functions;
    json["probed"] = probed;
    json["seconds"] = rounded(seconds);
    line(dump(json));
}

void StatusWriter::command_started() {
    line(dump(event("command started")));
}

void StatusWriter::command_ended(int status) {
    auto json = event("command ended");
    json["status"] = status;
    line(dump(json));
}

void StatusWriter::recording_written(std::uint64_t bytes, std::size_t chains, std::size_t packets,
                                     std::uint64_t lost) {
    auto json = event("recording written");
    json["bytes"] = bytes;
    json["chains"] = chains;
    json["packets"] = packets;
    json["lost"] = lost;
    line(dump(json));
}

void StatusWriter::error(const std::string& message) {
    auto json = event("error");
    json["message"] = message;
    line(dump(json));
}

}  // namespace skbtrail::tracer
