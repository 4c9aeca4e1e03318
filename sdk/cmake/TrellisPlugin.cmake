# SPDX-License-Identifier: Apache-2.0
# trl_add_plugin(NAME nats SOURCES a.c b.c [LIBS ...]): a plugin library <NAME>.so that exports one
# symbol and stays mapped. Used inside the tree and, after installation, by plugin authors.
set(TRL_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/plugin.map)
function(trl_add_plugin)
  cmake_parse_arguments(P "" "NAME" "SOURCES;LIBS" ${ARGN})
  add_library(plugin_${P_NAME} MODULE ${P_SOURCES})
  set_target_properties(plugin_${P_NAME} PROPERTIES PREFIX "" OUTPUT_NAME ${P_NAME}
    C_VISIBILITY_PRESET hidden LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins
    LINK_DEPENDS ${TRL_PLUGIN_MAP})
  if(TARGET trellis_flags)
    target_link_libraries(plugin_${P_NAME} PRIVATE trellis_flags)
  else()
    target_link_libraries(plugin_${P_NAME} PRIVATE trellis::sdk)
  endif()
  target_link_libraries(plugin_${P_NAME} PRIVATE ${P_LIBS})
  target_link_options(plugin_${P_NAME} PRIVATE -Wl,--version-script=${TRL_PLUGIN_MAP}
    -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--exclude-libs,ALL)
  if(NOT (CMAKE_C_COMPILER_ID MATCHES Clang AND TRELLIS_SANITIZE))
    target_link_options(plugin_${P_NAME} PRIVATE -Wl,-z,defs)
  endif()
  install(TARGETS plugin_${P_NAME} LIBRARY DESTINATION lib/trellis/plugins)
endfunction()
