// The host's half of the stream; stream_writer.cpp holds the guest's.
#include "guest/stream.h"

#include <fmt/format.h>

namespace skbtrail::guest {
namespace {

using nlohmann::json;

/// No header of ours nests deeper; a value that does would make the recursive copy and print of
/// the JSON library use our stack as the guest pleases.
constexpr int nesting_limit = 16;

/// Reads the members of one header. The first that is wrong is remembered; the values after that
/// mean nothing.
class Header {
  public:
    explicit Header(const json& object) : object_(object) {}

    std::string text(const char* name) {
        const json* value = find(name);
        if (value == nullptr || !value->is_string()) {
            refuse(name, "a string");
            return {};
        }
        return value->get<std::string>();
    }

    std::string optional_text(const char* name) {
        return object_.contains(name) ? text(name) : std::string();
    }

    int integer(const char* name, int low, int high) {
        const json* value = find(name);
        if (value == nullptr || !value->is_number_integer() || *value < low || *value > high) {
            refuse(name, fmt::format("a number from {} to {}", low, high));
            return 0;
        }
        return value->get<int>();
    }

    std::uint64_t count(const char* name) {
        const json* value = find(name);
        if (value == nullptr || !value->is_number_unsigned()) {
            refuse(name, "a number from 0");
            return 0;
        }
        return value->get<std::uint64_t>();
    }

    bool optional_flag(const char* name) {
        const json* value = find(name);
        if (value == nullptr) {
            return false;
        }
        if (!value->is_boolean()) {
            refuse(name, "true or false");
            return false;
        }
        return value->get<bool>();
    }

    json event(const char* name) {
        const json* value = find(name);
        if (value == nullptr || !value->is_object() || !value->contains("event") ||
            !(*value)["event"].is_string()) {
            refuse(name, "an object with a string \"event\"");
            return {};
        }
        return *value;
    }

    bool has(const char* name) const { return object_.contains(name); }
    void refuse(const char* name, std::string_view expected) {
        if (complaint_.empty()) {
            complaint_ = fmt::format("its member \"{}\" is not {}", name, expected);
        }
    }
    const std::string& complaint() const { return complaint_; }

  private:
    const json* find(const char* name) const {
        const auto found = object_.find(name);
        return found == object_.end() ? nullptr : &*found;
    }

    const json& object_;
    std::string complaint_;
};

PhaseMessage read_phase(Header& header) {
    PhaseMessage message;
    message.name = header.text("name");
    const bool of_step = message.name == phase::step_started ||
                         message.name == phase::step_overdue || message.name == phase::step_ended;
    if (!of_step && message.name != phase::waiting && message.name != phase::booted &&
        message.name != phase::modules_loaded) {
        header.refuse("name", "the name of a phase");
    }
    message.uptime_ms = header.count("uptime_ms");
    if (of_step) {
        message.step = header.text("step");
    }
    if (message.name == phase::step_ended) {
        message.status = header.integer("status", 0, 255);
        message.deadline_passed = header.optional_flag("deadline_passed");
    }
    return message;
}

OutputMessage read_output(Header& header) {
    OutputMessage message;
    message.step = header.text("step");
    const std::string stream = header.text("stream");
    if (stream == "stderr") {
        message.stream = OutputMessage::Stream::standard_error;
    } else if (stream != "stdout") {
        header.refuse("stream", "\"stdout\" or \"stderr\"");
    }
    return message;
}

FileMessage read_file_header(Header& header) {
    FileMessage message;
    message.name = header.text("name");
    if (message.name.empty()) {
        header.refuse("name", "the name of a file");
    }
    message.step = header.optional_text("step");
    return message;
}

/// Reads the message that `type` names; nothing for a type that does not exist.
std::optional<Message> read_message(const std::string& type, Header& header) {
    if (type == "phase") {
        return read_phase(header);
    }
    if (type == "collector") {
        CollectorMessage message;
        message.step = header.text("step");
        message.status = header.event("status");
        return message;
    }
    if (type == "output") {
        return read_output(header);
    }
    if (type == "file") {
        return read_file_header(header);
    }
    if (type == "notice") {
        return NoticeMessage{header.text("message")};
    }
    if (type == "error") {
        return ErrorMessage{header.text("message")};
    }
    if (type == "end") {
        return EndMessage{header.integer("status", 0, 255)};
    }
    return std::nullopt;
}

/// What a guest wrote, short and printable enough for a message to a person.
std::string quote(std::string_view text) {
    std::string shown;
    for (const char character : text.substr(0, 60)) {
        const bool printable = character >= ' ' && character <= '~';
        shown += printable ? character : '?';
    }
    return "\"" + shown + (text.size() > 60 ? "…\"" : "\"");
}

std::optional<json> parse_object(std::string_view line) {
    bool too_deep = false;
    const auto limit_depth = [&too_deep](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > nesting_limit;
        return depth <= nesting_limit;
    };
    json value = json::parse(line, limit_depth, /*allow_exceptions=*/false);
    if (too_deep || !value.is_object()) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

void StreamDecoder::feed(std::string_view bytes) {
    if (error_) {
        return;  // nothing will be read from it any more
    }
    // What was decoded is dropped when it is the larger part: each byte is moved once on average.
    if (position_ > pending_.size() / 2) {
        pending_.erase(0, position_);
        searched_ -= position_;
        position_ = 0;
    }
    pending_.append(bytes);
}

tl::expected<std::optional<Message>, StreamError> StreamDecoder::next() {
    if (error_) {
        return tl::unexpected(*error_);
    }
    const std::size_t available = pending_.size() - position_;
    if (waiting_for_body_) {
        if (available < body_length_) {
            return std::nullopt;
        }
        Message message = std::move(*waiting_for_body_);
        waiting_for_body_.reset();
        std::string body = take(body_length_);
        if (auto* output = std::get_if<OutputMessage>(&message)) {
            output->bytes = std::move(body);
        } else {
            std::get<FileMessage>(message).bytes = std::move(body);
        }
        return message;
    }
    if (available == 0) {
        return std::nullopt;
    }
    if (ended_) {
        return fail(StreamError::Kind::after_end, "the guest wrote on behind its last message");
    }
    const std::size_t newline = pending_.find('\n', searched_);
    const std::size_t length = newline == std::string::npos ? available : newline - position_;
    if (length >= header_limit) {
        return fail(StreamError::Kind::header_too_long,
                    fmt::format("a header is longer than {} bytes", header_limit));
    }
    if (newline == std::string::npos) {
        searched_ = pending_.size();
        return std::nullopt;
    }
    // The error's place is the header's first byte, so it is taken only when it was good.
    auto message = decode_header(std::string_view(pending_).substr(position_, length));
    if (!message) {
        return message;
    }
    take(length + 1);
    if (waiting_for_body_) {
        return next();
    }
    return message;
}

StreamDecoder::Result StreamDecoder::decode_header(std::string_view line) {
    const std::optional<json> object = parse_object(line);
    if (!object) {
        return fail(StreamError::Kind::not_json,
                    "a header is not a JSON object but " + quote(line));
    }
    Header header(*object);
    const std::string type = header.text("type");
    std::optional<Message> message = read_message(type, header);
    if (!message) {
        return fail(StreamError::Kind::unknown_type, "there is no message of type " + quote(type));
    }
    const bool is_output = std::holds_alternative<OutputMessage>(*message);
    const bool has_body = is_output || std::holds_alternative<FileMessage>(*message);
    const std::uint64_t length = has_body ? header.count("bytes") : 0;
    if (!has_body && header.has("bytes")) {
        header.refuse("bytes", "for a message of this type");
    }
    if (!header.complaint().empty()) {
        return fail(
            StreamError::Kind::bad_member,
            fmt::format("a message of type {} is malformed: {}", quote(type), header.complaint()));
    }
    const std::size_t limit = is_output ? output_limit : file_limit;
    if (length > limit) {
        return fail(StreamError::Kind::body_too_long,
                    fmt::format("a message of type {} announces {} bytes, more than {}",
                                quote(type), length, limit));
    }
    if (has_body) {
        waiting_for_body_ = std::move(message);
        body_length_ = static_cast<std::size_t>(length);
        return std::nullopt;
    }
    ended_ = std::holds_alternative<EndMessage>(*message);
    return message;
}

tl::expected<void, StreamError> StreamDecoder::finish() const {
    if (error_) {
        return tl::unexpected(*error_);
    }
    if (ended_ && position_ == pending_.size()) {
        return {};
    }
    const char* where = waiting_for_body_              ? "inside the body of a message"
                        : position_ != pending_.size() ? "inside a header"
                                                       : "before its last message";
    return tl::unexpected(
        StreamError{.kind = StreamError::Kind::ended_early,
                    .message = fmt::format("The guest's stream stopped {}, at byte {}.", where,
                                           consumed_ + (pending_.size() - position_))});
}

StreamDecoder::Result StreamDecoder::fail(StreamError::Kind kind, std::string_view what) {
    error_ = StreamError{
        .kind = kind,
        .message = fmt::format("The guest's stream is not valid at byte {}: {}.", consumed_, what)};
    pending_.clear();
    pending_.shrink_to_fit();
    position_ = searched_ = 0;
    return tl::unexpected(*error_);
}

std::string StreamDecoder::take(std::size_t count) {
    std::string taken = pending_.substr(position_, count);
    position_ += count;
    searched_ = position_;
    consumed_ += count;
    return taken;
}

}  // namespace skbtrail::guest
