// The stream: what the guest tells the host while it works a job, over the virtio-serial port
// `org.skbtrail.stream`.
//
// A message is one line of JSON (the header) and, when the header has a member "bytes", that many
// raw bytes behind the newline:
//
//   {"type":"phase","name":"booted","uptime_ms":3120}
//   {"type":"phase","name":"modules loaded","uptime_ms":3300}
//   {"type":"phase","name":"step started","step":"prepare","uptime_ms":3301}
//   {"type":"output","step":"prepare","stream":"stdout","bytes":6}        + 6 bytes
//   {"type":"phase","name":"step ended","step":"prepare","status":0,"uptime_ms":3410}
//   {"type":"collector","step":"exercise","status":{"event":"attached","functions":7250}}
//   {"type":"file","name":"recording.json","step":"exercise","bytes":81233} + 81233 bytes
//   {"type":"notice","message":"…"}
//   {"type":"error","message":"…"}
//   {"type":"end","status":0}
//
// The host says two things in the other direction. To a guest whose job is deferred (job.h), once
// it has said that it is waiting, it sends the job: a line, and that many bytes of a cpio archive,
// which is unpacked over the guest's root and holds the /job.json that is meant. And it answers
// "end" with a byte.
//
//   {"type":"job","bytes":2716672}                                         + 2716672 bytes
//
// The host believes nothing: every length is bounded, every member is checked, and memory grows
// with what has arrived, never with what was announced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

namespace skbtrail::guest {

/// The port's name, as libvirt's <target type='virtio' name=…/> and QEMU's virtserialport have it.
inline constexpr std::string_view stream_port_name = "org.skbtrail.stream";

namespace phase {
/// Of a job that is deferred: the guest is ready to be sent another.
inline constexpr std::string_view waiting = "waiting";
inline constexpr std::string_view booted = "booted";
inline constexpr std::string_view modules_loaded = "modules loaded";
inline constexpr std::string_view step_started = "step started";
/// The step took too long and is being stopped; "step ended" follows.
inline constexpr std::string_view step_overdue = "step overdue";
inline constexpr std::string_view step_ended = "step ended";
}  // namespace phase

/// The job came to a new place.
struct PhaseMessage {
    std::string name;              ///< one of namespace phase
    std::uint64_t uptime_ms = 0;   ///< of the guest, CLOCK_BOOTTIME
    std::string step;              ///< of what is said of steps
    std::optional<int> status;     ///< of "step ended": exit status, 128 + signal when killed
    bool deadline_passed = false;  ///< of "step ended": killed because it took too long

    bool operator==(const PhaseMessage&) const = default;
};

/// A line of skbtrail-collect's --status-fd, relayed.
struct CollectorMessage {
    std::string step;
    nlohmann::json status;  ///< an object with a string member "event"

    bool operator==(const CollectorMessage&) const = default;
};

/// What a step wrote. A step that outlives its end (a daemon) may still write afterwards.
struct OutputMessage {
    enum class Stream : std::uint8_t { standard_output, standard_error };
    std::string step;
    Stream stream = Stream::standard_output;
    std::string bytes;

    bool operator==(const OutputMessage&) const = default;
};

/// A file: the recording of a step as "recording.json" (with the step's name), or one of
/// JobSpec::return_files by its path.
struct FileMessage {
    std::string name;
    std::string step;  ///< of a recording; else empty
    std::string bytes;

    bool operator==(const FileMessage&) const = default;
};

/// Something a person should know that does not end the job: output was truncated, a file is not
/// there.
struct NoticeMessage {
    std::string message;

    bool operator==(const NoticeMessage&) const = default;
};

/// Why the job failed, as a sentence. An EndMessage follows if the guest still can.
struct ErrorMessage {
    std::string message;

    bool operator==(const ErrorMessage&) const = default;
};

/// The last message. The guest powers off behind it. 0: every step ran to its end and succeeded.
struct EndMessage {
    int status = 0;

    bool operator==(const EndMessage&) const = default;
};

using Message = std::variant<PhaseMessage, CollectorMessage, OutputMessage, FileMessage,
                             NoticeMessage, ErrorMessage, EndMessage>;

/// How many bytes follow the line in front of a job that the host sends; nothing when it is no such
/// line, or announces none or more than StreamDecoder::file_limit.
std::optional<std::size_t> parse_job_header(std::string_view line);

/// Writes messages to a file descriptor with plain POSIX calls: partial writes are continued, a
/// descriptor that is not ready is waited for.
class StreamWriter {
  public:
    /// Borrows `descriptor` (blocking or not). `patience_ms`: how long the other end may take no
    /// byte at all before a write fails with ETIMEDOUT; what stands before that is unbounded.
    explicit StreamWriter(int descriptor, int patience_ms = 60'000)
        : descriptor_(descriptor), patience_ms_(patience_ms) {}

    /// Returns 0, or the errno of the write that failed. After a failure the stream is unusable
    /// (the other end would take the next header for a body) and every later call returns it too.
    [[nodiscard]] int send(const Message& message);

    /// Sends a file of the guest without holding it in memory. A file that shrinks meanwhile is
    /// filled up with newlines, so that the framing stands.
    /// Returns 0, or the errno of open, read (then nothing was sent) or of the write that failed.
    [[nodiscard]] int send_file(const std::string& path, const std::string& name,
                                const std::string& step = {});

    /// The host's: sends a guest that is waiting its job, a cpio archive. Returns 0 or an errno.
    [[nodiscard]] int send_job(std::string_view archive);

    /// The errno that made the stream unusable, 0 while it works.
    int failure() const { return failure_; }

  private:
    int write_all(std::string_view bytes);

    int descriptor_;
    int patience_ms_;
    int failure_ = 0;
};

/// What is wrong with a stream.
struct StreamError {
    enum class Kind : std::uint8_t {
        header_too_long,
        not_json,       ///< or not an object
        unknown_type,   ///< no "type", or one that this version does not know
        bad_member,     ///< missing, of the wrong type, or out of range
        body_too_long,  ///< "bytes" above the bound for its type
        after_end,      ///< something follows the message "end"
        ended_early,    ///< the stream closed inside a message or before "end"
    };
    Kind kind = Kind::not_json;
    /// A sentence with the place in the stream (bytes from its start).
    std::string message;
};

/// Reads the stream as it arrives. Never throws on what a guest wrote; the first error is final.
class StreamDecoder {
  public:
    static constexpr std::size_t header_limit = std::size_t{64} << 10;
    static constexpr std::size_t output_limit = std::size_t{1} << 20;
    static constexpr std::size_t file_limit = std::size_t{1} << 30;

    /// Takes bytes in any division.
    void feed(std::string_view bytes);

    /// The next complete message; nothing when more bytes are needed; an error once the stream is
    /// broken (and ever after).
    tl::expected<std::optional<Message>, StreamError> next();

    /// To be asked when the stream has closed: an error unless it ended behind "end".
    tl::expected<void, StreamError> finish() const;

    /// "end" was read.
    bool ended() const { return ended_; }

  private:
    using Result = tl::expected<std::optional<Message>, StreamError>;

    Result fail(StreamError::Kind kind, std::string_view what);
    Result decode_header(std::string_view line);
    std::string take(std::size_t count);

    std::string pending_;         ///< arrived, not yet decoded
    std::size_t position_ = 0;    ///< start of what is undecoded in pending_
    std::size_t searched_ = 0;    ///< no newline in pending_[position_, searched_)
    std::uint64_t consumed_ = 0;  ///< bytes decoded since the stream's start
    std::optional<Message> waiting_for_body_;
    std::size_t body_length_ = 0;
    bool ended_ = false;
    std::optional<StreamError> error_;
};

}  // namespace skbtrail::guest
