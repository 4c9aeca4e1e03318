/* SPDX-License-Identifier: Apache-2.0 — cmocka with the headers it wants before it. */
#ifndef TRELLIS_TESTS_CMOCKA_ALL_H
#define TRELLIS_TESTS_CMOCKA_ALL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#endif
