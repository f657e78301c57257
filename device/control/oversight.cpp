#include "device/control/oversight.h"

#include "device/net/features.h"

namespace skbtrail::device {

Oversight::Oversight(EventLoop& loop, NetDevice& device, FaultSet& faults)
    : device_(device),
      faults_(faults),
      debugger_(
          2 * device.queue_pairs(),
          [this](const Debugger::Stop& stop) {
              if (told_) {
                  told_(stop);
              }
          },
          [this](unsigned queue) { device_.queue(queue).poke(); }),
      queue_faults_(
          faults, 2 * device.queue_pairs(), loop,
          {.poke = [this](unsigned queue) { device_.queue(queue).poke(); },
           .call_late = [this](unsigned queue) { device_.queue(queue).call_late(); },
           .in_order =
               [this] { return (device_.negotiated_features() & feature_in_order) != 0; }}) {
    changed();
}

Oversight::~Oversight() {
    device_.set_gate(nullptr);
}

void Oversight::changed() {
    queue_faults_.faults_changed();
    chain_.clear();
    const bool debugging = debugger_.active();
    const bool faulty = faults_.any(FaultPlace::queue);
    if (debugging) {
        chain_.append(debugger_);
    }
    if (faulty) {
        chain_.append(queue_faults_);
    }
    device_.set_gate(debugging || faulty ? &chain_ : nullptr);
}

}  // namespace skbtrail::device
