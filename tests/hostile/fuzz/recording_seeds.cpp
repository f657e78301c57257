#include <string_view>

#include "tests/hostile/fuzz/input.h"
#include "tests/hostile/fuzz/recording_script.h"
#include "tests/hostile/fuzz/seeds.h"
#include "tests/unit/tracer/page_builder.h"
#include "tracer/bpf/event.h"

namespace skbtrail::hostile {

namespace {

/// A recording as a story, like those of the unit tests.
class Story {
  public:
    Story& enter(std::string_view function, const BriefSight& what = {}) {
        writer_.put(RecordingStep::enter);
        writer_.put(BriefCall{recording_function(function), cpu_, 100, depth_++, 0});
        return sight(function, what);
    }
    Story& leave(std::string_view function) {
        writer_.put(RecordingStep::leave);
        writer_.put(BriefCall{recording_function(function), cpu_, 100, --depth_, 0});
        return *this;
    }
    Story& sight(std::string_view function, BriefSight what) {
        what.function = recording_function(function);
        what.cpu = cpu_;
        what.pid = 100;
        if (what.users == 0) what.users = 1;
        if (what.len == 0) what.len = 84;
        writer_.put(RecordingStep::sight);
        writer_.put(what);
        return *this;
    }
    Story& leaf(std::string_view function, const BriefSight& what = {}) {
        return enter(function, what).leave(function);
    }
    /// A call with two sk_buffs, each with its head.
    Story& two(std::string_view function, std::uint8_t first, std::uint8_t second) {
        enter(function, {.skb = first, .head = first});
        return sight(function, {.skb = second, .head = second, .argument = 1, .more = 1})
            .leave(function);
    }
    Story& on_cpu(std::uint8_t number) {
        cpu_ = number;
        return *this;
    }
    Story& page(const std::vector<std::byte>& bytes) {
        writer_.put(RecordingStep::page).put(cpu_);
        writer_.put(static_cast<std::uint16_t>(bytes.size())).put_bytes(bytes);
        return *this;
    }
    std::vector<std::byte> bytes() const { return writer_.bytes(); }

  private:
    InputWriter writer_;
    std::uint8_t cpu_ = 0;
    std::uint8_t depth_ = 0;
};

Story received_and_cloned() {
    Story story;
    story.enter("__napi_poll").enter("receive_buf", {.extra = 1});
    story.leaf("__build_skb_around", {.skb = 1, .flags = SKBTRAIL_EVENT_UNSET, .extra = 1});
    story.leaf("skb_put", {.skb = 1, .head = 1}).leaf("eth_type_trans", {.skb = 1, .head = 1});
    story.leave("receive_buf").enter("packet_rcv", {.skb = 1, .head = 1, .users = 2});
    story.enter("skb_clone", {.skb = 1, .head = 1}).two("__copy_skb_header", 2, 1);
    story.leave("skb_clone").leaf("sock_def_readable", {.extra = 9}).leave("packet_rcv");
    story.leaf("ip_rcv_core", {.skb = 1, .head = 1}).leaf("ip_forward", {.skb = 1, .head = 1});
    story.enter("pskb_expand_head", {.skb = 1, .head = 1}).leave("pskb_expand_head");
    story.leaf("start_xmit", {.skb = 1, .head = 3}).leave("__napi_poll").on_cpu(1);
    story.enter("packet_recvmsg").leaf("skb_copy_datagram_iter", {.skb = 2, .head = 1});
    story.leave("packet_recvmsg").leaf("consume_skb", {.skb = 2, .head = 1});
    story.leaf("skb_release_data", {.skb = 2, .head = 1, .flags = SKBTRAIL_EVENT_LAST});
    return story;
}

Story united() {
    Story story;
    story.two("skb_gro_receive", 1, 2).leaf("ip_rcv_core", {.skb = 1, .head = 1, .len = 160});
    story.two("skb_try_coalesce", 1, 3)
        .leaf("kfree_skb_partial", {.skb = 3, .head = 3, .extra = 1});
    story.leaf("inet_frag_queue_insert", {.skb = 4, .head = 4, .extra = 7});
    story.leaf("inet_frag_queue_insert", {.skb = 5, .head = 5, .extra = 7});
    story.leaf("inet_frag_reasm_finish", {.skb = 5, .head = 5, .extra = 7});
    story.enter("ip_do_fragment", {.skb = 5, .head = 5});
    story.leaf("ip_finish_output2", {.skb = 6, .head = 6}).leave("ip_do_fragment");
    story.enter("skb_segment", {.skb = 5, .head = 5}).two("skb_copy_header", 6, 5);
    story.leave("skb_segment").leaf("sk_skb_reason_drop", {.skb = 5, .head = 5, .extra = 2});
    return story;
}

Story pages() {
    tracer::test::PageBuilder lossy(1000, 256);
    lossy.raw(30, 3, 2).record(5, {11, 0, 0, 0, 100, 0, 0, 0}).raw(31, 1, 1).raw(29, 4, 12);
    tracer::test::PageBuilder cut(2000, 64);
    cut.raw(0, 1, 4000);
    Story story;
    story.page(lossy.finish(true, 12)).page(cut.finish()).on_cpu(1).page({});
    return story.enter("__x64_sys_sendto");
}

}  // namespace

Seeds recording_seeds() {
    return {{"received-and-cloned", received_and_cloned().bytes()},
            {"united", united().bytes()},
            {"pages", pages().bytes()},
            {"nothing", {}}};
}

}  // namespace skbtrail::hostile
