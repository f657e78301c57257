// What lies between two calls of a recording, as compilers say it of files that they made of
// compiled.c.
#include "labs/debug_info/inlined_steps.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "labs/debug_info/error.h"
#include "tests/places.h"
#include "tests/unit/recording_builder.h"

using namespace skbtrail;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using labs::debug_info::name_inlined_steps;
using test::call;
using Names = std::vector<std::string>;

namespace {

std::string compiled(const std::string& name) {
    return tests::in_build("tests/compiled/" + name);
}

/// `caller` calls `callee`, of the module that both are in.
chain::Recording recording_of(const std::string& caller, const std::string& callee,
                              const std::string& module = "") {
    return test::RecordingBuilder()
        .chain(call(caller, {call(callee).in_module(module)}).in_module(module))
        .build();
}

/// What is known of that call with debug information at `path`.
chain::Call named(chain::Recording recording, const std::string& path) {
    name_inlined_steps(recording, path);
    return recording.chains.at(0).root.calls.at(0);
}

}  // namespace

TEST_CASE("inlined functions between two calls are named, outermost first") {
    const auto kernel = compiled(GENERATE("gcc/vmlinux", "clang/vmlinux"));
    CAPTURE(kernel);
    struct Case {
        std::string caller;
        Names inlined;
    };
    const auto expected = GENERATE(Case{"calls_directly", {}},                      //
                                   Case{"calls_through_two", {"outer", "middle"}},  //
                                   Case{"calls_through_two_twice", {"outer", "middle"}});
    CAPTURE(expected.caller);
    const auto found = named(recording_of(expected.caller, "leaf"), kernel);
    CHECK(found.inlined == expected.inlined);
    CHECK_FALSE(found.tail_call);
}

TEST_CASE("where a function is called in several ways, what they have in common is named") {
    const auto kernel = compiled(GENERATE("gcc/vmlinux", "clang/vmlinux"));
    CAPTURE(kernel);
    CHECK(named(recording_of("calls_in_two_ways", "leaf"), kernel).inlined == Names{"either"});
    CHECK(named(recording_of("calls_either_way", "leaf"), kernel).inlined == Names{});
    CHECK_FALSE(named(recording_of("calls_and_jumps", "leaf"), kernel).tail_call);
}

TEST_CASE("a symbol that is several functions is known by what they have in common") {
    const auto kernel = compiled(GENERATE("gcc/vmlinux", "clang/vmlinux"));
    CAPTURE(kernel);
    CHECK(named(recording_of("twin", "leaf"), kernel).inlined == Names{});
}

TEST_CASE("a last call that became a jump is a tail call") {
    const auto kernel = compiled(GENERATE("gcc/vmlinux", "clang/vmlinux"));
    CAPTURE(kernel);
    const auto plain = named(recording_of("jumps", "leaf"), kernel);
    CHECK(plain.tail_call);
    CHECK(plain.inlined == Names{});
    const auto inlined = named(recording_of("jumps_through_one", "leaf"), kernel);
    CHECK(inlined.tail_call);
    CHECK(inlined.inlined == Names{"ends_in_leaf"});
}

TEST_CASE("what a compiler appends to a callee's name does not matter") {
    const auto found =
        named(recording_of("calls_through_two", "leaf.isra.0"), compiled("gcc/vmlinux"));
    CHECK(found.inlined == Names{"outer", "middle"});
}

TEST_CASE("nothing is said of a call that the caller's code does not make") {
    const auto kernel = compiled("gcc/vmlinux");
    CHECK(named(recording_of("calls_a_pointer", "leaf"), kernel).inlined == Names{});
    CHECK(named(recording_of("no_such_function", "leaf"), kernel).inlined == Names{});
    CHECK_FALSE(named(recording_of("no_such_function", "leaf"), kernel).tail_call);
}

TEST_CASE("a module's inlined functions are read from its own file, though it is relocatable") {
    auto recording = recording_of("calls_through_two", "leaf", "test_module");
    const auto result = name_inlined_steps(recording, compiled("gcc"));
    CHECK(result.notes.empty());
    CHECK(result.calls == 1);
    CHECK(recording.chains.at(0).root.calls.at(0).inlined == Names{"outer", "middle"});
    CHECK(named(recording_of("jumps", "leaf", "test_module"), compiled("gcc")).tail_call);
}

TEST_CASE("a module without debug information is told, and the rest is named") {
    auto recording = recording_of("calls_through_two", "leaf", "another");
    const auto result = name_inlined_steps(recording, compiled("gcc"));
    REQUIRE(result.notes.size() == 1);
    CHECK_THAT(result.notes.at(0), ContainsSubstring("module another"));
    CHECK(result.calls == 0);
}

TEST_CASE("debug information that is not there, or of another kernel, is an error") {
    auto recording = recording_of("calls_through_two", "leaf");
    const auto fails = [&](const std::string& path, const std::string& text) {
        CAPTURE(path);
        CHECK_THROWS_MATCHES(name_inlined_steps(recording, path), labs::debug_info::Error,
                             MessageMatches(ContainsSubstring(text)));
    };
    fails(compiled("nowhere"), "there is no vmlinux with debug information");
    fails(compiled("stripped"), "has no debug information in it");
    fails(compiled("text"), "cannot be read");
    recording.observed.kernel_build_id = "0123456789abcdef";
    fails(compiled("gcc"), "of another build");
    CHECK(recording.chains.at(0).root.calls.at(0).inlined.empty());
}
