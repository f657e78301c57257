// Is a JSON text as a schema of the tree says? Shared by the tests of everything that has one.
#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace skbtrail::test {

class SchemaCheck {
  public:
    /// `path`: from the root of the sources.
    explicit SchemaCheck(const std::string& path) {
        std::ifstream file(std::string(SKBTRAIL_SOURCE_DIR "/") + path);
        document_ = nlohmann::json::parse(file);
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document_), schema_);
    }

    /// The first complaint about `text`; empty when there is none.
    std::string complaint(const std::string& text) const {
        const auto value = nlohmann::json::parse(text);
        valijson::Validator validator;
        valijson::ValidationResults results;
        const valijson::adapters::NlohmannJsonAdapter target(value);
        if (validator.validate(schema_, target, &results)) return {};
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
    nlohmann::json document_;
    valijson::Schema schema_;
};

}  // namespace skbtrail::test
