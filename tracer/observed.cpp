#include "tracer/observed.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tracer/files.h"

namespace skbtrail::tracer {

namespace {

/// Names of virtio feature bits (virtio 1.3, 5.1.3 and 6), as Linux spells them.
struct FeatureName {
    unsigned bit;
    const char* name;
};
constexpr std::array feature_names{
    FeatureName{0, "csum"},
    FeatureName{1, "guest_csum"},
    FeatureName{2, "ctrl_guest_offloads"},
    FeatureName{3, "mtu"},
    FeatureName{5, "mac"},
    FeatureName{7, "guest_tso4"},
    FeatureName{8, "guest_tso6"},
    FeatureName{9, "guest_ecn"},
    FeatureName{10, "guest_ufo"},
    FeatureName{11, "host_tso4"},
    FeatureName{12, "host_tso6"},
    FeatureName{13, "host_ecn"},
    FeatureName{14, "host_ufo"},
    FeatureName{15, "mrg_rxbuf"},
    FeatureName{16, "status"},
    FeatureName{17, "ctrl_vq"},
    FeatureName{18, "ctrl_rx"},
    FeatureName{19, "ctrl_vlan"},
    FeatureName{20, "ctrl_rx_extra"},
    FeatureName{21, "guest_announce"},
    FeatureName{22, "mq"},
    FeatureName{23, "ctrl_mac_addr"},
    FeatureName{27, "any_layout"},
    FeatureName{28, "indirect_desc"},
    FeatureName{29, "event_idx"},
    FeatureName{32, "version_1"},
    FeatureName{33, "access_platform"},
    FeatureName{34, "ring_packed"},
    FeatureName{35, "in_order"},
    FeatureName{36, "order_platform"},
    FeatureName{37, "sr_iov"},
    FeatureName{38, "notification_data"},
    FeatureName{39, "notif_config_data"},
    FeatureName{40, "ring_reset"},
    FeatureName{41, "admin_vq"},
    FeatureName{51, "device_stats"},
    FeatureName{52, "vq_notf_coal"},
    FeatureName{53, "notf_coal"},
    FeatureName{54, "guest_uso4"},
    FeatureName{55, "guest_uso6"},
    FeatureName{56, "host_uso"},
    FeatureName{57, "hash_report"},
    FeatureName{59, "guest_hdrlen"},
    FeatureName{60, "rss"},
    FeatureName{61, "rsc_ext"},
    FeatureName{62, "standby"},
    FeatureName{63, "speed_duplex"},
};

std::string hexadecimal(std::span<const std::byte> bytes) {
    std::string text;
    for (const auto byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

std::string text_of(const std::string& path) {
    const auto text = try_read_file(path);
    return text ? std::string(trim(*text)) : std::string();
}

std::uint32_t number_of(const std::string& path) {
    const auto text = text_of(path);
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::string link_name(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size() - 1);
    if (length <= 0) return {};
    const std::string_view text(target.data(), static_cast<std::size_t>(length));
    return std::string(text.substr(text.rfind('/') + 1));
}

}  // namespace

std::string build_id_in_notes(std::span<const std::byte> notes) {
    Elf64_Nhdr header{};
    const auto aligned = [](std::size_t size) { return (size + 3) / 4 * 4; };
    while (notes.size() >= sizeof header) {
        std::memcpy(&header, notes.data(), sizeof header);
        notes = notes.subspan(sizeof header);
        const auto name_size = aligned(header.n_namesz);
        const auto size = name_size + aligned(header.n_descsz);
        if (size > notes.size()) return {};
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
            std::memcmp(notes.data(), "GNU", 4) == 0) {
            return hexadecimal(notes.subspan(name_size, header.n_descsz));
        }
        notes = notes.subspan(size);
    }
    return {};
}

std::string kernel_build_id() {
    const auto notes = try_read_file("/sys/kernel/notes");
    return notes ? build_id_in_notes(std::as_bytes(std::span(*notes))) : std::string();
}

std::string own_build_id() {
    std::string id;
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto& header = info->dlpi_phdr[i];
                if (header.p_type != PT_NOTE) continue;
                // NOLINTBEGIN(performance-no-int-to-ptr): that is how ELF says where it is
                const auto* begin =
                    reinterpret_cast<const std::byte*>(info->dlpi_addr + header.p_vaddr);
                // NOLINTEND(performance-no-int-to-ptr)
                auto found = build_id_in_notes({begin, header.p_memsz});
                if (found.empty()) continue;
                *static_cast<std::string*>(result) = std::move(found);
                return 1;
            }
            return 1;  // the first object is the program itself
        },
        &id);
    return id;
}

std::string kernel_release() {
    utsname names{};
    return ::uname(&names) == 0 ? names.release : "";
}

std::string machine_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.machine : "";
}

std::vector<std::string> virtio_net_features(std::string_view bits) {
    std::vector<std::string> names;
    for (unsigned bit = 0; bit < bits.size(); ++bit) {
        if (bits[bit] != '1') continue;
        const auto known = std::find_if(feature_names.begin(), feature_names.end(),
                                        [bit](const auto& entry) { return entry.bit == bit; });
        names.push_back(known == feature_names.end() ? fmt::format("bit {}", bit) : known->name);
    }
    return names;
}

std::vector<chain::Interface> list_interfaces() {
    std::vector<chain::Interface> interfaces;
    const std::string base = "/sys/class/net";
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(base.c_str()), ::closedir);
    if (!directory) return interfaces;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] == '.') continue;
        const auto path = base + "/" + entry->d_name;
        chain::Interface interface;
        interface.name = entry->d_name;
        interface.ifindex = number_of(path + "/ifindex");
        if (interface.ifindex == 0) continue;  // not an interface: e.g. bonding_masters
        interface.mac = text_of(path + "/address");
        interface.mtu = number_of(path + "/mtu");
        interface.driver = link_name(path + "/device/driver");
        if (interface.driver == "virtio_net") {
            interface.features = virtio_net_features(text_of(path + "/device/features"));
        }
        interfaces.push_back(std::move(interface));
    }
    std::sort(interfaces.begin(), interfaces.end(),
              [](const auto& left, const auto& right) { return left.ifindex < right.ifindex; });
    return interfaces;
}

}  // namespace skbtrail::tracer
