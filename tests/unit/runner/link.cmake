# The exit statuses are tried on the program itself.
add_dependencies(${target} skbtrail)
find_package(pugixml REQUIRED)
target_link_libraries(${target} PRIVATE fmt::fmt pugixml::pugixml)
