/* SPDX-License-Identifier: Apache-2.0 */
#include "hostwire/wire.h"

#include <string.h>

#include "base/mem.h"
#include "base/utc.h"
#include "codec/json.h"

void wire_time(int64_t wall_ns, char ret[WIRE_TIME]) {
    int64_t ns = wall_ns % 1000000000;
    utc_text(wall_ns / 1000000000, ret);
    char *at = ret + UTC_TEXT - 1;
    at[0] = '.';
    for (int i = 9; i > 0; i--, ns /= 10) {
        at[i] = (char)('0' + ns % 10);
    }
    memcpy(at + 10, "Z", 2);
}

void wire_event(struct buf *out, const char *event, str source, const char *id, int64_t wall_ns,
                str data) {
    struct jw w;
    struct buf type = BUF_INIT;
    char time[WIRE_TIME];
    wire_time(wall_ns, time);
    buf_add_str(&type, STR("com.wasmcloud.lattice."));
    buf_add_str(&type, str_c(event));
    buf_room(out, data.len + 400);
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "specversion", STR("1.0"));
    jw_kv(&w, "id", str_c(id));
    jw_kv(&w, "type", buf_str(&type));
    buf_finish(&type);
    jw_kv(&w, "source", source);
    jw_kv(&w, "datacontenttype", STR("application/json"));
    jw_kv(&w, "time", str_c(time));
    jw_key(&w, "data");
    jw_raw(&w, data);
    jw_end_object(&w);
}

void wire_reply(struct buf *out, bool success, str message, str response) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv_bool(&w, "success", success);
    jw_kv(&w, "message", message);
    if (response.ptr) {
        jw_key(&w, "response");
        jw_raw(&w, response);
    }
    jw_end_object(&w);
}

void wire_uptime(uint64_t seconds, struct buf *out) {
    static const struct {
        uint64_t s;
        const char *one, *many;
    } units[] = {{31557600, "year", "years"},
                 {2630016, "month", "months"},
                 {86400, "day", "days"},
                 {3600, "h", "h"},
                 {60, "m", "m"},
                 {1, "s", "s"}};
    const char *gap = "";
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t n = seconds / units[i].s;
        seconds %= units[i].s;
        if (n) {
            buf_addf(out, "%s%llu%s", gap, (unsigned long long)n,
                     n == 1 ? units[i].one : units[i].many);
            gap = " ";
        }
    }
    if (!*gap) {
        buf_addf(out, "0s");
    }
}

bool wire_key_ok(str key) {
    if (key.len == 0 || key.ptr[0] == '.' || key.ptr[key.len - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !(c && strchr("-/_=.", c))) {
            return false;
        }
    }
    return true;
}

str wire_provider_image(str image) {
    static const char *const schemes[] = {"file://", "oci://", "https://", "http://",
                                          "wasmcloud+builtin://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (str_starts(image, str_c(schemes[i]))) {
            return str_skip(image, strlen(schemes[i]));
        }
    }
    return image;
}
