target_link_libraries(${target} PRIVATE Catch2::Catch2WithMain fmt::fmt)

# Small kernels of each compiler, and a module: what the tests read.
set(compiled ${CMAKE_CURRENT_BINARY_DIR}/compiled)
file(MAKE_DIRECTORY ${compiled})
set(c_files ${CMAKE_CURRENT_LIST_DIR}/compiled.c ${CMAKE_CURRENT_LIST_DIR}/compiled_too.c)
set(optimised -O2 -g -gdwarf-5 -fno-pie)
set(linked ${optimised} -no-pie -Wl,--build-id=sha1)
file(WRITE ${compiled}/text/vmlinux "no kernel at all\n")
add_custom_command(
    OUTPUT ${compiled}/gcc/vmlinux ${compiled}/gcc/lib/test-module.ko ${compiled}/clang/vmlinux
           ${compiled}/stripped/vmlinux
    COMMAND ${CMAKE_COMMAND} -E make_directory ${compiled}/gcc/lib ${compiled}/clang
            ${compiled}/stripped
    COMMAND gcc ${linked} ${c_files} -o ${compiled}/gcc/vmlinux
    COMMAND gcc ${optimised} -c ${CMAKE_CURRENT_LIST_DIR}/compiled.c
            -o ${compiled}/gcc/lib/test-module.ko
    COMMAND ${CMAKE_C_COMPILER} ${linked} ${c_files} -o ${compiled}/clang/vmlinux
    COMMAND strip --strip-debug ${compiled}/gcc/vmlinux -o ${compiled}/stripped/vmlinux
    DEPENDS ${c_files}
    COMMENT "Compiling what the tests of debug information read"
    VERBATIM)
add_custom_target(${target}_compiled DEPENDS ${compiled}/gcc/vmlinux)
add_dependencies(${target} ${target}_compiled)
