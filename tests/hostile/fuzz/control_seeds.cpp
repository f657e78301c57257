#include <string>
#include <string_view>

#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

std::vector<std::byte> lines(std::string_view text) {
    const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
    return {begin, begin + text.size()};
}

}  // namespace

Seeds control_seeds() {
    return {
        {"questions", lines(R"({"command":"state"}
{"command":"metrics"}
{"command":"help"}
{"command":"break-list"}
{"command":"fault-list"}
)")},
        {"steps", lines(R"({"command":"pause","queue":1}
{"command":"step","queue":1,"count":2}
{"command":"step","queue":0}
{"command":"resume"}
{"command":"hold"}
{"command":"release","count":1}
{"command":"release"}
)")},
        {"breakpoints", lines(R"({"command":"break-add","when":["queue=1","length>=60"]}
{"command":"break-add","when":["event=call","queue=0"]}
{"command":"break-add","when":["ethertype=0x0806"]}
{"command":"resume"}
{"command":"break-remove","number":1}
{"command":"break-remove"}
)")},
        {"faults", lines(R"({"command":"fault-add","fault":"drop,p=0.5"}
{"command":"fault-add","fault":"delay,time=1ms,jitter=50us,direction=to_guest"}
{"command":"fault-add","fault":"unordered_used,window=4,queue=1,every=2,skip=1,count=3"}
{"command":"fault-add","fault":"never_used"}
{"command":"fault-add","fault":"coalesce,chains=16,time=1ms"}
{"command":"fault-add","fault":"no_buffers"}
{"command":"fault-remove","number":2}
{"command":"fault-remove"}
)")},
        {"link", lines(R"({"command":"link","up":false}
{"command":"link","up":true}
{"command":"disconnect"}
{"command":"reset-counters"}
)")},
        {"wrong", lines(R"({"command":"stat"}
{"command":"step","queue":99,"count":-1}
[1,2
{"command":7}
)")},
    };
}

}  // namespace skbtrail::hostile
