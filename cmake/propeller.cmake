# propeller_library(stream SRCS chunk_channel.cpp DEPS mqtt registry LIBS CURL::libcurl [PCH asio])
#
# The static library of one folder. DEPS name lower folders (the layer test reads this call), LIBS name
# outside libraries. PCH asio shares one precompiled <boost/asio.hpp>.
function(propeller_library name)
  cmake_parse_arguments(ARG "" "PCH" "SRCS;DEPS;LIBS" ${ARGN})
  add_library(propeller_${name} STATIC ${ARG_SRCS})
  target_include_directories(propeller_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPS PREPEND propeller_)
  target_link_libraries(propeller_${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS})
  target_compile_options(propeller_${name} PRIVATE ${PROPELLER_FUZZED_OPTIONS})
  if(ARG_PCH STREQUAL "asio")
    target_precompile_headers(propeller_${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/asio_pch.hpp)
  endif()
endfunction()

# propeller_test(stream SRCS chunk_channel_test.cpp DEPS stream [PCH asio] [LABELS integration])
#
# One GoogleTest binary per folder; every TEST becomes a ctest of its own. LABELS integration marks tests that
# start brokers and registries.
function(propeller_test name)
  cmake_parse_arguments(ARG "" "PCH;LABELS" "SRCS;DEPS;LIBS" ${ARGN})
  add_executable(${name}_test ${ARG_SRCS})
  list(TRANSFORM ARG_DEPS PREPEND propeller_)
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE ${ARG_DEPS} ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  if(ARG_PCH STREQUAL "asio")
    target_precompile_headers(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/cmake/asio_pch.hpp)
  endif()
  set(properties TIMEOUT 180)
  if(ARG_LABELS)
    list(APPEND properties LABELS ${ARG_LABELS})
  endif()
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES TEST_PREFIX "${name}/" PROPERTIES ${properties})
endfunction()
