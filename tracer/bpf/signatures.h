// The signatures of a kernel's functions, from its BTF.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tracer/signature.h"
#include "tracer/skb_layout.h"

namespace skbtrail::tracer {

/// Signatures by name of the functions of the kernel's text or of one module, of those only that
/// say something: an sk_buff, a list, a device, a NAPI context.
using Signatures = std::unordered_map<std::string, Signature>;

/// The kernel's types, as /sys/kernel/btf has them.
class KernelTypes {
  public:
    /// Throws Failure when the kernel has no BTF.
    KernelTypes();
    ~KernelTypes();
    KernelTypes(const KernelTypes&) = delete;
    KernelTypes& operator=(const KernelTypes&) = delete;

    /// Functions of the kernel's own text.
    [[nodiscard]] Signatures kernel() const;

    /// Functions of one module; nothing when it has no BTF.
    [[nodiscard]] std::optional<Signatures> module(const std::string& name) const;

    /// Where the members of struct sk_buff lie. Its size is 0 when one that is needed is not there.
    [[nodiscard]] SkbLayout skb_layout() const;

    /// The names of enum skb_drop_reason by value, without SKB_DROP_REASON_.
    [[nodiscard]] std::vector<std::string> drop_reasons() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace skbtrail::tracer
