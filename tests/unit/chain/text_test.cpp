#include "tracer/chain/text.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

using namespace skbtrail::chain;

TEST_CASE("what a terminal would act upon becomes spaces, and nothing else changes") {
    CHECK(printable("plain, größer, ✓") == "plain, größer, ✓");
    CHECK(printable("\x1b[31mred\x7f\r") == " [31mred  ");
    CHECK(printable(std::string_view("a\0b", 3)) == "a b");
    CHECK(printable("one\ntwo\tthree") == "one two three");
    CHECK(printable("one\ntwo\tthree", "\n") == "one\ntwo three");
    CHECK(printable("").empty());
}

TEST_CASE("the control characters of Unicode are control characters") {
    CHECK(printable("a\xc2\x9b"
                    "31m") == "a  31m");         // U+009B begins what ESC [ begins
    CHECK(printable("\xc2\xa0") == "\xc2\xa0");  // U+00A0 is a space that does not break
    CHECK(printable("\xc3\x9b") == "\xc3\x9b");  // U+00DB is a letter
    CHECK(printable("\xe2\x82\x9b") == "\xe2\x82\x9b");
}
