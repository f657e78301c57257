target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json pugixml::pugixml fmt::fmt)
find_package(pugixml REQUIRED)
