# Compiler, language level, warnings and sanitizers: what every target is built with.

# GCC 12.2 frees aggregate temporaries and by-value lambdas next to co_await twice.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR "GCC before 13 miscompiles coroutines: use clang-19 (cmake --preset release)")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(PROPELLER_CCACHE ccache)
if(PROPELLER_CCACHE)
  # The settings that let ccache keep objects built with a precompiled header, and share them between checkouts.
  set(PROPELLER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${PROPELLER_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PROPELLER_LAUNCHER})
  set(CMAKE_C_COMPILER_LAUNCHER ${PROPELLER_LAUNCHER})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options("SHELL:$<$<COMPILE_LANGUAGE:CXX>:-Xclang -fno-pch-timestamp>")
  endif()
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
                    -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror -fno-omit-frame-pointer)
# A newer library that calls something deprecated (Debian 13) is news, not an error.
add_compile_options(-Wno-error=deprecated-declarations)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-g1)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_compile_options(-fstack-protector-strong)
add_compile_definitions(_GLIBCXX_ASSERTIONS)

# Not vptr: it opens a pipe to look at memory, and takes "no more descriptors", which tests provoke, for a bad object.
set(PROPELLER_SANITIZE "" CACHE STRING "address or thread")
if(PROPELLER_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all)
  # The tests and the fuzz targets share one build. What is fuzzed has libFuzzer's counters; the tests would compile
  # half as fast with them.
  set(PROPELLER_FUZZED_OPTIONS -fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=address,undefined)
elseif(PROPELLER_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()
