// Faults at work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/faults/dice.h"
#include "device/faults/fault_spec.h"
#include "device/result.h"

namespace skbtrail::device {

/// One fault that is on, its chance and its counts.
class Fault {
  public:
    Fault(FaultSpec spec, unsigned number, std::uint64_t seed);

    const FaultSpec& spec() const noexcept { return spec_; }
    /// Its name for commands, and its stream of the dice.
    unsigned number() const noexcept { return number_; }

    /// Whether this time is one. Each opportunity must ask exactly once.
    bool strikes();
    Dice& dice() noexcept { return dice_; }
    /// The time of the specification, with this occasion's jitter.
    std::chrono::nanoseconds time();

    std::uint64_t opportunities() const noexcept { return seen_; }
    std::uint64_t struck() const noexcept { return struck_; }
    /// It struck, and could not be done: there was no room to keep something, or nothing to break.
    void could_not() noexcept { ++could_not_; }
    std::uint64_t without_effect() const noexcept { return could_not_; }

  private:
    FaultSpec spec_;
    unsigned number_;
    std::uint64_t threshold_;
    Dice dice_;
    std::uint64_t seen_ = 0;
    std::uint64_t struck_ = 0;
    std::uint64_t could_not_ = 0;
};

/// All faults that are on. Whoever does them looks here each time.
class FaultSet {
  public:
    static constexpr std::size_t most = 64;

    explicit FaultSet(std::uint64_t seed) : seed_(seed) {}

    /// Its number: they are counted from 1, in the order of being added. Fails when there are too
    /// many.
    Result<unsigned> add(FaultSpec spec);
    bool remove(unsigned number);
    void clear();

    const std::vector<std::unique_ptr<Fault>>& all() const noexcept { return faults_; }
    bool any(FaultPlace place) const;
    std::uint64_t seed() const noexcept { return seed_; }

  private:
    std::uint64_t seed_;
    unsigned next_ = 1;
    std::vector<std::unique_ptr<Fault>> faults_;
};

}  // namespace skbtrail::device
