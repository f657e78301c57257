// Chance that can be repeated.
#pragma once

#include <cstdint>
#include <random>

namespace skbtrail::device {

/// A stream of pseudo-random numbers, of one fault. The same seed and stream give the same numbers
/// with every compiler and library: std::mt19937_64 is specified to the bit, and the standard
/// distributions, which are not, are not used.
///
/// The generator is seeded with splitmix64(seed + stream * 0x9e3779b97f4a7c15) (modulo 2^64), where
/// splitmix64 is the finaliser of Steele, Lea and Flood, so that neighbouring streams have nothing
/// in common.
class Dice {
  public:
    Dice(std::uint64_t seed, std::uint64_t stream);

    /// A probability as a threshold for the upper 53 bits of a number; `probability` is 0 to 1.
    static std::uint64_t threshold(double probability);
    /// True as often as threshold() was told. Takes one number, always.
    bool strikes(std::uint64_t threshold) { return (numbers_() >> 11) < threshold; }
    /// 0 to `bound` - 1, for bounds far below 2^64. Takes one number.
    std::uint64_t below(std::uint64_t bound);

  private:
    std::mt19937_64 numbers_;
};

}  // namespace skbtrail::device
