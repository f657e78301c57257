target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json fmt::fmt)
target_compile_definitions(${target} PRIVATE
    SKBTRAIL_SOURCE_DIR="${CMAKE_CURRENT_LIST_DIR}/../../..")
