// From --wire's words to a wire, and every way to get them wrong.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "device/event_loop.h"
#include "device/wire/factory.h"
#include "device/wire/spec.h"

namespace skbtrail::device {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("a specification is taken apart", "[wire]") {
    const WireSpec spec = parse_wire_spec("script,file=a,,b.json,uplink=nat,empty=,same=x=y");
    CHECK(spec.kind == "script");
    CHECK(spec.options ==
          std::vector<std::pair<std::string, std::string>>{
              {"file", "a,b.json"}, {"uplink", "nat"}, {"empty", ""}, {"same", "x=y"}});
}

TEST_CASE("each kind of wire can be made and says what it is", "[wire]") {
    EventLoop loop;
    CHECK(make_wire("reflect", loop)->describe() == "reflect");
    CHECK(make_wire("nat", loop)->describe() == "nat 10.0.2.0/24");
    CHECK(make_wire("nat,network=192.168.7.0/24,restrict=on,ipv6=on", loop)->describe() ==
          "nat 192.168.7.0/24, restricted, IPv6 fec0::/64");
    CHECK_FALSE(make_wire("nat", loop)->takes_offloads());
    CHECK(make_wire("sink", loop)->describe() == "sink");
    CHECK(make_wire("generate", loop)->describe() == "generate 64 bytes, 1 flow");
    CHECK(make_wire("generate,rate=10,size=imix,flows=3", loop)->describe() ==
          "generate IMIX 10 times a second, 3 flows");
}

TEST_CASE("a wrong specification becomes a sentence", "[wire]") {
    struct Case {
        const char* spec;
        const char* sentence;
    };
    const auto [spec, sentence] = GENERATE(
        Case{"", "names no kind of wire; expected KIND[,key=value…]"},
        Case{",x=1", "names no kind of wire"},
        Case{"natt", "no wire of the kind \"natt\"; did you mean \"nat\"?"},
        Case{"NAT", "did you mean \"nat\"?"}, Case{"relfect", "did you mean \"reflect\"?"},
        Case{"ethernet",
             "known are \"nat\", \"tap\", \"reflect\", \"sink\", \"generate\", \"pcap\", \"hub\", "
             "\"script\""},
        Case{"nat,restrict", "\"restrict\" is not of the form key=value"},
        Case{"nat,=on", "\"=on\" is not of the form key=value"},
        Case{"nat,", "\"\" is not of the form key=value"},
        Case{"nat,restrct=on", "--wire nat has no option \"restrct\"; did you mean \"restrict\"?"},
        Case{"nat,colour=red", "known are \"network\", \"restrict\""},
        Case{"nat,restrict=yes", "restrict=yes: expected \"on\" or \"off\""},
        Case{"nat,restrict=on,restrict=off", "gives \"restrict\" twice"},
        Case{"sink,x=1", "--wire sink takes no options, but \"x\" was given"},
        Case{"tap,queues=9", "queues=9: expected a whole number from 1 to 8"},
        Case{"tap,up=no", "expected \"on\" or \"off\""},
        Case{"generate,size=59", "size=59: expected a whole number from 60 to 65549"},
        Case{"generate,size=65550", "expected a whole number from 60 to 65549"},
        Case{"generate,size=64x", "expected a whole number"},
        Case{"generate,size=-64", "expected a whole number"},
        Case{"generate,rate=0", "rate=0: expected a whole number from 1 to 1000000000"},
        Case{"generate,count=0", "count=0: expected a whole number from 1 on"},
        Case{"generate,count=18446744073709551616", "expected a whole number from 1 on"},
        Case{"generate,flows=65000", "expected a whole number from 1 to 64512"},
        Case{"generate,flows=64512,size=1514",
             "flows=64512: so many frames of that size are more "
             "than the 16 MiB that are kept of them"},
        Case{"generate,mac=guest", "expected a MAC address like 52:54:00:12:34:56"},
        Case{"generate,source=10.0.2", "source=10.0.2: expected an IPv4 address"},
        Case{"generate,port=65536", "expected a whole number from 0 to 65535"},
        Case{"nat,network=10.0.2.0", "expected an IPv4 network, for example 10.0.2.0/24"},
        Case{"nat,network=10.0.2/24", "expected an IPv4 network"},
        Case{"nat,network=10.0.2.0/x", "expected an IPv4 network"},
        Case{"nat,network=10.0.2.0/30", "the prefix must be between 8 and 27"},
        Case{"nat,network=10.0.2.0/0", "the prefix must be between 8 and 27"},
        Case{"nat,network=10.0.2.15/24", "did you mean 10.0.2.0/24?"},
        Case{"nat,hostfwd=80", "is not of the form tcp:[ADDRESS]:PORT-[ADDRESS]:PORT"},
        Case{"nat,hostfwd=tcp::0-:80", "is not of the form"},
        Case{"nat,hostfwd=tcp::70000-:80", "is not of the form"},
        Case{"nat,hostfwd=sctp::80-:80", "is not of the form"},
        Case{"reflect,fast=on", "--wire reflect takes no options, but \"fast\" was given"},
        Case{"script", "needs the script to play: script,file=PATH"},
        Case{"script,fle=x", "did you mean \"file\"?"});
    EventLoop loop;
    CAPTURE(spec);
    CHECK_THROWS_AS(make_wire(spec, loop), std::invalid_argument);
    CHECK_THROWS_WITH(make_wire(spec, loop), ContainsSubstring(sentence));
}

TEST_CASE("an unknown kind of great length is not compared letter by letter", "[wire]") {
    EventLoop loop;
    CHECK_THROWS_WITH(make_wire(std::string(100'000, 'n'), loop), ContainsSubstring("known are"));
}

TEST_CASE("a script file that is not there is a matter of the machine, not of usage", "[wire]") {
    EventLoop loop;
    CHECK_THROWS_AS(make_wire("script,file=/nowhere/at all.json", loop), std::runtime_error);
    CHECK_THROWS_WITH(make_wire("script,file=/nowhere/at all.json", loop),
                      ContainsSubstring("/nowhere/at all.json") &&
                          ContainsSubstring("No such file or directory"));
}

TEST_CASE("help names every kind and option", "[wire]") {
    const std::string help = wire_help();
    for (const char* word : {"nat", "reflect", "script",
                             "network=", "restrict=", "hostfwd=", "ipv6=", "file=", "uplink="}) {
        CHECK_THAT(help, ContainsSubstring(word));
    }
}

}  // namespace skbtrail::device
