// Messages about the guest's memory, about the log of what is written there, and about the memory
// in which chains in flight are noted.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "device/vhost_user/session.h"
#include "device/virtqueue/notifier.h"

namespace skbtrail::device::vhost_user {

namespace {

RegionDescription describe(const MemoryRegion& region) {
    return {GuestAddress{region.guest_address}, region.size, UserAddress{region.user_address},
            region.offset};
}

}  // namespace

Result<> check_log(const DirtyLog& log, const GuestMemory& memory) {
    for (const auto& region : memory.regions()) {
        const RegionDescription& description = region->description();
        if (!log.covers(description.guest_address, description.size)) {
            return failure(fmt::format(
                "the dirty log of {:#x} bytes is too small for the guest's memory at {:#x}, size "
                "{:#x}",
                log.size(), description.guest_address.value, description.size));
        }
    }
    return {};
}

Session::Handled Session::set_memory_table(Message& message) {
    const auto regions = parse_memory_table(message.payload, message.fds.size());
    if (!regions) {
        return tl::make_unexpected(regions.error());
    }
    // All or nothing: a table that is refused leaves the old one in use.
    GuestMemory memory;
    for (std::size_t i = 0; i < regions->size(); ++i) {
        auto next = Region::map(describe((*regions)[i]), message.fds[i]).and_then([&](auto region) {
            return memory.with(std::move(region));
        });
        if (!next) {
            return failure(next.error().message);
        }
        memory = std::move(*next);
    }
    return use_memory(std::move(memory));
}

Session::Handled Session::add_memory_region(Message& message) {
    auto memory = Region::map(describe(read_payload<SingleMemoryRegion>(message.payload).region),
                              message.fds.front())
                      .and_then([&](auto region) { return memory_->with(std::move(region)); });
    if (!memory) {
        return failure(memory.error().message);
    }
    return use_memory(std::move(*memory));
}

Session::Handled Session::remove_memory_region(const Message& message) {
    auto memory =
        memory_->without(describe(read_payload<SingleMemoryRegion>(message.payload).region));
    if (!memory) {
        return failure(memory.error().message);
    }
    return use_memory(std::move(*memory));
}

Session::Handled Session::use_memory(GuestMemory memory) {
    // A log that is not in use may be one of before, and too small by right.
    if (logging_ && log_) {
        if (auto enough = check_log(*log_, memory); !enough) {
            return silently(std::move(enough));
        }
    }
    memory_ = std::make_shared<GuestMemory>(std::move(memory));
    device_.set_memory(memory_);
    return Reply();
}

Session::Handled Session::set_log_base(Message& message) {
    const auto description = read_payload<LogDescription>(message.payload);
    auto log = DirtyLog::map(message.fds.front(), description.offset, description.size);
    if (!log) {
        return tl::make_unexpected(log.error());
    }
    if (auto enough = check_log(**log, *memory_); !enough) {
        return silently(std::move(enough));
    }
    if (logging_ && !log_) {
        // QEMU starts the rings of a device that comes up during a migration before it gives the
        // log. What was written since is not known any more: it may be anything.
        for (const auto& region : memory_->regions()) {
            (*log)->mark(region->description().guest_address, region->description().size);
        }
    }
    log_ = std::move(*log);
    spdlog::debug("dirty log of {:#x} bytes", description.size);
    device_.set_log(log_);
    return Reply();
}

Session::Handled Session::get_inflight_fd(const Message& message) const {
    const InflightDescription asked = parse_inflight(message.payload);
    auto made = InflightArea::create(asked.queues, asked.queue_size, packed_);
    if (!made) {
        return tl::make_unexpected(made.error());
    }
    return Reply{to_payload(made->second, message.payload.size()), std::move(made->first)};
}

Session::Handled Session::set_inflight_fd(Message& message) {
    auto area = InflightArea::map(message.fds.front(), parse_inflight(message.payload));
    if (!area) {
        return tl::make_unexpected(area.error());
    }
    if (auto set = device_.set_inflight(*area); !set) {
        return silently(std::move(set));
    }
    inflight_ = std::move(*area);
    return Reply();
}

Session::Handled Session::set_log_fd(Message& message) {
    auto target = CallTarget::adopt(std::move(message.fds.front()));
    if (!target) {
        return tl::make_unexpected(target.error());
    }
    device_.set_log_notice(std::move(*target));
    return Reply();
}

}  // namespace skbtrail::device::vhost_user
