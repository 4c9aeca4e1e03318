/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/image.h"

#include <string.h>

#define BUILTIN "wasmcloud+builtin://"
#define FILE_   "file://"

bool sim_image_builtin(str ref) {
    return str_starts(ref, STR(BUILTIN));
}

static str without(str ref, str prefix) {
    return str_starts(ref, prefix) ? str_skip(ref, prefix.len) : ref;
}

static str oci_of(str ref) {
    str s = without(ref, STR("oci://"));
    s = s.len == ref.len ? without(s, STR("https://")) : s;
    return s.len == ref.len ? without(s, STR("http://")) : s;
}

str sim_image_normal(str ref) {
    str s = without(ref, STR(BUILTIN));
    s = s.len == ref.len ? without(s, STR(FILE_)) : s;
    return s.len == ref.len ? oci_of(s) : s;
}

static bool oci_chars(str s) {
    static const char more[] = "._-/:@";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !(c && strchr(more, c))) {
            return false;
        }
    }
    return true;
}

static bool latest(str s) {
    return str_ends(s, STR(":latest"));
}

bool sim_image_parses(str ref) {
    return ref.len && (str_starts(ref, STR(FILE_)) || oci_chars(oci_of(ref)));
}

static bool oci_ok(const char *what, str ref, bool allow_latest, struct buf *why) {
    str oci = oci_of(ref);
    if (oci.len && (!latest(oci) || allow_latest)) {
        return true;
    }
    buf_addf(why,
             "failed to fetch %s: failed to fetch %s under OCI reference `%.*s`: failed to fetch "
             "OCI path: ",
             what, what, PSTR(oci));
    buf_addf(
        why, "%s",
        oci.len
            ? "fetching images tagged 'latest' is currently prohibited in this host. This option "
              "can be overridden with WASMCLOUD_OCI_ALLOW_LATEST"
            : "repository name must have at least one component");
    return false;
}

static bool builtin_ok(enum sim_image_kind kind, str name, struct buf *why) {
    if (kind == SIM_IMAGE_COMPONENT) {
        buf_addf(why, "failed to fetch component: nothing to fetch for a builtin");
        return false;
    }
    if (!str_is(name, "http-server") && !str_is(name, "messaging-nats") &&
        !str_is(name, "http-client")) {
        buf_addf(why, "unknown builtin name: %.*s", PSTR(name));
        return false;
    }
    return true;
}

bool sim_image_ok(enum sim_image_kind kind, str ref, bool allow_latest, struct buf *why) {
    const char *what = kind == SIM_IMAGE_COMPONENT ? "component" : "provider";
    if (sim_image_builtin(ref)) {
        return builtin_ok(kind, str_skip(ref, strlen(BUILTIN)), why);
    }
    if (str_starts(ref, STR(FILE_))) {
        if (ref.len > strlen(FILE_) && ref.ptr[strlen(FILE_)] == '/') {
            return true;
        }
        buf_addf(why, "failed to fetch %s: failed to convert `%.*s/` to a file path", what,
                 PSTR(ref));
        return false;
    }
    if (!oci_chars(oci_of(ref))) {
        buf_addf(why, "%sfailed to parse reference as OCI reference: invalid domain character",
                 kind == SIM_IMAGE_COMPONENT ? "failed to fetch component: "
                                             : "failed to parse provider reference: ");
        return false;
    }
    return oci_ok(what, ref, allow_latest, why);
}

bool sim_glob(str p, str s) {
    size_t i = 0, k = 0, star = SIZE_MAX, from = 0;
    while (k < s.len) {
        if (i < p.len && p.ptr[i] == '*') {
            star = i++;
            from = k;
        } else if (i < p.len && p.ptr[i] == s.ptr[k]) {
            i++;
            k++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            k = ++from;
        } else {
            return false;
        }
    }
    while (i < p.len && p.ptr[i] == '*') {
        i++;
    }
    return i == p.len;
}
