pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
target_link_libraries(${target} PRIVATE PkgConfig::LIBARCHIVE)
