/* SPDX-License-Identifier: Apache-2.0 — everything a plugin may include, in one go. */
#ifndef TRELLIS_TRELLIS_H
#define TRELLIS_TRELLIS_H
#include <trellis/abi.h>
#include <trellis/helper.h>
#include <trellis/host.h>
#include <trellis/kind/driver.h>
#include <trellis/kind/extension.h>
#include <trellis/kind/policy.h>
#include <trellis/kind/scaler.h>
#include <trellis/kind/secrets.h>
#include <trellis/kind/store.h>
#include <trellis/kind/transport.h>
#include <trellis/plugin.h>
#endif
