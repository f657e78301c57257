# The exit statuses are tried on the program itself.
add_dependencies(${target} skbtrail)
target_compile_definitions(${target} PRIVATE SKBTRAIL_PROGRAM="$<TARGET_FILE:skbtrail>"
                                             SKBTRAIL_SOURCE_DIRECTORY="${CMAKE_SOURCE_DIR}"
                                             SKBTRAIL_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
find_package(pugixml REQUIRED)
target_link_libraries(${target} PRIVATE fmt::fmt pugixml::pugixml)
