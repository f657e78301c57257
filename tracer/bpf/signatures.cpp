#include "tracer/bpf/signatures.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "tracer/failure.h"

namespace skbtrail::tracer {

struct KernelTypes::State {
    btf* kernel = nullptr;
    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { btf__free(kernel); }
};

namespace {

std::string_view name_of(const btf* types, const btf_type* type) {
    const char* name = btf__name_by_offset(types, type->name_off);
    return name == nullptr ? std::string_view{} : std::string_view(name);
}

/// The type behind const, volatile, typedef and the like.
const btf_type* strip(const btf* types, std::uint32_t id) {
    const btf_type* type = btf__type_by_id(types, id);
    while (type != nullptr && (btf_is_mod(type) || btf_is_typedef(type) || btf_is_type_tag(type))) {
        type = btf__type_by_id(types, type->type);
    }
    return type;
}

Parameter pointer_to(const btf* types, const btf_type* pointer) {
    const btf_type* target = strip(types, pointer->type);
    if (target == nullptr) return Parameter::other;
    if (btf_is_ptr(target)) {
        return pointer_to(types, target) == Parameter::skb ? Parameter::skb_pointer
                                                           : Parameter::other;
    }
    if (!btf_is_struct(target)) return Parameter::other;
    const auto name = name_of(types, target);
    if (name == "sk_buff") return Parameter::skb;
    if (name == "list_head") return Parameter::list;
    if (name == "napi_struct") return Parameter::napi;
    if (name == "net_device") return Parameter::device;
    if (name == "receive_queue") return Parameter::queue;
    if (name == "sock") return Parameter::sock;
    return Parameter::other;
}

Parameter classify(const btf* types, std::uint32_t id) {
    const btf_type* type = strip(types, id);
    if (type == nullptr) return Parameter::other;
    if (btf_is_ptr(type)) return pointer_to(types, type);
    if (btf_is_composite(type)) {
        if (type->size > 16) return Parameter::in_memory;
        return type->size > 8 ? Parameter::wide : Parameter::other;
    }
    if (btf_is_any_enum(type) && name_of(types, type) == "skb_drop_reason") {
        return Parameter::drop_reason;
    }
    return Parameter::other;
}

/// True when the type, or a typedef on the way to it, is called `name`.
bool is_called(const btf* types, std::uint32_t id, std::string_view name) {
    const btf_type* type = btf__type_by_id(types, id);
    while (type != nullptr && btf_is_typedef(type)) {
        if (name_of(types, type) == name) return true;
        type = btf__type_by_id(types, type->type);
    }
    return false;
}

/// Signatures of the functions with ids from `first` on. Types are classified once each.
Signatures collect(const btf* types, std::uint32_t first) {
    const auto count = btf__type_cnt(types);
    std::vector<std::int8_t> classes(count, -1);
    const auto class_of = [&](std::uint32_t id) {
        if (id >= count) return Parameter::other;
        if (classes[id] < 0) classes[id] = static_cast<std::int8_t>(classify(types, id));
        return static_cast<Parameter>(classes[id]);
    };
    Signatures signatures;
    for (std::uint32_t id = first; id < count; ++id) {
        const btf_type* function = btf__type_by_id(types, id);
        if (function == nullptr || !btf_is_func(function)) continue;
        const btf_type* prototype = btf__type_by_id(types, function->type);
        if (prototype == nullptr || !btf_is_func_proto(prototype)) continue;
        const btf_param* parameters = btf_params(prototype);
        const auto number = btf_vlen(prototype);
        bool telling = false;
        Signature signature;
        for (std::uint16_t i = 0; i < number; ++i) {
            const auto parameter = class_of(parameters[i].type);
            telling = telling || (parameter != Parameter::other && parameter != Parameter::wide &&
                                  parameter != Parameter::in_memory);
            signature.parameters.push_back(parameter);
        }
        if (!telling) continue;
        signature.transmits = is_called(types, prototype->type, "netdev_tx_t") &&
                              !signature.parameters.empty() &&
                              signature.parameters[0] == Parameter::skb;
        signatures.emplace(std::string(name_of(types, function)), std::move(signature));
    }
    return signatures;
}

/// Finds `path` ("users", "nd_net.net") in a structure, looking through unnamed members.
Member find_member(const btf* types, const btf_type* structure, std::string_view path) {
    if (structure == nullptr || !btf_is_composite(structure)) return {};
    const auto dot = path.find('.');
    const auto name = path.substr(0, dot);
    const btf_member* members = btf_members(structure);
    for (std::uint16_t i = 0; i < btf_vlen(structure); ++i) {
        const auto offset = btf_member_bit_offset(structure, i);
        const std::string_view member_name = btf__name_by_offset(types, members[i].name_off);
        Member found;
        if (member_name.empty()) {
            found = find_member(types, strip(types, members[i].type), path);
        } else if (member_name != name) {
            continue;
        } else if (dot != std::string_view::npos) {
            found = find_member(types, strip(types, members[i].type), path.substr(dot + 1));
        } else {
            found.size = btf_member_bitfield_size(structure, i);
            if (found.size == 0) {
                const auto size = btf__resolve_size(types, members[i].type);
                if (size > 0) found.size = static_cast<std::uint32_t>(std::min<long>(size, 8)) * 8;
            }
        }
        if (found.size == 0) continue;
        found.offset += offset;
        return found;
    }
    return {};
}

}  // namespace

KernelTypes::KernelTypes() : state_(std::make_unique<State>()) {
    state_->kernel = btf__load_vmlinux_btf();
    if (state_->kernel == nullptr) {
        throw Failure(fmt::format(
            "The kernel's types cannot be read from /sys/kernel/btf/vmlinux: {}. The collector "
            "needs them to find sk_buffs: use a kernel built with CONFIG_DEBUG_INFO_BTF.",
            std::strerror(errno)));
    }
}

KernelTypes::~KernelTypes() = default;

Signatures KernelTypes::kernel() const {
    return collect(state_->kernel, 1);
}

std::optional<Signatures> KernelTypes::module(const std::string& name) const {
    btf* types = btf__load_module_btf(name.c_str(), state_->kernel);
    if (types == nullptr) return std::nullopt;
    auto signatures = collect(types, btf__type_cnt(state_->kernel));
    btf__free(types);
    return signatures;
}

SkbLayout KernelTypes::skb_layout() const {
    SkbLayout layout;
    const auto structure = [this](std::string_view name) {
        const auto id =
            btf__find_by_name_kind(state_->kernel, std::string(name).c_str(), BTF_KIND_STRUCT);
        return id < 0 ? nullptr : btf__type_by_id(state_->kernel, static_cast<std::uint32_t>(id));
    };
    for (const auto& entry : layout_entries) {
        const auto member = find_member(state_->kernel, structure(entry.structure), entry.path);
        if (member.size == 0 && entry.needed) return {};
        layout.*entry.target = member;
    }
    layout.size = structure("sk_buff")->size;
    return layout;
}

std::vector<std::string> KernelTypes::drop_reasons() const {
    std::vector<std::string> names;
    const auto id = btf__find_by_name_kind(state_->kernel, "skb_drop_reason", BTF_KIND_ENUM);
    if (id < 0) return names;
    const btf_type* type = btf__type_by_id(state_->kernel, static_cast<std::uint32_t>(id));
    const struct btf_enum* values = btf_enum(type);
    for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
        // Masks of the subsystems' reasons (1 << 16 and above) are no reasons of their own.
        if (values[i].val < 0 || values[i].val > 4096) continue;
        const auto value = static_cast<std::size_t>(values[i].val);
        std::string_view name = btf__name_by_offset(state_->kernel, values[i].name_off);
        for (const std::string_view prefix : {"SKB_DROP_REASON_", "SKB_"}) {
            if (name.starts_with(prefix)) {
                name.remove_prefix(prefix.size());
                break;
            }
        }
        if (names.size() <= value) names.resize(value + 1);
        names[value] = name;
    }
    return names;
}

}  // namespace skbtrail::tracer
