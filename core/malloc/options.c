/* SPDX-License-Identifier: Apache-2.0
 *
 * How the program's malloc, jemalloc, is set; it reads this name when it begins. MALLOC_CONF in the
 * environment is read after it (docs/adr/0011-malloc.md says what each was measured to do).
 *
 * One arena: few threads allocate, and each has its cache. The cache takes pieces up to 64 kB, as
 * a YAML parser takes one for every manifest. What is free goes back to the system after 0.2 s, by
 * a thread of its own: neither memory nor a deploy pays for it.
 */
#include <jemalloc/jemalloc.h>

const char *malloc_conf = "narenas:1,tcache_max:65536,dirty_decay_ms:200,muzzy_decay_ms:0,"
                          "background_thread:true,max_background_threads:1";
