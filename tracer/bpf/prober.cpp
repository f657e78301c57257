#include "tracer/bpf/prober.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tracer/bpf/skb.skel.h"
#include "tracer/failure.h"
#include "tracer/filter/translate.h"

namespace skbtrail::tracer {

namespace {

/// libbpf's warnings, kept to explain a failure: it prints them otherwise.
std::string& last_warnings() {
    static std::string text;
    return text;
}

int remember_warning(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    char line[1024];
    const int length = std::vsnprintf(line, sizeof line, format, arguments);
    auto& text = last_warnings();
    if (length > 0 && text.size() < 4096) text += line;
    return length;
}

std::string reason_of(int error) {
    auto text = last_warnings();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.empty()) return std::strerror(error);
    return fmt::format("{} (libbpf: {})", std::strerror(error), text);
}

/// The start of struct bpf_link_info for a kprobe.multi link, whose count of misses is newer (6.7)
/// than the headers of Debian 12.
struct MultiLinkInfo {
    __u32 type;
    __u32 id;
    __u32 program_id;
    __u32 padding;
    __u64 addresses;
    __u32 count;
    __u32 flags;
    __u64 missed;
    __u64 reserved[8];
};

/// Heads that may be on their way at the same time, of which the verdict is remembered.
constexpr __u32 verdicts_kept = 16384;

/// Puts the programs of a filter's expression into ours, just before libbpf gives it to the kernel.
class ExpressionInserter {
  public:
    explicit ExpressionInserter(const std::optional<Expression>& expression) {
        if (!expression) return;
        frame_ = translate(expression->frame, SKBTRAIL_FILTER_BYTES);
        if (expression->packet) packet_ = translate(*expression->packet, SKBTRAIL_FILTER_BYTES);
        libbpf_prog_handler_opts options{};
        options.sz = sizeof options;
        options.cookie = reinterpret_cast<long>(this);
        options.prog_prepare_load_fn = &ExpressionInserter::insert;
        handler_ = libbpf_register_prog_handler("kprobe.multi", BPF_PROG_TYPE_KPROBE,
                                                BPF_TRACE_KPROBE_MULTI, &options);
        if (handler_ < 0) throw Failure("libbpf takes no filter into the BPF program.");
    }
    ~ExpressionInserter() {
        if (handler_ >= 0) libbpf_unregister_prog_handler(handler_);
    }
    ExpressionInserter(const ExpressionInserter&) = delete;
    ExpressionInserter& operator=(const ExpressionInserter&) = delete;

    /// Says why the load failed, when it was the filter.
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    static int insert(bpf_program* program, bpf_prog_load_opts* /*options*/, long cookie) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): libbpf's cookie is a number
        auto* self = reinterpret_cast<ExpressionInserter*>(cookie);
        try {
            const std::span old(bpf_program__insns(program), bpf_program__insn_cnt(program));
            std::vector<bpf_insn> code(old.begin(), old.end());
            insert_at_marker(code, SKBTRAIL_FILTER_FRAME, SKBTRAIL_FILTER_ROOM, self->frame_);
            if (!self->packet_.empty()) {
                insert_at_marker(code, SKBTRAIL_FILTER_PACKET, SKBTRAIL_FILTER_ROOM, self->packet_);
            }
            return bpf_program__set_insns(program, code.data(), code.size());
        } catch (...) {  // not through libbpf, which is C
            self->error_ = std::current_exception();
            return -EINVAL;
        }
    }

    std::vector<bpf_insn> frame_;
    std::vector<bpf_insn> packet_;
    int handler_ = -1;
    std::exception_ptr error_;
};

/// What the BPF program is told of a filter.
skbtrail_filter filter_of(const PacketFilter& filter) {
    skbtrail_filter told{};
    told.active = filter.active() ? 1 : 0;
    told.expression = filter.expression ? 1 : 0;
    told.packet_expression = filter.expression && filter.expression->packet ? 1 : 0;
    told.ifindex = filter.ifindex;
    told.netns = filter.netns;
    told.process = filter.process;
    told.cgroup = filter.cgroup;
    told.cgroup_level = filter.cgroup_level;
    told.packets = filter.packets;
    return told;
}

/// Of functions that are not there, as many are looked for by halving.
constexpr std::size_t most_found_by_halving = 64;

/// Only "there is no such function" can be one function's fault.
bool is_one_functions_fault(int error) {
    return error == EINVAL || error == ENOENT || error == ESRCH;
}

struct IndexedProbe {
    std::size_t index = 0;
    const Probe* probe = nullptr;
};

/// Takes those out of `probes` that are no function of the kernel, whose patched calls are `sites`.
std::vector<Refused> take_out_missing(std::vector<IndexedProbe>& probes,
                                      std::vector<std::uint64_t> sites) {
    std::vector<Refused> missing;
    if (sites.empty()) return missing;
    std::sort(sites.begin(), sites.end());
    std::erase_if(probes, [&](const IndexedProbe& one) {
        if (std::binary_search(sites.begin(), sites.end(), one.probe->site)) return false;
        missing.push_back({one.index, "the kernel has no function there that it lets trace", true});
        return true;
    });
    return missing;
}

struct DestroySkeleton {
    void operator()(skb_bpf* skeleton) const { skb_bpf::destroy(skeleton); }
};
struct FreeRing {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
struct DestroyLink {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

}  // namespace

struct Prober::State {
    std::unique_ptr<skb_bpf, DestroySkeleton> skeleton;
    std::vector<std::unique_ptr<bpf_link, DestroyLink>> links;
    std::unique_ptr<ring_buffer, FreeRing> ring;
    const Sink* sink = nullptr;
    std::size_t left = 0;  ///< events that drain() may still hand over
    std::exception_ptr sink_error;

    static int on_event(void* context, void* data, std::size_t size) {
        auto* state = static_cast<State*>(context);
        try {
            (*state->sink)({static_cast<const std::byte*>(data), size});
        } catch (...) {  // not through libbpf, which is C
            state->sink_error = std::current_exception();
            return -ECANCELED;
        }
        // An error ends the round; this event is consumed all the same.
        return --state->left == 0 ? -EAGAIN : 0;
    }

    /// Puts the cookies where the program finds them most quickly.
    void fill_cookies(const std::vector<Probe>& probes) const {
        const int table = bpf_map__fd(skeleton->maps.cookies);
        for (const auto& probe : probes) {
            const auto place = skbtrail_cookie_place(probe.address);
            const skbtrail_cookie own{static_cast<std::uint32_t>(probe.address), probe.cookie};
            // One that does not get there is slower, not wrong.
            bpf_map_update_elem(table, &place, &own, BPF_ANY);
        }
    }

    /// Attaches to `probes` at once. Returns 0, or the kernel's error.
    int attach(std::span<const IndexedProbe> probes) {
        std::vector<unsigned long> addresses;
        std::vector<__u64> cookies;
        for (const auto& [index, probe] : probes) {
            addresses.push_back(probe->address);
            cookies.push_back(probe->cookie);
        }
        LIBBPF_OPTS(bpf_kprobe_multi_opts, options);
        options.addrs = addresses.data();
        options.cookies = cookies.data();
        options.cnt = addresses.size();
        auto* link =
            bpf_program__attach_kprobe_multi_opts(skeleton->progs.on_entry, nullptr, &options);
        if (link == nullptr) return errno;
        links.emplace_back(link);
        return 0;
    }

    /// Attaches to `probes`, halving where the kernel refuses.
    void attach_halving(std::span<const IndexedProbe> probes, std::vector<Refused>& refused) {
        const int error = attach(probes);
        if (error == 0) return;
        if (probes.size() == 1 && is_one_functions_fault(error)) {
            refused.push_back(
                {probes.front().index,
                 fmt::format("the kernel refuses to attach BPF to it: {}", std::strerror(error)),
                 true});
            return;
        }
        // Each part that is attached costs every call of every part.
        if (!is_one_functions_fault(error) || refused.size() >= most_found_by_halving) {
            throw Failure(fmt::format("The BPF program cannot be attached to {} functions: {}.",
                                      probes.size(), reason_of(error)));
        }
        const auto middle = probes.size() / 2;
        attach_halving(probes.first(middle), refused);
        attach_halving(probes.subspan(middle), refused);
    }
};

Prober::Prober(const Options& options) : state_(std::make_unique<State>()), sites_(options.sites) {
    libbpf_set_print(remember_warning);
    last_warnings().clear();
    const ExpressionInserter expression(options.filter.expression);
    state_->skeleton.reset(skb_bpf::open());
    if (!state_->skeleton) {
        throw Failure(fmt::format("The BPF program cannot be opened: {}.", reason_of(errno)));
    }
    const auto bytes = std::bit_ceil(std::max<std::uint64_t>(options.ring_kib, 64) * 1024);
    bpf_map__set_max_entries(state_->skeleton->maps.events, static_cast<__u32>(bytes));
    state_->skeleton->rodata->page_offset_address = options.page_offset_address;
    state_->skeleton->rodata->vmemmap_address = options.vmemmap_address;
    const auto cpus = static_cast<std::uint64_t>(std::max(1, libbpf_num_possible_cpus()));
    state_->skeleton->rodata->wakeup_bytes = bytes / 4 / cpus;
    state_->skeleton->rodata->snaplen = std::min<std::uint32_t>(options.snaplen, SKBTRAIL_SNAP);
    const auto filter = filter_of(options.filter);
    std::memcpy(&state_->skeleton->rodata->filter, &filter, sizeof filter);
    if (options.filter.active()) {
        bpf_map__set_max_entries(state_->skeleton->maps.verdicts, verdicts_kept);
    }
    if (const int error = skb_bpf::load(state_->skeleton.get()); error != 0) {
        expression.rethrow();
        if (error == -EPERM) {
            throw Failure(
                "The kernel does not let this process load BPF programs. Recording needs root and "
                "a kernel that is not locked down (see /sys/kernel/security/lockdown).");
        }
        throw Failure(
            fmt::format("The BPF program cannot be loaded: {}. It needs Linux 6.2 or later with "
                        "CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF.",
                        reason_of(-error)));
    }
    state_->ring.reset(ring_buffer__new(bpf_map__fd(state_->skeleton->maps.events),
                                        &State::on_event, state_.get(), nullptr));
    if (!state_->ring) {
        throw Failure(fmt::format("The BPF ring buffer cannot be mapped: {}.", reason_of(errno)));
    }
}

Prober::~Prober() = default;

std::vector<Refused> Prober::attach(const std::vector<Probe>& probes) {
    std::vector<Refused> refused;
    last_warnings().clear();
    state_->fill_cookies(probes);
    std::vector<IndexedProbe> wanted;
    for (std::size_t i = 0; i < probes.size(); ++i) wanted.push_back({i, &probes[i]});
    try {
        if (!wanted.empty()) {
            const int error = state_->attach(wanted);
            if (is_one_functions_fault(error) && sites_) {
                refused = take_out_missing(wanted, sites_());
            }
            if (error != 0 && !wanted.empty()) state_->attach_halving(wanted, refused);
        }
    } catch (const Failure&) {
        if (state_->links.empty() && errno == EOPNOTSUPP) {
            throw Failure(
                "This kernel cannot attach a BPF program to many functions at once (kprobe.multi): "
                "it lacks CONFIG_FPROBE. Use a kernel that has it; Debian's have from 6.12 on.");
        }
        throw;
    }
    if (!probes.empty() && state_->links.empty()) {
        throw Failure(
            "This kernel attaches the BPF program to none of the functions (kprobe.multi): it "
            "lacks CONFIG_FPROBE, or hides its addresses. Use a kernel that has it; Debian's have "
            "from 6.12 on.");
    }
    return refused;
}

void Prober::switch_on() {
    missed_before_ = missed();
    std::atomic_ref(state_->skeleton->bss->enabled).store(1, std::memory_order_release);
}

void Prober::switch_off() {
    std::atomic_ref(state_->skeleton->bss->enabled).store(0, std::memory_order_release);
    missed_after_ = missed();
}

int Prober::poll_fd() const {
    return ring_buffer__epoll_fd(state_->ring.get());
}

std::size_t Prober::drain(const Sink& sink, std::size_t limit) {
    state_->sink = &sink;
    state_->left = limit;
    ring_buffer__consume(state_->ring.get());
    state_->sink = nullptr;
    if (state_->sink_error) std::rethrow_exception(std::exchange(state_->sink_error, nullptr));
    return limit - state_->left;
}

std::vector<chain::Loss> Prober::losses(const std::vector<unsigned>& cpus) const {
    std::vector<chain::Loss> losses;
    for (const auto cpu : cpus) {
        const auto& counters = state_->skeleton->bss->cpus[cpu % SKBTRAIL_CPUS];
        if (counters.refused == 0) continue;
        losses.push_back({"bpf_reserve_failed", cpu, counters.refused,
                          "events refused by the full BPF ring buffer, of more functions than are "
                          "counted apart"});
    }
    losses.push_back({"probe_missed", std::nullopt, missed_after_ - missed_before_,
                      "calls that the kernel did not show to the BPF program, another one being "
                      "at work on that CPU"});
    return losses;
}

std::uint32_t Prober::packets_wanted() const {
    return state_->skeleton->bss->wanted_packets;
}

CpuCounts Prober::counts(unsigned cpu) const {
    const auto& counters = state_->skeleton->bss->cpus[cpu % SKBTRAIL_CPUS];
    return {counters.filtered, counters.list_truncated, refused(cpu)};
}

RefusedEvents Prober::refused(unsigned cpu) const {
    RefusedEvents refused;
    const int table = bpf_map__fd(state_->skeleton->maps.refused);
    skbtrail_refused_key key{};
    for (const skbtrail_refused_key* last = nullptr; bpf_map_get_next_key(table, last, &key) == 0;
         last = &key) {
        skbtrail_refused count{};
        if (key.cpu != cpu || bpf_map_lookup_elem(table, &key, &count) != 0) continue;
        refused[key.function] = {count.events, count.calls};
    }
    return refused;
}

std::uint64_t Prober::missed() const {
    std::uint64_t missed = 0;
    bpf_prog_info program{};
    __u32 size = sizeof program;
    if (bpf_prog_get_info_by_fd(bpf_program__fd(state_->skeleton->progs.on_entry), &program,
                                &size) == 0) {
        missed += program.recursion_misses;
    }
    for (const auto& link : state_->links) {
        MultiLinkInfo info{};
        size = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_link__fd(link.get()), &info, &size) == 0) {
            missed += info.missed;
        }
    }
    return missed;
}

std::optional<std::uint64_t> Prober::page_offset() const {
    const auto value = state_->skeleton->bss->page_offset;
    return value == 0 ? std::nullopt : std::optional<std::uint64_t>(value);
}

void Prober::keep() {
    std::size_t number = 0;
    for (const auto& link : state_->links) {
        // Without a BPF file system the kernel detaches when the process ends: slower, not wrong.
        bpf_link__pin(link.get(),
                      fmt::format("/sys/fs/bpf/skbtrail-{}-{}", ::getpid(), number++).c_str());
    }
}

}  // namespace skbtrail::tracer
