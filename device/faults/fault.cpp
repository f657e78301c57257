#include "device/faults/fault.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace skbtrail::device {

Fault::Fault(FaultSpec spec, unsigned number, std::uint64_t seed)
    : spec_(std::move(spec)),
      number_(number),
      threshold_(Dice::threshold(spec_.probability)),
      dice_(seed, number) {}

bool Fault::strikes() {
    ++seen_;
    if (seen_ <= spec_.skip || (spec_.count != 0 && struck_ >= spec_.count)) {
        return false;
    }
    const bool now =
        spec_.every != 0 ? (seen_ - spec_.skip) % spec_.every == 0 : dice_.strikes(threshold_);
    struck_ += now ? 1 : 0;
    return now;
}

std::chrono::nanoseconds Fault::time() {
    if (spec_.jitter.count() == 0) {
        return spec_.time;
    }
    const auto more = dice_.below(static_cast<std::uint64_t>(spec_.jitter.count()) + 1);
    return spec_.time + std::chrono::nanoseconds(static_cast<std::int64_t>(more));
}

Result<unsigned> FaultSet::add(FaultSpec spec) {
    if (faults_.size() == most) {
        return failure(fmt::format("{} faults at a time are the most; remove one", most));
    }
    faults_.push_back(std::make_unique<Fault>(std::move(spec), next_, seed_));
    return next_++;
}

bool FaultSet::remove(unsigned number) {
    return std::erase_if(faults_,
                         [number](const auto& fault) { return fault->number() == number; }) > 0;
}

void FaultSet::clear() {
    faults_.clear();
}

bool FaultSet::any(FaultPlace place) const {
    return std::any_of(faults_.begin(), faults_.end(), [place](const auto& fault) {
        return place_of(fault->spec().kind) == place;
    });
}

}  // namespace skbtrail::device
