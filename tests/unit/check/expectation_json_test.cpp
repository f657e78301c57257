// Expectations as text: what is one, and what is refused with which sentence.
#include "labs/check/expectation_json.h"

#include <regex>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/places.h"
#include "tests/unit/schema_check.h"
#include "tracer/chain/json_reader.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using Catch::Matchers::MessageMatches;

namespace {

/// An expectation with one chain that has `members` as well.
std::string with_chain(const std::string& members, const std::string& top = "") {
    return R"({"format":"skbtrail-expectation","version":1,)" + top +
           R"("chains":[{"name":"c","root":"r",)" + members + "}]}";
}

std::string with_step(const std::string& step) {
    return with_chain("\"calls\":[" + step + "]");
}

const test::SchemaCheck& schema() {
    static const test::SchemaCheck check("labs/check/expectation.schema.json");
    return check;
}

}  // namespace

TEST_CASE("an expectation with every keyword is read, and is as the schema says") {
    const std::string text = R"({
      "$schema": "../check/expectation.schema.json",
      "format": "skbtrail-expectation", "version": 1, "title": "t", "draft": true,
      "aliases": {"a.isra.0": ["b", "c"]}, "noise": ["x_*"],
      "packets": {"answer": {"icmp.type": "echo-reply"}},
      "fragments": {"out": ["x", {"call": "y", "packet": "$packet"}, "$calls"]},
      "chains": [
        {"name": "one", "about": "…", "root": "r.part.0", "packet": {"icmp.type": ["a", "b"]},
         "bind": "p", "count": {"min": 0, "max": 2}, "when": {"kernel": ">=6.2"},
         "calls": ["f", "...", {"call": "g", "file": "net/x.c", "packet": "p", "calls": ["h"],
                    "optional": true, "count": 3,
                    "when": {"kernel": [">=6", "<7"], "config": {"CONFIG_X": "y"},
                             "features": ["!mrg_rxbuf"]}},
                   {"any_of": ["a", ["b", "c"]], "count": {"min": 2}},
                   {"unordered": ["a", "...", {"any_of": ["x", "y"]}]},
                   {"somewhere": "a"}, {"somewhere": ["a", "b"], "optional": true},
                   {"call": "i", "may_inline": true, "calls": ["j"]},
                   {"use": "out", "packet": "answer", "calls": ["w"]}],
         "forbid": ["kfree*", {"call": "z", "packet": "p", "when": {"kernel": "6.12"}}]},
        {"name": "two", "root": ["r", "s"], "packet": "p"}],
      "forbid": ["nf_*"]})";
    CHECK_THAT(schema().complaint(text), Equals(""));
    const labs::Expectation e = labs::parse_expectation(text);
    CHECK(e.draft);
    CHECK(e.aliases.at("a") == std::vector<std::string>{"b", "c"});
    REQUIRE(e.chains.size() == 2);
    const labs::ExpectedChain& one = e.chains[0];
    CHECK(one.roots == std::vector<std::string>{"r"});
    CHECK(one.count.min == 0);
    CHECK(one.packet->headers.at("icmp.type").size() == 2);
    REQUIRE(one.calls);
    const labs::Step& g = one.calls->at(2);
    CHECK(g.count.min == 3);
    CHECK(g.count.max == 3U);
    CHECK(g.when.kernel.size() == 2);
    CHECK(g.place == "/chains/0/calls/2");
    CHECK(g.calls->at(0).place == "/chains/0/calls/2/calls/0");
    CHECK_FALSE(one.calls->at(3).count.max);
    CHECK(one.calls->at(6).optional);
    CHECK(one.calls->at(7).may_inline);
    REQUIRE(one.calls->size() == 11);
    CHECK(one.calls->at(9).call == "y");
    CHECK(one.calls->at(9).packet == "answer");
    CHECK(one.calls->at(9).place == "/fragments/out/1");
    CHECK(one.calls->at(10).call == "w");
    CHECK(one.calls->at(10).place == "/chains/0/calls/8/calls/0");
    CHECK(e.chains[1].packet->same_as == "p");
    CHECK(e.forbid.at(0).pattern == "nf_*");
}

TEST_CASE("what is no expectation is refused, and the sentence says what is wrong") {
    const auto [text, sentence] = GENERATE(table<std::string, const char*>({
        {"", "the text is empty"},
        {"{", "this is not JSON"},
        {R"({"format":"skbtrail-recording","version":1})", "this is not an expectation"},
        {R"({"format":"skbtrail-expectation","version":9})", "made by a newer skbtrail"},
        {R"({"format":"skbtrail-expectation","version":1,"chain":[]})",
         "/chain: unknown key; did you mean \"chains\"?"},
        {R"({"format":"skbtrail-expectation","version":1,"chains":[]})", "no chain is expected"},
        {R"({"format":"skbtrail-expectation","version":1,"chains":{}})", "expected an array"},
        {R"({"format":"skbtrail-expectation","version":1,"chains":[{"root":"r"}]})",
         "/chains/0: the member \"name\" is missing"},
        {R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"","root":"r"}]})",
         "needs a name"},
        {R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"a","root":"r"},
             {"name":"a","root":"r"}]})",
         "/chains/1/name: there is a chain \"a\" above already"},
        {with_chain(R"("paket":{})"), "/chains/0/paket: unknown key; did you mean \"packet\"?"},
        {with_chain(R"("forbd":[])"), "did you mean \"forbid\"?"},
        {with_chain(R"("packet":7)"), "expected the name of a binding, or an object of headers"},
        {with_chain(R"("packet":{"icmp.type":8})"),
         "/chains/0/packet/icmp.type: expected a string, found 8; write it as a text: \"8\""},
        {with_chain(R"("packet":{"ip.ttl":["63",64]})"),
         "/chains/0/packet/ip.ttl/1: expected a string, found 64; write it as a text: \"64\""},
        {with_chain(R"("packet":{"icmp.type":{}})"), "expected an array, found an object"},
        {with_chain(R"("packet":{"fate":"lost"})"),
         "/chains/0/packet/fate: no packet has the fate \"lost\"; it is delivered, transmitted, "
         "dropped, consumed, queued, merged, moved or unknown"},
        {with_chain(R"("packet":{"fate":["queued","droped"]})"),
         "no packet has the fate \"droped\"; did you mean \"dropped\"?"},
        {with_chain(R"("packet":{"edge":"clone*d"})"), "no packet has the edge \"clone*d\""},
        {with_chain(R"("packet":{"edge":"gro-merge"})"), "did you mean \"gro_merge\"?"},
        {R"({"format":"skbtrail-expectation","version":1,"packets":{"p":{"fate":"lost"}},
             "chains":[{"name":"a","root":"r"}]})",
         "/packets/p/fate: no packet has the fate \"lost\""},
        {with_chain(R"("packet":"reply")"), "no packet is bound to \"reply\""},
        {with_chain(R"("bind":"reply")"), "there is no packet to bind"},
        {with_chain(R"("count":{"min":3,"max":2})"), "cannot both hold"},
        {with_chain(R"("count":{"mn":3})"),
         "/chains/0/count/mn: unknown key; did you mean \"min\"?"},
        {with_chain(R"("count":-1)"), "expected an integer from 0"},
        {with_chain(R"("when":{})"), "this condition says nothing"},
        {with_chain(R"("when":{"kernel":"6.x"})"), "\"6.x\" is no condition on a kernel's version"},
        {with_chain(R"("when":{"kernel":"=>6.1"})"), "is no condition on a kernel's version"},
        {with_chain(R"("when":{"config":{"NETFILTER":"y"}})"), "they begin with CONFIG_"},
        {with_step("7"), "/chains/0/calls/0: a step is the name of a function"},
        {with_step("\"\""), "a function's name cannot be empty"},
        {with_step("\"ip_rcv()\""), "\"ip_rcv()\" is not the name of a function; write it as"},
        {with_step("\"ip_*\""), "a glob can stand in \"forbid\" and \"noise\" only"},
        {with_step(R"({"cal":"f"})"), "/chains/0/calls/0/cal: unknown key; did you mean \"call\"?"},
        {with_step(R"({"anyof":["f"]})"), "did you mean \"any_of\"?"},
        {with_step(R"({"optional":true})"), "this step does not say what it is"},
        {with_step(R"({"call":"f","optonal":true})"), "did you mean \"optional\"?"},
        {with_step(R"({"call":"f","optional":"yes"})"), "expected true or false, found \"yes\""},
        {with_step(R"({"call":"f","any_of":["g"]})"), "a step is either \"call\" or \"any_of\""},
        {with_step(R"({"call":"f","count":0})"), "a step that never comes is no step"},
        {with_step(R"({"call":"f","calls":{}})"), "expected an array, found an object"},
        {with_step(R"({"call":"f","packet":"p"})"), "no packet is bound to \"p\" here"},
        {with_step(R"({"any_of":[]})"), "needs an alternative"},
        {with_step(R"({"any_of":["a"],"packet":"p"})"), "/packet: unknown key"},
        {with_step(R"({"unordered":["a","b","c","d","e","f","g","h","i"]})"),
         "9 steps in any order are too many"},
        {with_step(R"({"unordered":[{"somewhere":"a"}]})"),
         "in \"unordered\" only calls can stand"},
        {with_step(R"({"unordered":[{"any_of":[["a","b"]]}]})"), "only calls can stand"},
        {with_step(R"({"somewhere":[]})"), "needs a call to look for"},
        {with_step(R"({"somewhere":{"call":"a","count":2}})"), "only calls that come once"},
        {with_step(R"({"somewhere":"..."})"), "in \"somewhere\" only calls"},
        {with_step(R"({"call":"f","may_inline":true})"), "\"calls\" is missing"},
        {with_step(R"({"call":"f","may_inline":true,"calls":[],"count":2})"), "can come once only"},
        {with_step(R"({"call":"f","may_inlin":true})"), "did you mean \"may_inline\"?"},
        {with_step(R"({"unordered":[{"call":"f","may_inline":true,"calls":["g"]}]})"),
         "in \"unordered\" only calls can stand"},
        {with_step(R"({"use":"out"})"), "there is no fragment \"out\""},
        {with_chain(R"("calls":[{"use":"uot"}])", R"("fragments":{"out":["a"]},)"),
         "did you mean \"out\"?"},
        {with_chain(R"("calls":[])", R"("fragments":{"out":[{"use":"out"}]},)"),
         "the fragment \"out\" uses itself"},
        {with_chain(R"("calls":[])", R"("fragments":{"out":[{"call":"a","packet":"p"}]},)"),
         "a fragment is about one packet"},
        {with_chain(R"("calls":[])", R"("fragments":{"out":[{"cal":"a"}]},)"),
         "/fragments/out/0/cal: unknown key"},
        {with_chain(R"("calls":["$calls"])"), "\"$calls\" stands in fragments only"},
        {with_chain(R"("calls":[{"use":"up the lst path"}])"),
         "did you mean \"up the list path\"?"},
        {with_chain(R"("packet":{},"bind":"p")", R"("packets":{"p":{"icmp.type":"echo-reply"}},)"),
         "there is a packet \"p\" already"},
    }));
    INFO(text);
    CHECK_THROWS_MATCHES(labs::parse_expectation(text), chain::FormatError,
                         MessageMatches(ContainsSubstring(sentence)));
}

TEST_CASE("an expectation nested without end is refused") {
    std::string text = R"({"format":"skbtrail-expectation","version":1,"chains":[{"name":"c",)"
                       R"("root":"r","calls":[)";
    for (int i = 0; i < 100'000; ++i) text += R"({"call":"f","calls":[)";
    CHECK_THROWS_MATCHES(labs::parse_expectation(text), chain::FormatError,
                         MessageMatches(ContainsSubstring("nested more than")));
}

TEST_CASE("a slip in the name of a binding is named") {
    const std::string text = with_chain(R"("packet":{"ip.protocol":"icmp"},"bind":"request",)"
                                        R"("calls":[{"call":"f","packet":"requst"}])");
    CHECK_THROWS_MATCHES(labs::parse_expectation(text), chain::FormatError,
                         MessageMatches(ContainsSubstring("did you mean \"request\"?")));
}

TEST_CASE("the examples of docs/expectations.md are expectations") {
    const std::string page = chain::read_file(tests::in_source("docs/expectations.md"));
    const std::regex block("```json\n([^`]*)```");
    int examples = 0;
    for (std::sregex_iterator match(page.begin(), page.end(), block), end; match != end; ++match) {
        std::string text = (*match)[1];
        if (text.find("skbtrail-expectation") == std::string::npos) {
            const bool list = text.starts_with('[');
            text = with_chain("\"calls\":" + (list ? text : "[" + text + "]"));
        }
        INFO(text);
        CHECK_THAT(schema().complaint(text), Equals(""));
        CHECK_NOTHROW(labs::parse_expectation(text));
        ++examples;
    }
    CHECK(examples >= 9);
}

TEST_CASE("docs/expectations.md names every keyword") {
    const std::string page = chain::read_file(tests::in_source("docs/expectations.md"));
    const auto check_members = [&](const nlohmann::json& object) {
        for (const auto& [member, described] : object["properties"].items()) {
            INFO(member);
            const bool named = page.find("`" + member + "`") != std::string::npos ||
                               page.find("\"" + member + "\"") != std::string::npos;
            // A draft is something that a later command makes; nobody writes one.
            CHECK((named || member == "draft" || member == "about"));
        }
    };
    check_members(schema().document());
    for (const auto& [name, definition] : schema().document()["definitions"].items()) {
        if (definition.contains("properties")) check_members(definition);
    }
}

TEST_CASE("a file that is no expectation is named") {
    const std::string path = tests::in_source("labs/check/noise.json");
    CHECK_THROWS_MATCHES(labs::load_expectation(path), chain::FormatError,
                         MessageMatches(ContainsSubstring(path + ": this is not an expectation")));
}
