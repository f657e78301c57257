# What the wires and the capture stand on: libslirp (nat), libtins (script), libpcap (capture).
pkg_check_modules(SLIRP REQUIRED IMPORTED_TARGET slirp)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0)
pkg_check_modules(TINS REQUIRED IMPORTED_TARGET libtins)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
target_link_libraries(skbtrail_device PRIVATE
    PkgConfig::SLIRP PkgConfig::GLIB PkgConfig::TINS PkgConfig::PCAP)
