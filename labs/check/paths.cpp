#include "labs/check/paths.h"

#include <nlohmann/json.hpp>

#include "labs/check/json_parts.h"
#include "labs/check/paths_text.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/names.h"

namespace skbtrail::labs {
namespace {

constexpr chain::DocumentKind renames_kind{"skbtrail-renames", 1, "a list of renames"};
constexpr chain::DocumentKind paths_kind{"skbtrail-paths", 1, "a list of paths"};

/// The document, and the fragments, which refer to it.
class Paths {
  public:
    explicit Paths(std::string_view json)
        : document_(chain::parse_json(json)),
          value_(document_),
          object_(chain::open_document(value_, paths_kind)),
          fragments_(object_.required("fragments"), "paths.json") {
        object_.finish();
    }
    Paths(const Paths&) = delete;
    Paths& operator=(const Paths&) = delete;

    const Fragments& fragments() const { return fragments_; }

  private:
    nlohmann::json document_;
    chain::JsonValue value_;
    chain::JsonObject object_;
    Fragments fragments_;
};

}  // namespace

std::map<std::string, std::vector<std::string>> parse_renames(std::string_view json) {
    const nlohmann::json document = chain::parse_json(json);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, renames_kind);
    const auto list = object.required("renames");
    std::map<std::string, std::vector<std::string>> renames;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto element = list.element(i);
        chain::JsonObject rename(element);
        const auto function = rename.required("function");
        const auto names = rename.required("also");
        if (rename.required("reason").get<std::string>().empty()) {
            element.fail("a rename needs a reason");
        }
        rename.finish();
        if (!renames.emplace(read_function(function), chain::read_array(names, read_function))
                 .second) {
            function.fail("this function is in the list already");
        }
    }
    object.finish();
    return renames;
}

const std::map<std::string, std::vector<std::string>>& known_renames() {
    static const auto renames = parse_renames(renames_text);
    return renames;
}

const Fragments& common_paths() {
    static const Paths paths(paths_text);
    return paths.fragments();
}

}  // namespace skbtrail::labs
