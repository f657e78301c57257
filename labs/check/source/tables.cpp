#include "labs/check/source/tables.h"

#include <algorithm>
#include <cstddef>

#include <fnmatch.h>
#include <nlohmann/json.hpp>

#include "labs/check/source/tables_text.h"
#include "tracer/chain/json_reader.h"

namespace skbtrail::labs::source {
namespace {

constexpr chain::DocumentKind tables_kind{"skbtrail-call-tables", 1, "a list of call tables"};

HandOver read_hand_over(const chain::JsonValue& value) {
    HandOver read;
    chain::JsonObject object(value);
    object.required("to", read.to);
    object.required("reason", read.reason);
    object.finish();
    return read;
}

CallTable read_table(const chain::JsonValue& value) {
    CallTable read;
    chain::JsonObject object(value);
    if (object.has("parameter")) {
        object.required("parameter", read.member);
        object.required("handed_to", read.handed_to);
    } else {
        object.required("struct", read.type);
        object.required("member", read.member);
        object.optional("handed_to", read.handed_to);
    }
    object.optional("alias", read.aliases);
    object.optional("assigned", read.assigned);
    object.required("about", read.about);
    object.finish();
    return read;
}

}  // namespace

bool glob_matches(const std::string& glob, std::string_view text) {
    return fnmatch(glob.c_str(), std::string(text).c_str(), 0) == 0;
}

bool CallTables::hands_over(std::string_view to) const {
    return std::any_of(hand_over.begin(), hand_over.end(),
                       [&](const HandOver& known) { return glob_matches(known.to, to); });
}

CallTables parse_call_tables(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, tables_kind);
    CallTables tables;
    object.required("scope", tables.scope);
    const auto hand_over = object.required("hand_over");
    for (std::size_t i = 0; i < hand_over.size(); ++i) {
        tables.hand_over.push_back(read_hand_over(hand_over.element(i)));
    }
    const auto list = object.required("tables");
    for (std::size_t i = 0; i < list.size(); ++i) {
        tables.tables.push_back(read_table(list.element(i)));
    }
    object.finish();
    return tables;
}

const CallTables& named_call_tables() {
    static const CallTables tables = parse_call_tables(tables_text);
    return tables;
}

}  // namespace skbtrail::labs::source
