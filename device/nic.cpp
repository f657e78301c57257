#include "device/nic.h"

#include <cerrno>
#include <ctime>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "device/capture_comment.h"
#include "device/control/event_socket.h"
#include "device/sandbox.h"
#include "device/wire/factory.h"

namespace skbtrail::device {

namespace {

void or_throw(const Result<>& result) {
    if (!result) {
        throw std::runtime_error(result.error().message);
    }
}

template <typename T>
T or_throw(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message);
    }
    return std::move(*result);
}

/// Tells whoever started us that front ends can connect now.
void announce_ready(int fd) {
    constexpr std::string_view line = "ready\n";
    if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        throw std::runtime_error(fmt::format("cannot write to descriptor {} (--ready-fd): {}", fd,
                                             std::generic_category().message(errno)));
    }
    // Who reads until the end of file need not wait for ours.
    if (fd > STDERR_FILENO) {
        ::close(fd);
    }
}

}  // namespace

Nic::Nic(const NicOptions& options, int parent) {
    catch_signals();
    if (options.exit_with_parent) {
        parent_.emplace(or_throw(ParentWatch::start(loop_, parent, [this] {
            spdlog::info("the parent process has ended");
            loop_.stop();
        })));
    }
    plug_in(options);
    if (!options.capture.empty()) {
        capture_ = std::make_unique<Capture>(options.capture, &loop_);
    }
    if (!options.events.empty()) {
        events_ = std::make_unique<RingEventLog>(
            make_event_sink(options.events), RingEventLog::default_slots,
            options.sandbox ? [] { or_throw(drop_capabilities()); } : std::function<void()>());
    }
    make_device(options);
    make_server(options);
    oversee(options);
    flush_ = loop_.on_idle([this] {
        if (capture_) {
            capture_->flush();
        }
        if (events_) {
            events_->flush();
        }
    });
    spdlog::info("{} {}, wire {}, offering {}",
                 options.connect.empty() ? "listening at" : "connecting to",
                 options.connect.empty() ? options.socket : options.connect, wire_->describe(),
                 describe_features(device_->offered_features()));
    if (options.sandbox) {
        confine(options);
    }
    if (options.ready_fd) {
        announce_ready(*options.ready_fd);
    }
}

Nic::~Nic() {
    // Who commands goes before what is commanded.
    control_.reset();
    oversight_.reset();
    // The server first: the session's end resets the device, which tells the wire.
    server_.reset();
    listener_.reset();
}

void Nic::make_server(const NicOptions& options) {
    const vhost_user::SessionOptions session{.serve_config = options.serve_config};
    auto on_left = [this, once = options.once] {
        report();
        if (once) {
            loop_.stop();
        }
    };
    if (!options.connect.empty()) {
        server_ = std::make_unique<vhost_user::Server>(loop_, options.connect, *device_, *device_,
                                                       session, std::move(on_left));
        return;
    }
    listener_.emplace(or_throw(vhost_user::Listener::open(options.socket)));
    server_ = std::make_unique<vhost_user::Server>(loop_, *listener_, *device_, *device_, session,
                                                   std::move(on_left));
}

void Nic::plug_in(const NicOptions& options) {
    faults_ = std::make_unique<FaultSet>(options.seed);
    for (const FaultSpec& fault : options.faults) {
        or_throw(faults_->add(fault));
    }
    wire_ = make_wire(options.wire, loop_);
    // Somebody who can command may want faults later.
    if (!options.faults.empty() || !options.control.empty()) {
        auto faulty = std::make_unique<FaultyWire>(std::move(wire_), *faults_, loop_);
        faulty_wire_ = faulty.get();
        wire_ = std::move(faulty);
    }
}

void Nic::oversee(const NicOptions& options) {
    if (faulty_wire_ == nullptr) {
        return;
    }
    faulty_wire_->set_card_actions({.set_link = [this](bool up) { device_->set_link(up); },
                                    .disconnect = [this] { server_->disconnect(); }});
    oversight_ = std::make_unique<Oversight>(loop_, *device_, *faults_);
    if (options.control.empty()) {
        return;
    }
    NicView view{.oversight = *oversight_,
                 .wire = *wire_,
                 .events = events_.get(),
                 .front_end =
                     [this] {
                         const vhost_user::Session* const session = server_->session();
                         return session == nullptr
                                    ? FrontEndView{}
                                    : FrontEndView{true, session->offered_protocol_features(),
                                                   session->protocol_features()};
                     },
                 .disconnect = [this] { return server_->disconnect(); }};
    control_ = std::make_unique<ControlSocket>(loop_, options.control, std::move(view));
}

void Nic::confine(const NicOptions& options) {
    const WireNeeds wire = wire_->needs();
    const SandboxNeeds needs{.internet = wire.internet,
                             .unix_sockets = !options.connect.empty(),
                             .device_settings = wire.device_settings};
    ::tzset();  // the log's times: a file is read for the time zone
    or_throw(enter_sandbox(needs));
}

void Nic::make_device(const NicOptions& options) {
    const NetSurroundings surroundings{.serves_config = options.serve_config,
                                       .queue_pairs = options.queues};
    const Features possible = possible_features(surroundings);
    NetDeviceOptions device;
    device.transmit_latency = std::chrono::milliseconds(options.latency_ms);
    device.always_poll = options.poll;
    device.features = or_throw(apply_feature_changes(possible, options.features, possible,
                                                     foreign_features(surroundings)));
    device.queue_pairs = options.queues;
    device.mtu = options.mtu.value_or(device.mtu);
    if (options.mac) {
        device.mac = *options.mac;
    } else {
        device.features &= ~feature_mac;
    }
    FrameTap tap;
    if (capture_) {
        tap = [this](const TappedFrame& frame) {
            capture_->record(
                frame.direction == FrameDirection::from_guest ? Capture::Direction::from_guest
                                                              : Capture::Direction::to_guest,
                frame.bytes, frame.queue, capture_->takes_comments() ? capture_comment(frame) : "");
        };
    }
    device_ = std::make_unique<NetDevice>(loop_, *wire_, device, events_.get(), tap);
}

void Nic::catch_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    // A call descriptor may be a pipe whose reader is gone.
    ::signal(SIGPIPE, SIG_IGN);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) {
        throw std::system_error(errno, std::generic_category(), "signalfd");
    }
    signals_watch_ = loop_.add_fd(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        if (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            spdlog::info("ended by {}", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
            loop_.stop();
        }
    });
}

void Nic::run() {
    loop_.run();
    // Of a front end that has left, the counters are reported already.
    if (server_->serving()) {
        report();
    }
}

void Nic::report() const {
    for (const std::string& line : device_->describe_counters()) {
        spdlog::info("{}", line);
    }
    const WireCounters wire = wire_->counters();
    spdlog::info(
        "wire: from the guest {} frames, {} bytes, dropped {}; to the guest {} frames, {} "
        "bytes, dropped {}, waiting {}",
        wire.from_guest.frames, wire.from_guest.bytes, wire.from_guest.dropped,
        wire.to_guest.frames, wire.to_guest.bytes, wire.to_guest.dropped, wire.waiting);
    // Between what the queues and the wire counted lies what these took.
    for (const auto& fault : faults_->all()) {
        spdlog::info("fault {}: {}, struck {} of {} times, {} of them without effect",
                     fault->number(), fault->spec().text, fault->struck(), fault->opportunities(),
                     fault->without_effect());
    }
}

}  // namespace skbtrail::device
