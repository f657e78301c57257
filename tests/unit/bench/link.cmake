# What sums a benchmark up, without what runs one.
target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/bench/placement.cpp
                                 ${CMAKE_SOURCE_DIR}/tests/bench/results.cpp
                                 ${CMAKE_SOURCE_DIR}/tests/bench/pictures.cpp
                                 ${CMAKE_SOURCE_DIR}/tests/bench/plot.cpp
                                 ${CMAKE_SOURCE_DIR}/tests/bench/distance.cpp
                                 ${CMAKE_SOURCE_DIR}/tests/bench/pinned.cpp)
target_link_libraries(${target} PRIVATE skbtrail_guest fmt::fmt)
