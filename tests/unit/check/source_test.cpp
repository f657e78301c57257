// Claims of an expectation against a tree of source files that is as small as they need:
// data/tree has the shapes of the kernel's source.
#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include "labs/check/expectation_json.h"
#include "labs/check/source/c_file.h"
#include "labs/check/source/places.h"
#include "labs/check/source/verify.h"
#include "tests/places.h"

using namespace skbtrail::labs;
using namespace skbtrail::labs::source;
using Catch::Matchers::ContainsSubstring;
using Finding = Edge::Finding;

namespace {

const CallTables& tables() {
    return named_call_tables();
}

Verification verify_text(const std::string& chains) {
    const SourceTree tree(skbtrail::tests::in_source("tests/unit/check/data/tree"), tables().scope);
    const auto expectation = parse_expectation(
        fmt::format(R"({{"format":"skbtrail-expectation","version":1,"chains":[{}]}})", chains));
    return verify(expectation, tree, tables());
}

/// The only edge of: `root` calls `step` (JSON).
Edge edge(const std::string& root, const std::string& step) {
    const auto result =
        verify_text(fmt::format(R"({{"name":"c","root":"{}","calls":[{}]}})", root, step));
    REQUIRE(result.edges.size() == 1);
    return result.edges[0];
}

const Function& only_function(const CFile& file) {
    REQUIRE(file.functions.size() == 1);
    return file.functions[0];
}

bool calls(const Function& function, const std::string& name) {
    return std::any_of(function.uses.begin(), function.uses.end(), [&](const Use& use) {
        return use.kind == Use::Kind::call && use.name == name;
    });
}

}  // namespace

TEST_CASE("a call by name is found with its file and line") {
    const Edge found = edge("netif_receive", R"({"call":"count_packet","file":"net/core/dev.c"})");
    CHECK(found.finding == Finding::found);
    CHECK(found.site.kind == CallSite::Kind::direct);
    CHECK(found.site.file == "net/core/dev.c");
    CHECK(found.site.line == 18);
}

TEST_CASE("what a recording names has a place in the source, if there is one and no other") {
    const SourceTree tree(skbtrail::tests::in_source("tests/unit/check/data/tree"), tables().scope);
    const Places places(tree, tables());
    const auto place = [&](const std::string& function, const std::string& module = {},
                           const std::string& caller_file = {}) {
        const Place found = places.of(function, module, caller_file);
        return found.file.empty() ? std::string() : fmt::format("{}:{}", found.file, found.line);
    };
    CHECK(place("netif_receive") == "net/core/dev.c:9");
    CHECK(place("count_packet.constprop.0") == "net/core/dev.c:4");
    CHECK(place("__x64_sys_pass") == "net/core/dev.c:30");
    // The header's is for a kernel without the option.
    CHECK(place("tunnel_open") == "net/ipv4/tunnel.c:6");
    // Two static functions of one name: the caller's file tells, or the module.
    CHECK(place("take").empty());
    CHECK(place("take", "", "net/ipv4/tunnel.c") == "net/ipv4/tunnel.c:1");
    CHECK(place("take", "veth") == "drivers/net/veth.c:3");
    CHECK(place("tunnel_peek").empty());  // a macro
    CHECK(place("memcpy").empty());
}

TEST_CASE("texts, comments and prototypes call nothing") {
    CHECK(edge("count_packet", R"("not_called")").finding == Finding::no_callee);
    CHECK(edge("count_packet", R"("netif_receive")").finding == Finding::no_call);
    CHECK(parse_c_file("int f(int g(void));\nint g(void);").functions.empty());
}

TEST_CASE("a function that is handed to a hook is called, one that is handed to anyone is not") {
    CHECK(edge("ip_receive", R"({"call":"finish","file":"net/ipv4/ip.c"})").finding ==
          Finding::found);
    const Edge later = edge("ip_receive", R"("finish_later")");
    CHECK(later.finding == Finding::no_call);
    CHECK_THAT(later.detail, ContainsSubstring("net/ipv4/ip.c:6"));
}

TEST_CASE("inline functions and macros between caller and callee are named") {
    const Edge found = edge("finish", R"("ip_local_deliver")");
    CHECK(found.finding == Finding::found);
    CHECK(found.site.kind == CallSite::Kind::inlined);
    CHECK(found.site.through == std::vector<std::string>{"dst_input"});
    CHECK(edge("deliver_all", R"("deliver_one")").site.through ==
          std::vector<std::string>{"deliver_if"});
}

TEST_CASE("a call through a table needs the member there and the function in the table") {
    const Edge demux = edge("netif_receive", R"({"call":"ip_receive","file":"net/ipv4/ip.c"})");
    CHECK(demux.site.kind == CallSite::Kind::table);
    CHECK_THAT(demux.site.table, ContainsSubstring("packet_type.func, net/ipv4/ip.c:23"));
    const Edge driver =
        edge("__x64_sys_pass", R"({"call":"start_xmit","file":"drivers/net/virtio_net.c"})");
    CHECK(driver.finding == Finding::found);
    CHECK(driver.site.through == std::vector<std::string>{"xmit"});
    CHECK_THAT(driver.site.table, ContainsSubstring("net_device_ops.ndo_start_xmit"));
    // refill is in no table; and nobody calls the driver through packet_type.
    CHECK(edge("__x64_sys_pass", R"("refill")").finding == Finding::no_call);
    CHECK(edge("netif_receive", R"("start_xmit")").finding == Finding::no_call);
}

TEST_CASE("a pointer may be copied to a variable first, and called by that") {
    const Edge found = edge("dump", R"({"call":"dump_links","file":"net/core/dump.c"})");
    CHECK(found.finding == Finding::found);
    CHECK(found.site.kind == CallSite::Kind::table);
    CHECK_THAT(found.site.table, ContainsSubstring("rtnl_msg_handler.dumpit"));
    CHECK(edge("dump_nothing", R"({"call":"dump_links"})").finding != Finding::found);
}

TEST_CASE("a parameter may be handed a variable, whose values it then has") {
    const Edge found = edge("append", R"({"call":"copy_plain","file":"net/ipv4/udp.c"})");
    CHECK(found.finding == Finding::found);
    CHECK(found.site.kind == CallSite::Kind::table);
    CHECK(found.site.table == "parameter getfrag, net/ipv4/udp.c:25");
    CHECK(edge("append", R"("copy_lite")").finding == Finding::found);
    // A member of the same name is not what the parameter is called by.
    CHECK(edge("append", R"("copy_other")").finding == Finding::no_call);
}

TEST_CASE("a claim names the file that defines the function") {
    const Edge wrong = edge("netif_receive", R"({"call":"count_packet","file":"net/ipv4/ip.c"})");
    CHECK(wrong.finding == Finding::no_callee);
    CHECK_THAT(wrong.detail, ContainsSubstring("is defined in net/core/dev.c"));
    const Edge none = edge("netif_receive", R"({"call":"count_packet","file":"net/none.c"})");
    CHECK_THAT(none.detail, ContainsSubstring("there is no net/none.c"));
    // No way out of the tree.
    const Edge outside =
        edge("netif_receive", R"({"call":"count_packet","file":"../source_test.cpp"})");
    CHECK_THAT(outside.detail, ContainsSubstring("there is no ../source_test.cpp"));
    CHECK(edge("nobody", R"("count_packet")").finding == Finding::no_caller);
}

TEST_CASE("what is optional, or an alternative, may be missing; one alternative has to be there") {
    const auto root = [](const std::string& steps) {
        return verify_text(
                   fmt::format(R"({{"name":"c","root":"netif_receive","calls":[{}]}})", steps))
            .failures()
            .size();
    };
    CHECK(root(R"({"call":"nothing","optional":true})") == 0);
    CHECK(root(R"({"any_of":["nothing","count_packet"]})") == 0);
    CHECK(root(R"({"any_of":["nothing","no_one"]})") == 1);
    CHECK(root(R"("nothing")") == 1);
    CHECK(root(R"({"somewhere":"nothing"})") == 0);
    CHECK(root(R"({"call":"nothing","when":{"kernel":">=6.13"}})") == 0);
    CHECK(root(R"({"call":"nothing","when":{"kernel":">=6.12"}})") == 1);
}

TEST_CASE("what may be inlined and is not there leaves its calls to its caller") {
    const auto failures = [](const std::string& below, const std::string& more) {
        return verify_text(fmt::format(R"({{"name":"c","root":"netif_receive","calls":[
                   {{"call":"not_split_off","calls":[{}]{}}}]}})",
                                       below, more))
            .failures()
            .size();
    };
    CHECK(failures(R"("count_packet")", R"(,"may_inline":true)") == 0);
    CHECK(failures(R"("refill")", R"(,"may_inline":true)") == 1);
    CHECK(failures(R"("count_packet")", "") == 2);
}

TEST_CASE("odd C is read without harm") {
    CHECK(calls(only_function(parse_c_file("int f(void) { return g ( 1 ); }")), "g"));
    CHECK_FALSE(
        calls(only_function(parse_c_file("int f(void) { return '{' + \"g(1)\"[0]; }")), "g"));
    // Braces that two alternatives share.
    const auto file = parse_c_file(
        "int f(int a)\n{\n#if A\n\tif (a) {\n#else\n\tif (!a) {\n#endif\n\t\tg();\n\t}\n"
        "\treturn 0;\n}\nint h(void) { return f(1); }\n");
    REQUIRE(file.functions.size() == 2);
    CHECK(calls(file.functions[0], "g"));
    CHECK(calls(file.functions[1], "f"));
    for (const char* broken : {"int f(void) {", "}}}}", "#define", "/*", "\"", "'\\", "int f((((",
                               "#if\n#if\n#else", "x = {.a = b", "#define X \\\n"}) {
        INFO(broken);
        CHECK_NOTHROW(parse_c_file(broken));
    }
}

TEST_CASE("a folder that holds no kernel is refused") {
    CHECK_THROWS_AS(
        SourceTree(skbtrail::tests::in_source("tests/unit/check/data/none"), tables().scope),
        std::runtime_error);
}

TEST_CASE("the elements of an array member are registered one by one") {
    const CFile file = parse_c_file(
        "static const struct nft_chain_type filter = {\n"
        "  .name = \"filter\",\n"
        "  .hooks = {\n    [IN] = do_in,\n    [OUT] = do_out,\n  },\n"
        "  .nested = { .inner = deep },\n"
        "  .free = do_free,\n};\n");
    std::vector<std::string> registered;
    for (const Registration& registration : file.registrations) {
        CHECK(registration.type == "nft_chain_type");
        registered.push_back(registration.member + "=" + registration.value);
    }
    CHECK(registered ==
          std::vector<std::string>{"hooks=do_in", "hooks=do_out", "inner=deep", "free=do_free"});
}

TEST_CASE("the members of a local struct's initializer are set, the first one too") {
    const CFile file = parse_c_file(
        "static int start(struct net *net)\n{\n"
        "  struct netlink_kernel_cfg cfg = {\n    .input = receive,\n    .bind = join,\n  };\n"
        "  return make(net, &cfg);\n}\n");
    std::vector<std::string> registered;
    for (const Registration& registration : file.registrations) {
        registered.push_back(registration.member + "=" + registration.value);
    }
    CHECK(registered == std::vector<std::string>{"input=receive", "bind=join"});
}

TEST_CASE("the members of a literal that is assigned are set, the first one too") {
    const CFile file = parse_c_file(
        "int init(void)\n{\n"
        "  hot.udp = (struct net_offload) {\n"
        "    .callbacks = {\n      .gso_segment = cut,\n      .gro_receive = merge,\n    },\n"
        "  };\n  other = (int)value;\n  return 0;\n}\n");
    std::vector<std::string> registered;
    for (const Registration& registration : file.registrations) {
        registered.push_back(registration.member + "=" + registration.value);
    }
    CHECK(registered == std::vector<std::string>{"gso_segment=cut", "gro_receive=merge",
                                                 "other=int", "other=value"});
}

TEST_CASE("a macro calls the member that it is given the name of, if a table says so") {
    const auto file = "drivers/virtio/virtio_ring.c";
    const auto found =
        edge("virtqueue_get", fmt::format(R"({{"call":"get_split","file":"{}"}})", file));
    CHECK(found.finding == Finding::found);
    CHECK_THAT(found.site.table, ContainsSubstring("virtqueue_ops.get"));
    CHECK(edge("virtqueue_other", fmt::format(R"({{"call":"get_split","file":"{}"}})", file))
              .finding != Finding::found);
}

TEST_CASE("what a condition leaves out on this kernel claims nothing, alternatives too") {
    const auto failures = [](const std::string& kernel) {
        return verify_text(fmt::format(
                               R"({{"name":"c","root":"virtqueue_get","calls":[
                                    {{"any_of":["no_such_function"],"when":{{"kernel":"{}"}}}}]}})",
                               kernel))
            .failures()
            .size();
    };
    CHECK(failures(">=1.0") == 1);
    CHECK(failures("<1.0") == 0);
}
