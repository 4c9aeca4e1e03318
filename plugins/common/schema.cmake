# SPDX-License-Identifier: Apache-2.0
# trellis_schema(VAR FILE): a schema is a file of its own, and a string in the library. VAR becomes the
# inside of a C string literal, on one line.
function(trellis_schema var file)
  set(path ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(READ ${path} text)
  string(REGEX REPLACE "\n *" "" text "${text}")
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${var} "${text}" PARENT_SCOPE)
endfunction()
