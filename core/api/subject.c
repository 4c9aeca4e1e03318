/* SPDX-License-Identifier: Apache-2.0 */
#include "api/subject.h"

static bool strip(str *s, str prefix) {
    if (!str_starts(*s, prefix) || (s->len > prefix.len && s->ptr[prefix.len] != '.')) {
        return false;
    }
    *s = str_skip(*s, prefix.len);
    while (s->len && s->ptr[0] == '.') {
        *s = str_skip(*s, 1);
    }
    return true;
}

enum subject_fault subject_parse(str subject, str prefix, bool multitenant, struct subject *ret) {
    str rest = subject;
    *ret = (struct subject){.account = STR("_")};
    if (multitenant) {
        ret->account = str_cut(subject, '.', &rest);
    }
    if (strip(&rest, STR(SUBJECT_TRELLIS))) {
        ret->door = DOOR_TRELLIS;
    } else if (!strip(&rest, prefix)) {
        return SUBJECT_FOREIGN;
    }
    ret->lattice = str_cut(rest, '.', &rest);
    if (!rest.ptr) {
        return SUBJECT_NO_CATEGORY;
    }
    ret->category = str_cut(rest, '.', &rest);
    if (!rest.ptr) {
        return SUBJECT_NO_OPERATION;
    }
    ret->operation = str_cut(rest, '.', &rest);
    if (rest.ptr) {
        ret->name = str_cut(rest, '.', &rest);
    }
    return rest.ptr ? SUBJECT_EXTRA : SUBJECT_OK;
}

const char *subject_fault_text(enum subject_fault f) {
    switch (f) {
    case SUBJECT_NO_CATEGORY:
        return "Invalid subject: Expected to find API category";
    case SUBJECT_NO_OPERATION:
        return "Invalid subject: Expected to find operation";
    case SUBJECT_EXTRA:
        return "Invalid subject: Found extra components of subject, ensure your manifest name "
               "consists of only alphanumeric characters, dashes, and underscores.";
    case SUBJECT_FOREIGN:
        return "Invalid subject: Expected to find the prefix of an API";
    default:
        return "";
    }
}
