#include "tracer/chain/json_reader.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tracer/chain/suggest.h"

namespace skbtrail::chain {
namespace {

using nlohmann::json;

/// What stands there, for a sentence.
std::string describe(const json& value) {
    switch (value.type()) {
        case json::value_t::null:
            return "null";
        case json::value_t::object:
            return "an object";
        case json::value_t::array:
            return "an array";
        case json::value_t::string: {
            constexpr std::size_t shown = 40;
            const auto& text = value.get_ref<const std::string&>();
            if (text.size() <= shown) return fmt::format("\"{}\"", text);
            return fmt::format("a string of {} bytes", text.size());
        }
        default:
            return value.dump();
    }
}

std::string escaped(std::string_view key) {
    std::string result;
    for (const char c : key) {
        if (c == '~') {
            result += "~0";
        } else if (c == '/') {
            result += "~1";
        } else {
            result += c;
        }
    }
    return result;
}

[[noreturn]] void fail_at(const std::string& pointer, std::string_view sentence) {
    if (pointer.empty()) throw FormatError(std::string(sentence));
    throw FormatError(fmt::format("{}: {}", pointer, sentence));
}

/// Builds the document from the parser's events, within the limits, and hands over streamed
/// elements as soon as they are complete.
class Builder : public nlohmann::json_sax<json> {
  public:
    Builder(std::string_view text, std::span<const std::string_view> streamed,
            const ElementHandler& handle)
        : text_(text), streamed_(streamed), handle_(handle) {}

    json take() { return std::move(root_); }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }  // JSON text has none

    bool start_object(std::size_t) override { return open(json::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(json::array()); }
    bool end_array() override { return close(); }

    bool key(string_t& value) override {
        Level& level = levels_.back();
        level.key = std::move(value);
        if (level.container->contains(level.key)) {
            fail_at(pointer(), "this key stands twice in one object; remove one of the two");
        }
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& error) override {
        position = std::min(position == 0 ? 0 : position - 1, text_.size());
        const auto before = text_.substr(0, position);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const std::size_t column = position - (before.rfind('\n') + 1) + 1;
        // The library's sentence repeats the place in front: "… column N: syntax error …".
        std::string_view sentence = error.what();
        if (const auto at = sentence.find("column "); at != std::string_view::npos) {
            if (const auto colon = sentence.find(": ", at); colon != std::string_view::npos) {
                sentence.remove_prefix(colon + 2);
            }
        }
        // Errors without a place carry the library's own number: "[json.exception.…] sentence".
        if (sentence.starts_with('[') && sentence.find("] ") != std::string_view::npos) {
            sentence.remove_prefix(sentence.find("] ") + 2);
        }
        const bool ended = text_.find_first_not_of(" \t\r\n", position) == std::string_view::npos;
        throw FormatError(fmt::format("line {}, column {}: this is not JSON: {}{}", line, column,
                                      sentence,
                                      ended ? " (the text ends here: was it cut short?)" : ""));
    }

  private:
    struct Level {
        json* container;
        std::string key;
        std::size_t index = 0;
    };

    std::string pointer() const {
        std::string result;
        for (const Level& level : levels_) {
            result += '/';
            result +=
                level.container->is_object() ? escaped(level.key) : std::to_string(level.index);
        }
        return result;
    }

    bool streams() const {
        return levels_.size() == 2 && levels_[0].container->is_object() &&
               levels_[1].container->is_array() &&
               std::find(streamed_.begin(), streamed_.end(), levels_[0].key) != streamed_.end();
    }

    json* place(json&& value) {
        if (levels_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Level& level = levels_.back();
        if (level.container->is_array()) {
            level.container->push_back(std::move(value));
            return &level.container->back();
        }
        json& member = (*level.container)[level.key];
        member = std::move(value);
        return &member;
    }

    void completed() {
        if (levels_.empty()) return;
        Level& level = levels_.back();
        if (!level.container->is_array()) return;
        if (streams()) {
            handle_(levels_[0].key, level.index, level.container->back());
            level.container->clear();
        }
        ++level.index;
    }

    bool add(json&& value) {
        place(std::move(value));
        completed();
        return true;
    }

    bool open(json&& container) {
        if (levels_.size() == max_json_depth) {
            throw FormatError(
                fmt::format("the document is nested more than {} levels deep; "
                            "no skbtrail document is",
                            max_json_depth));
        }
        json* placed = place(std::move(container));
        levels_.push_back({placed, {}, 0});
        return true;
    }

    bool close() {
        levels_.pop_back();
        completed();
        return true;
    }

    std::string_view text_;
    std::span<const std::string_view> streamed_;
    const ElementHandler& handle_;
    json root_;
    std::vector<Level> levels_;
};

}  // namespace

std::string JsonValue::pointer() const {
    if (parent_ == nullptr) return {};
    const std::string step = parent_->is_array() ? std::to_string(index_) : escaped(key_);
    return parent_->pointer() + "/" + step;
}

void JsonValue::fail(std::string_view sentence) const {
    fail_at(pointer(), sentence);
}

bool JsonValue::is_text() const {
    return value_->is_string();
}
bool JsonValue::is_object() const {
    return value_->is_object();
}
bool JsonValue::is_array() const {
    return value_->is_array();
}

std::size_t JsonValue::size() const {
    if (!is_array()) fail(fmt::format("expected an array, found {}", describe(*value_)));
    return value_->size();
}

JsonValue JsonValue::element(std::size_t index) const {
    return {(*value_)[index], *this, index};
}

std::string JsonValue::text() const {
    if (value_->is_number()) {
        fail(fmt::format("expected a string, found {0}; write it as a text: \"{0}\"",
                         describe(*value_)));
    }
    if (!is_text()) fail(fmt::format("expected a string, found {}", describe(*value_)));
    return value_->get<std::string>();
}

bool JsonValue::boolean() const {
    if (!value_->is_boolean()) {
        fail(fmt::format("expected true or false, found {}", describe(*value_)));
    }
    return value_->get<bool>();
}

std::int64_t JsonValue::signed_integer(std::int64_t low, std::int64_t high) const {
    const bool too_big = value_->is_number_unsigned() &&
                         value_->get<std::uint64_t>() > static_cast<std::uint64_t>(high);
    const bool in_range = value_->is_number_integer() && !too_big &&
                          value_->get<std::int64_t>() >= low && value_->get<std::int64_t>() <= high;
    if (!in_range) {
        fail(fmt::format("expected an integer from {} to {}, found {}", low, high,
                         describe(*value_)));
    }
    return value_->get<std::int64_t>();
}

std::uint64_t JsonValue::unsigned_integer(std::uint64_t high) const {
    if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > high) {
        fail(fmt::format("expected an integer from 0 to {}, found {}", high, describe(*value_)));
    }
    return value_->get<std::uint64_t>();
}

void JsonValue::each_member(
    const std::function<void(const std::string&, const JsonValue&)>& visit) const {
    if (!is_object()) fail(fmt::format("expected an object, found {}", describe(*value_)));
    for (const auto& [key, value] : value_->items()) visit(key, JsonValue(value, *this, key));
}

std::uint64_t JsonValue::address() const {
    if (is_text()) {
        const auto& digits = value_->get_ref<const std::string&>();
        std::uint64_t result = 0;
        if (digits.size() > 2 && digits.starts_with("0x")) {
            const char* end = digits.data() + digits.size();
            const auto [stop, error] = std::from_chars(digits.data() + 2, end, result, 16);
            if (error == std::errc() && stop == end) return result;
        }
    }
    fail(
        fmt::format("expected an address as a string like \"0xffff888003a1c000\" of at most 64 "
                    "bits, found {}",
                    describe(*value_)));
}

JsonObject::JsonObject(const JsonValue& value) : value_(value) {
    if (!value_.is_object()) {
        value_.fail(fmt::format("expected an object, found {}", describe(value_.json())));
    }
    asked_.reserve(24);
}

bool JsonObject::has(std::string_view key) const {
    return value_.json().get_ref<const json::object_t&>().contains(key);
}

std::optional<JsonValue> JsonObject::find(std::string_view key) {
    asked_.push_back(key);
    const auto& members = value_.json().get_ref<const json::object_t&>();
    const auto member = members.find(key);
    if (member == members.end()) return std::nullopt;
    ++found_;
    return JsonValue(member->second, value_, member->first);
}

JsonValue JsonObject::required(std::string_view key) {
    auto member = find(key);
    if (!member) {
        // The likely reason is a slip in this very key, and naming that is the better sentence.
        const std::string_view wanted[] = {key};
        for (const auto& other : value_.json().items()) {
            const bool known = std::find(asked_.begin(), asked_.end(), other.key()) != asked_.end();
            const std::string hint = known ? "" : did_you_mean(other.key(), wanted);
            if (!hint.empty()) {
                JsonValue(other.value(), value_, other.key()).fail("unknown key" + hint);
            }
        }
        value_.fail(fmt::format("the member \"{}\" is missing", key));
    }
    return *member;
}

void JsonObject::finish() const {
    if (found_ == value_.json().size()) return;
    for (const auto& member : value_.json().items()) {
        const std::string& key = member.key();
        if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
        JsonValue(member.value(), value_, key).fail("unknown key" + did_you_mean(key, asked_));
    }
}

JsonObject open_document(const JsonValue& document, const DocumentKind& kind) {
    const auto remedy = fmt::format("{} has \"format\": \"{}\"", kind.name, kind.format);
    if (!document.is_object()) {
        document.fail(fmt::format("this is not {}: it is {} where {}", kind.name,
                                  describe(document.json()), remedy));
    }
    JsonObject object(document);
    object.find("$schema");
    const auto format = object.find("format");
    if (!format) document.fail(fmt::format("this is not {}: {}", kind.name, remedy));
    if (format->json() != kind.format) {
        document.fail(fmt::format("this is not {}: its format is {}; {}", kind.name,
                                  describe(format->json()), remedy));
    }
    const auto version_value = object.required("version");
    const auto version = version_value.get<std::int64_t>();
    if (version > kind.version) {
        version_value.fail(
            fmt::format("this was made by a newer skbtrail: it is {} of version {}, and skbtrail "
                        "{} reads version {}; read it with the skbtrail that made it",
                        kind.name, version, SKBTRAIL_VERSION, kind.version));
    }
    if (version != kind.version) {
        version_value.fail(
            fmt::format("there is no version {} of this format; skbtrail {} reads "
                        "version {}",
                        version, SKBTRAIL_VERSION, kind.version));
    }
    return object;
}

nlohmann::json parse_json(std::string_view text) {
    return parse_json_streamed(text, {}, {});
}

nlohmann::json parse_json_streamed(std::string_view text,
                                   std::span<const std::string_view> streamed,
                                   const ElementHandler& handle) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        throw FormatError("there is nothing in it: the text is empty");
    }
    Builder builder(text, streamed, handle);
    json::sax_parse(text, &builder);
    return builder.take();
}

std::string read_file(const std::string& path) {
    const auto close = [](std::FILE* file) { std::fclose(file); };
    const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
    std::string text;
    if (file) {
        constexpr std::size_t block_size = 256UL * 1024;
        std::vector<char> block(block_size);
        std::size_t read = block_size;
        while (read == block_size) {  // fewer: the end, or an error
            read = std::fread(block.data(), 1, block_size, file.get());
            text.append(block.data(), read);
        }
    }
    if (!file || std::ferror(file.get()) != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot read " + path);
    }
    return text;
}

}  // namespace skbtrail::chain
