#include "labs/batch/matrix.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "labs/runner/failure.h"
#include "tracer/chain/json_reader.h"
#include "tracer/chain/text.h"

namespace skbtrail::labs::batch {
namespace {

constexpr chain::DocumentKind batch_kind{"skbtrail-batch", 1, "a batch's list of labs"};

}  // namespace

std::string Cell::folder() const {
    // Of a path its last parts are enough to tell builds apart, and no name may lead elsewhere.
    std::string name;
    for (const char letter : kernel) {
        const bool plain = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '.' ||
                           letter == '+' || letter == '-' || letter == '_';
        name += plain ? letter : '_';
    }
    constexpr std::size_t longest = 80;
    if (name.size() > longest) name.erase(0, name.size() - longest);
    while (!name.empty() && name.front() == '.') name.erase(0, 1);
    return name.empty() ? lab : fmt::format("{}-{}", lab, name);
}

std::vector<std::string> split_kernels(const std::vector<std::string>& given) {
    std::vector<std::string> kernels;
    for (const std::string& text : given) {
        std::istringstream parts(text);
        bool first = true;
        for (std::string part; std::getline(parts, part, ',');) {
            if (!first && part.find('=') != std::string::npos) {
                kernels.back() += "," + part;
            } else if (!part.empty()) {
                kernels.push_back(part);
                first = false;
            }
        }
    }
    return kernels;
}

Shard parse_shard(const std::string& text) {
    const auto slash = std::min(text.find('/'), text.size());
    const auto index = chain::whole_number<std::size_t>(text.substr(0, slash));
    const auto count =
        chain::whole_number<std::size_t>(text.substr(std::min(slash + 1, text.size())));
    if (!index || !count || *index == 0 || *index > *count) {
        throw CannotRun(fmt::format(
            "--shard {} is not a part of a whole: it is i/n, the i-th of n parts, from 1/n to n/n",
            text));
    }
    return {*index, *count};
}

std::vector<Cell> part_of(const std::vector<Cell>& cells, const Shard& shard) {
    std::vector<Cell> part;
    for (std::size_t i = shard.index - 1; i < cells.size(); i += shard.count) {
        part.push_back(cells[i]);
    }
    return part;
}

std::string batch_json(const std::vector<Cell>& cells) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Cell& cell : cells) list.push_back({{"lab", cell.lab}, {"kernel", cell.kernel}});
    const nlohmann::ordered_json object = {
        {"format", batch_kind.format}, {"version", batch_kind.version}, {"runs", list}};
    return object.dump(2) + "\n";
}

std::vector<Cell> parse_batch(std::string_view text) {
    const nlohmann::json document = chain::parse_json(text);
    const chain::JsonValue value(document);
    chain::JsonObject object = chain::open_document(value, batch_kind);
    auto cells = chain::read_array(object.required("runs"), [](const chain::JsonValue& run) {
        Cell cell;
        chain::JsonObject members(run);
        members.required("lab", cell.lab);
        members.required("kernel", cell.kernel);
        members.finish();
        return cell;
    });
    object.finish();
    return cells;
}

}  // namespace skbtrail::labs::batch
