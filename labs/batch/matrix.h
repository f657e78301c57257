// Labs times kernels, and the part of them that one machine runs.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace skbtrail::labs::batch {

/// The file of a batch's directory that names all its labs and kernels, those of other shards too.
inline constexpr std::string_view batch_file = "batch.json";

/// One lab on one kernel.
struct Cell {
    std::string lab;
    std::string kernel;  ///< as --kernel takes it

    /// "LAB-KERNEL" as the name of a folder.
    std::string folder() const;
    bool operator==(const Cell&) const = default;
};

/// What --kernel got, cut at commas; the options of a path ("PATH,modules=DIR") stay with it.
std::vector<std::string> split_kernels(const std::vector<std::string>& given);

/// Part `index` of `count`, both from 1: "2/3". Throws CannotRun on anything else.
struct Shard {
    std::size_t index = 1;
    std::size_t count = 1;
};
Shard parse_shard(const std::string& text);

/// The cells of a shard: every count-th, so that a slow lab's kernels are spread.
std::vector<Cell> part_of(const std::vector<Cell>& cells, const Shard& shard);

/// batch.json for these cells.
std::string batch_json(const std::vector<Cell>& cells);
/// Reads one. Throws chain::FormatError.
std::vector<Cell> parse_batch(std::string_view json);

}  // namespace skbtrail::labs::batch
