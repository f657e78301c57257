// Is a JSON text as a schema of the tree says? Shared by the tests of everything that has one.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "tests/places.h"

namespace skbtrail::test {

class SchemaCheck {
  public:
    /// `path`: from the root of the sources.
    explicit SchemaCheck(const std::string& path) : SchemaCheck() {
        std::ifstream file(tests::in_source(path));
        use(nlohmann::json::parse(file));
    }

    /// The check of one of its definitions.
    SchemaCheck definition(const std::string& name) const {
        SchemaCheck check;
        check.use({{"definitions", document_.at("definitions")},
                   {"allOf", nlohmann::json::array({{{"$ref", "#/definitions/" + name}}})}});
        return check;
    }

    /// The first complaint about `text`; empty when there is none.
    std::string complaint(const std::string& text) const {
        const auto value = nlohmann::json::parse(text);
        valijson::Validator validator;
        valijson::ValidationResults results;
        const valijson::adapters::NlohmannJsonAdapter target(value);
        if (validator.validate(*schema_, target, &results)) return {};
        std::string complaint = "not valid";
        valijson::ValidationResults::Error error;
        while (results.popError(error)) {
            complaint += "\n  ";
            for (const std::string& step : error.context) complaint += step;
            complaint += ": " + error.description;
        }
        return complaint;
    }

    const nlohmann::json& document() const { return document_; }

  private:
    SchemaCheck() : schema_(std::make_unique<valijson::Schema>()) {}

    void use(nlohmann::json document) {
        document_ = std::move(document);
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document_), *schema_);
    }

    nlohmann::json document_;
    std::unique_ptr<valijson::Schema> schema_;
};

}  // namespace skbtrail::test
