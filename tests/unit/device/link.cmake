# Frames are made and read back with the libraries that the wires use themselves.
find_package(PkgConfig REQUIRED)
pkg_check_modules(TINS REQUIRED IMPORTED_TARGET libtins)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
find_package(nlohmann_json REQUIRED)
target_link_libraries(${target} PRIVATE PkgConfig::TINS PkgConfig::PCAP nlohmann_json::nlohmann_json)
# The program is tried as others start it.
add_dependencies(${target} skbtrail-nic)
# Tests make accepting fail: no_descriptors.h.
target_link_options(${target} PRIVATE -Wl,--wrap=accept4)
