// Several who have a say in what queues do, as one.
#pragma once

#include <vector>

#include "device/net/queue_gate.h"

namespace skbtrail::device {

/// Asks each in order. What one holds the next is not asked about; of verdicts other than "now"
/// the last one counts. Chains are withheld by one of them at most: the first whose releases()
/// names any.
class GateChain final : public QueueGate {
  public:
    void clear() { gates_.clear(); }
    /// The gate must outlive the chain, or clear() be called.
    void append(QueueGate& gate) { gates_.push_back(&gate); }

    std::size_t may_take(unsigned queue, std::size_t wanted) override {
        for (QueueGate* const gate : gates_) {
            if (wanted == 0) {
                break;
            }
            wanted = gate->may_take(queue, wanted);
        }
        return wanted;
    }
    bool may_pass(unsigned queue, const Chain& chain, std::span<const std::byte> frame) override {
        for (QueueGate* const gate : gates_) {
            if (!gate->may_pass(queue, chain, frame)) {
                return false;
            }
        }
        return true;
    }
    Completion on_complete(unsigned queue, const Chain& chain) override {
        Completion completion = Completion::now;
        for (QueueGate* const gate : gates_) {
            const Completion one = gate->on_complete(queue, chain);
            completion = one == Completion::now ? completion : one;
        }
        return completion;
    }
    void releases(unsigned queue, std::size_t kept, std::vector<std::size_t>& now) override {
        for (QueueGate* const gate : gates_) {
            if (now.empty()) {
                gate->releases(queue, kept, now);
            }
        }
    }
    CallVerdict on_call(unsigned queue, bool wanted) override {
        CallVerdict verdict = CallVerdict::now;
        for (QueueGate* const gate : gates_) {
            const CallVerdict one = gate->on_call(queue, wanted);
            verdict = one == CallVerdict::now ? verdict : one;
        }
        return verdict;
    }
    void on_kick(unsigned queue) override {
        for (QueueGate* const gate : gates_) {
            gate->on_kick(queue);
        }
    }
    void on_stopped(unsigned queue) override {
        for (QueueGate* const gate : gates_) {
            gate->on_stopped(queue);
        }
    }

  private:
    std::vector<QueueGate*> gates_;
};

}  // namespace skbtrail::device
