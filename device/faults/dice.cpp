#include "device/faults/dice.h"

namespace skbtrail::device {

namespace {

std::uint64_t splitmix64(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

}  // namespace

Dice::Dice(std::uint64_t seed, std::uint64_t stream)
    : numbers_(splitmix64(seed + stream * 0x9e3779b97f4a7c15)) {}

std::uint64_t Dice::threshold(double probability) {
    return static_cast<std::uint64_t>(probability * 0x1p53);
}

std::uint64_t Dice::below(std::uint64_t bound) {
    // The upper half of a product of 128 bits: without a division, and even enough.
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(numbers_()) * bound) >> 64);
}

}  // namespace skbtrail::device
