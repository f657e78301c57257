// The circumstances: kernel, machine, interfaces.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/chain/recording.h"

namespace skbtrail::tracer {

/// The build id in ELF notes (/sys/kernel/notes has the kernel's), as hexadecimal digits; empty
/// when there is none.
std::string build_id_in_notes(std::span<const std::byte> notes);

/// The running kernel's build id. Empty when it has none.
std::string kernel_build_id();

/// This program's own build id: it names the policy that a plan was made with.
std::string own_build_id();

/// uname -r and uname -m.
std::string kernel_release();
std::string machine_name();

/// The features of a virtio network device by name, from the bits that sysfs shows: bit 0 comes
/// first. A bit without a name is "bit N".
std::vector<std::string> virtio_net_features(std::string_view bits);

/// The network interfaces of this network namespace.
std::vector<chain::Interface> list_interfaces();

}  // namespace skbtrail::tracer
