#include <string>
#include <string_view>

#include "tests/hostile/fuzz/seeds.h"

namespace skbtrail::hostile {

namespace {

constexpr std::string_view observed =
    R"({"kernel_release":"6.12.1","kernel_build_id":"00","machine":"x86_64","collector_version":"1",
"clock":"mono","tree_method":"function_graph","identity_method":"kprobe.multi","command":["ping"],
"started":1,"ended":9,"exit_status":0,"traced":["__napi_poll"],"probed":["icmp_rcv"],
"unavailable":[{"function":"ip_rcv","reason":"inlined"}],"calibration":["tried"]})";

constexpr std::string_view chain =
    R"({"chain":{"id":1,"cpu":0,"context":"softirq","pid":7,"comm":"ping","root":{"function":"__napi_poll",
"start":10,"duration":5,"calls":[{"function":"icmp_rcv","start":11,"duration":1,"skbs":[{"packet":1,
"address":"0x10","head":"0x20","data":64,"tail":148,"end":704,"len":84,"protocol":2048,"users":1}]}]}}})";

constexpr std::string_view packets =
    R"({"packet":{"id":1,"identified_by":"head","head":"0x20","first_seen":10,"summary":"ICMP",
"edges":[{"kind":"gro_merge","packet":2,"function":"skb_gro_receive"}],"fate":{"kind":"merged","into":2,"function":"x"}}}
{"packet":{"id":2,"identified_by":"head","head":"0x30","first_seen":12,"fate":{"kind":"queued"}}})";

/// Written over several lines above, of which each is one line.
std::string one_line(std::string_view text) {
    std::string line;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool ends = text[i] == '\n' && i + 1 < text.size() && text[i + 1] == '{' && i > 0 &&
                          text[i - 1] == '}';
        if (text[i] != '\n' || ends) line += text[i];
    }
    return line;
}

}  // namespace

Seeds line_seeds() {
    const std::string facts = one_line(observed);
    const std::string first =
        R"({"format":"skbtrail-recording-lines","version":1,"observed":)" + facts + "}\n";
    const std::string middle = one_line(chain) + "\n" + one_line(packets) + "\n";
    const std::string last =
        R"({"observed":)" + facts +
        R"(,"losses":[{"kind":"probe_missed","cpu":0,"count":3,"detail":"hidden"}]})" + "\n";
    return {{"whole", bytes_of(first + middle + last)},
            {"cut", bytes_of(first + middle + last.substr(0, 40))},
            {"nothing-recorded", bytes_of(first + last)},
            {"a-packet-missing", bytes_of(first + one_line(chain) + "\n")}};
}

}  // namespace skbtrail::hostile
