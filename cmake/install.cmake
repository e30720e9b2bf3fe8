# `make install` (PREFIX, DESTDIR): the binary, the systemd unit and the manual page.
include(GNUInstallDirs)
install(TARGETS propeller-proxy RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES deploy/propeller-proxy.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
# The prefix is known when it is installed, not when it is configured; systemd reads lib, never lib64 or lib/<triplet>.
install(CODE "set(PROPELLER_UNIT \"${PROJECT_SOURCE_DIR}/deploy/propeller-proxy.service\")
set(PROPELLER_UNIT_OUT \"${PROJECT_BINARY_DIR}/install\")
set(PROPELLER_BINDIR \"${CMAKE_INSTALL_BINDIR}\")")
install(CODE [[
  file(READ "${PROPELLER_UNIT}" unit)
  cmake_path(ABSOLUTE_PATH PROPELLER_BINDIR BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}")
  string(REPLACE "ExecStart=/usr/local/bin/" "ExecStart=${PROPELLER_BINDIR}/" unit "${unit}")
  file(WRITE "${PROPELLER_UNIT_OUT}/propeller-proxy.service" "${unit}")
]])
install(FILES "${PROJECT_BINARY_DIR}/install/propeller-proxy.service" DESTINATION lib/systemd/system)
