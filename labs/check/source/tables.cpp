#include "labs/check/source/tables.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "labs/check/source/tables_text.h"
#include "tracer/chain/glob.h"
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
        object.optional("macro", read.macro);
    }
    object.optional("alias", read.aliases);
    object.optional("variable", read.variable);
    object.optional("assigned", read.assigned);
    object.required("about", read.about);
    object.finish();
    return read;
}

}  // namespace

bool CallTables::hands_over(std::string_view to) const {
    const std::string name(to);
    return std::any_of(hand_over.begin(), hand_over.end(),
                       [&](const HandOver& known) { return chain::glob_matches(known.to, name); });
}

CallTables parse_call_tables(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, tables_kind);
    CallTables tables;
    object.required("scope", tables.scope);
    tables.hand_over = chain::read_array(object.required("hand_over"), read_hand_over);
    tables.tables = chain::read_array(object.required("tables"), read_table);
    object.finish();
    return tables;
}

const CallTables& named_call_tables() {
    static const CallTables tables = parse_call_tables(tables_text);
    return tables;
}

}  // namespace skbtrail::labs::source
