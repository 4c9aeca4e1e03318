/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes over the wire, letter by letter, what answers mean, and which configurations are
 * taken.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "answer.h"
#include "encode.h"
#include "gzip.h"

#define S(lit) trl_strn("" lit, sizeof(lit) - 1)

/* What stands around the records. */
static const char *const heads[N_SIGNALS] = {
    [TRACES] = "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"scope\":{\"name\":"
               "\"trellis\"},\"spans\":[",
    [METRICS] = "{\"resourceMetrics\":[{\"resource\":{},\"scopeMetrics\":[{\"scope\":{\"name\":"
                "\"trellis\"},\"metrics\":[",
    [LOGS] = "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":{\"name\":"
             "\"trellis\"},\"logRecords\":[",
    [EVENTS] = "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":{\"name\":"
               "\"trellis\"},\"logRecords\":[",
};

static void says(struct encoder *e, enum signal s, const char *records) {
    size_t len, n = strlen(heads[s]);
    char *text = encode_end(e, &len);
    assert_int_equal(strlen(text), len);
    assert_true(len > n + 6);
    assert_memory_equal(text, heads[s], n);
    assert_string_equal(text + len - 6, "]}]}]}");
    text[len - 6] = '\0';
    assert_string_equal(text + n, records);
    free(text);
}

static void begin(struct encoder *e, enum signal s) {
    memset(e, 0, sizeof(*e));
    encode_begin(e, s, S("{}"));
}

static void a_span_in_full_and_bare(void **state) {
    const trl_label attributes[] = {{S("app"), S("shop")}, {S("peer.name"), S("N\"1")}};
    const trl_span full = {.struct_size = sizeof(full),
                           .kind = TRL_SPAN_CLIENT,
                           .trace_id = {0x5b, 0x8e, [15] = 0xff},
                           .span_id = {0xee, [7] = 0x01},
                           .parent_id = {[7] = 0x0a},
                           .start_wall_ns = 1544712660000000001,
                           .end_wall_ns = INT64_MAX,
                           .name = S("scale"),
                           .attributes = attributes,
                           .n_attributes = 2,
                           .outcome = TRL_SPAN_ERROR,
                           .text = S("no\nanswer")};
    const trl_span bare = {.struct_size = sizeof(bare),
                           .kind = 77,
                           .trace_id = {1},
                           .span_id = {2},
                           .start_wall_ns = -5,
                           .outcome = 99};
    struct encoder e;
    (void)state;
    begin(&e, TRACES);
    encode_span(&e, &full);
    encode_span(&e, &bare);
    assert_int_equal(e.n, 2);
    says(&e, TRACES,
         "{\"traceId\":\"5b8e00000000000000000000000000ff\",\"spanId\":\"ee00000000000001\","
         "\"parentSpanId\":\"000000000000000a\",\"name\":\"scale\",\"kind\":3,"
         "\"startTimeUnixNano\":\"1544712660000000001\",\"endTimeUnixNano\":"
         "\"9223372036854775807\",\"attributes\":[{\"key\":\"trellis.app\",\"value\":"
         "{\"stringValue\":\"shop\"}},{\"key\":\"peer.name\",\"value\":{\"stringValue\":"
         "\"N\\\"1\"}}],\"status\":{\"code\":2,\"message\":\"no\\nanswer\"}},"
         "{\"traceId\":\"01000000000000000000000000000000\",\"spanId\":\"0200000000000000\","
         "\"name\":\"\",\"kind\":1,\"startTimeUnixNano\":\"0\",\"endTimeUnixNano\":\"0\","
         "\"status\":{\"code\":0}}");
}

static void a_log_record(void **state) {
    const trl_log_record rows[] = {
        {.level = TRL_LOG_WARN,
         .wall_ns = 7000000000,
         .msg = S("disk \xff is \xc3\xa4"),
         .fields_json = S("{\"n\":-5,\"x\":0.5,\"yes\":true,\"no\":null,\"l\":[1,\"a\"],\"o\":"
                          "{\"k\":\"v\"},\"big\":9223372036854775807,"
                          "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
                          "\"span_id\":\"b7ad6b7169203331\"}")},
        {.level = 99, .msg = S("x"), .fields_json = S("{\"trace_id\":\"0AF\",\"broken\"")},
        {.level = -1, .msg = {NULL, 0}, .fields_json = S("{\"span_id\":\"0000000000000000\"}")},
    };
    struct encoder e;
    (void)state;
    begin(&e, LOGS);
    for (size_t i = 0; i < 3; i++) {
        encode_log(&e, &rows[i]);
    }
    says(&e, LOGS,
         "{\"timeUnixNano\":\"7000000000\",\"observedTimeUnixNano\":\"7000000000\","
         "\"severityNumber\":13,\"severityText\":\"WARN\",\"body\":{\"stringValue\":"
         "\"disk \xef\xbf\xbd is \xc3\xa4\"},\"attributes\":["
         "{\"key\":\"trellis.n\",\"value\":{\"intValue\":\"-5\"}},"
         "{\"key\":\"trellis.x\",\"value\":{\"doubleValue\":0.5}},"
         "{\"key\":\"trellis.yes\",\"value\":{\"boolValue\":true}},"
         "{\"key\":\"trellis.no\",\"value\":{}},"
         "{\"key\":\"trellis.l\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},"
         "{\"stringValue\":\"a\"}]}}},"
         "{\"key\":\"trellis.o\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":"
         "{\"stringValue\":\"v\"}}]}}},"
         "{\"key\":\"trellis.big\",\"value\":{\"intValue\":\"9223372036854775807\"}}],"
         "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\"},"
         "{\"timeUnixNano\":\"0\",\"observedTimeUnixNano\":\"0\",\"severityNumber\":5,"
         "\"severityText\":\"DEBUG\",\"body\":{\"stringValue\":\"x\"}},"
         "{\"timeUnixNano\":\"0\",\"observedTimeUnixNano\":\"0\",\"severityNumber\":17,"
         "\"severityText\":\"ERROR\",\"body\":{\"stringValue\":\"\"},\"attributes\":[]}");
}

static void an_event(void **state) {
    const trl_event told = {.wall_ms = 1700000000123,
                            .lattice = S("default"),
                            .app = S("shop"),
                            .kind = S("status_changed"),
                            .json = S("{\"time\":\"2026\",\"kind\":\"status_changed\",\"lattice\":"
                                      "\"default\",\"app\":\"shop\",\"message\":\"2 of 2\"}")};
    const trl_event odd = {.wall_ms = 1,
                           .lattice = S("l"),
                           .app = {NULL, 0},
                           .kind = S("x"),
                           .json = S("{\"n\":18446744073709551616}")};
    struct encoder e;
    (void)state;
    begin(&e, EVENTS);
    encode_event(&e, &told);
    encode_event(&e, &odd);
    says(&e, EVENTS,
         "{\"timeUnixNano\":\"1700000000123000000\",\"observedTimeUnixNano\":"
         "\"1700000000123000000\",\"severityNumber\":9,\"severityText\":\"INFO\","
         "\"eventName\":\"trellis.status_changed\",\"body\":{\"stringValue\":"
         "\"status_changed shop: 2 of 2\"},\"attributes\":["
         "{\"key\":\"trellis.lattice\",\"value\":{\"stringValue\":\"default\"}},"
         "{\"key\":\"trellis.app\",\"value\":{\"stringValue\":\"shop\"}},"
         "{\"key\":\"trellis.message\",\"value\":{\"stringValue\":\"2 of 2\"}}]},"
         "{\"timeUnixNano\":\"1000000\",\"observedTimeUnixNano\":\"1000000\","
         "\"severityNumber\":9,\"severityText\":\"INFO\",\"eventName\":\"trellis.x\","
         "\"body\":{\"stringValue\":\"{\\\"n\\\":18446744073709551616}\"},\"attributes\":["
         "{\"key\":\"trellis.lattice\",\"value\":{\"stringValue\":\"l\"}},"
         "{\"key\":\"trellis.app\",\"value\":{\"stringValue\":\"\"}}]}");
}

static void metrics_of_every_type(void **state) {
    static const double bounds[] = {0.1, 1};
    static const uint64_t counts[] = {1, 4};
    const trl_label a = {S("lattice"), S("a")}, b = {S("lattice"), S("b")};
    const trl_metric rows[] = {
        {.type = TRL_METRIC_COUNTER,
         .name = S("c"),
         .help = S("h"),
         .labels = &a,
         .n_labels = 1,
         .value = 3},
        {.type = TRL_METRIC_COUNTER,
         .name = S("c"),
         .help = S("h"),
         .labels = &b,
         .n_labels = 1,
         .value = 1e300},
        {.type = 99, .name = S("of_the_future")},
        {.type = TRL_METRIC_GAUGE, .name = S("g_bytes"), .value = 0.1},
        {.type = TRL_METRIC_HISTOGRAM,
         .name = S("t_seconds"),
         .value = 4.5,
         .count = 6,
         .n_buckets = 2,
         .bounds = bounds,
         .counts = counts},
        {.type = TRL_METRIC_GAUGE, .name = S("n"), .value = NAN},
    };
    struct encoder e;
    (void)state;
    begin(&e, METRICS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        encode_metric(&e, &rows[i], 5, 9);
    }
    assert_int_equal(e.n, 5);
    says(&e, METRICS,
         "{\"name\":\"c\",\"description\":\"h\",\"sum\":{\"dataPoints\":[{\"attributes\":[{\"key\":"
         "\"trellis.lattice\",\"value\":{\"stringValue\":\"a\"}}],\"startTimeUnixNano\":\"5\","
         "\"timeUnixNano\":\"9\",\"asDouble\":3},{\"attributes\":[{\"key\":\"trellis.lattice\","
         "\"value\":{\"stringValue\":\"b\"}}],\"startTimeUnixNano\":\"5\",\"timeUnixNano\":\"9\","
         "\"asDouble\":1e+300}],\"aggregationTemporality\":2,\"isMonotonic\":true}},"
         "{\"name\":\"g_bytes\",\"description\":\"\",\"unit\":\"By\",\"gauge\":{\"dataPoints\":[{"
         "\"timeUnixNano\":\"9\",\"asDouble\":0.1}]}},"
         "{\"name\":\"t_seconds\",\"description\":\"\",\"unit\":\"s\",\"histogram\":{"
         "\"dataPoints\":[{\"startTimeUnixNano\":\"5\",\"timeUnixNano\":\"9\",\"count\":\"6\","
         "\"sum\":4.5,\"bucketCounts\":[\"1\",\"3\",\"2\"],\"explicitBounds\":[0.1,1]}],"
         "\"aggregationTemporality\":2}},"
         "{\"name\":\"n\",\"description\":\"\",\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"9\","
         "\"asDouble\":\"NaN\"}]}}");
}

static void nothing_is_left_of_what_is_dropped(void **state) {
    const trl_metric m = {.type = TRL_METRIC_GAUGE, .name = S("g")};
    struct encoder e;
    (void)state;
    begin(&e, METRICS);
    encode_metric(&e, &m, 0, 0);
    encode_drop(&e);
    assert_null(e.w.text);
    assert_null(e.open);
}

static void resources_are_replaced(void **state) {
    static const char own[] = "{\"service.name\":\"trellis\",\"process.pid\":5}";
    char *text = encode_resource(own, "{\"service.name\":\"mine\",\"rack\":1.5}");
    (void)state;
    assert_string_equal(text, "{\"attributes\":[{\"key\":\"process.pid\",\"value\":"
                              "{\"intValue\":\"5\"}},{\"key\":\"service.name\",\"value\":"
                              "{\"stringValue\":\"mine\"}},{\"key\":\"rack\",\"value\":"
                              "{\"doubleValue\":1.5}}]}");
    free(text);
}

static void values_nested_without_end(void **state) {
    char text[200];
    struct jwrite w = {0};
    struct jtree t = {0};
    (void)state;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    const struct jnode *deep = jtree_parse(&t, text, 200);
    assert_non_null(deep);
    value_any(&w, deep);
    jtree_finish(&t);
    char *got = jwrite_take(&w);
    json_t *j = json_loads(got, 0, NULL);
    assert_non_null(j);
    assert_non_null(strstr(got, "{\"stringValue\":\"(nested too deeply)\"}"));
    json_decref(j);
    free(got);
}

/* Answers */

static void what_answers_mean(void **state) {
    static const struct {
        trl_status st;
        long status;
        const char *body;
        enum meaning meaning;
        uint64_t rejected;
        const char *says;
    } rows[] = {
        {TRL_OK, 200, "{}", TAKEN, 0, ""},
        {TRL_OK, 202, "", TAKEN, 0, ""},
        {TRL_OK, 200, "{\"partialSuccess\":{}}", TAKEN, 0, ""},
        {TRL_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", TAKEN, 3, "take 3"},
        {TRL_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":4}}", TAKEN, 4, "take 4"},
        {TRL_OK, 200, "{\"partialSuccess\":{\"rejectedDataPoints\":4}}", TAKEN, 0, ""},
        {TRL_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":-4}}", TAKEN, 0, ""},
        {TRL_OK, 200, "{\"partialSuccess\":{\"rejectedSpans\":\"-4\"}}", TAKEN, 0, ""},
        {TRL_OK, 200, "{\"partialSuccess\":{\"errorMessage\":\"slow\\u0007ly\"}}", TAKEN, 0,
         "slow ly"},
        {TRL_OK, 200, "<html>", TAKEN, 0, ""},
        {TRL_E_INTERNAL, 200, "", TAKEN, 0, "too long"},
        {TRL_E_TIMEOUT, 0, "", RETRY, 0, "too long"},
        {TRL_E_UNAVAIL, 0, "", RETRY, 0, "too long"},
        {TRL_E_DENIED, 0, "", RETRY, 0, "too long"},
        {TRL_E_TIMEOUT, 500, "", RETRY, 0, "too long"},
        {TRL_OK, 429, "", RETRY, 0, "/v1/traces answers 429"},
        {TRL_OK, 502, "", RETRY, 0, "502"},
        {TRL_OK, 503, "", RETRY, 0, "503"},
        {TRL_OK, 504, "", RETRY, 0, "504"},
        {TRL_OK, 500, "", REFUSED, 0, "500"},
        {TRL_OK, 501, "", REFUSED, 0, "501"},
        {TRL_OK, 505, "", REFUSED, 0, "505"},
        {TRL_OK, 400, "", REFUSED, 0, "JSON"},
        {TRL_OK, 401, "", REFUSED, 0, "token_file"},
        {TRL_OK, 404, "", REFUSED, 0, "endpoint"},
        {TRL_OK, 413, "", REFUSED, 0, "batch_max"},
        {TRL_OK, 308, "", REFUSED, 0, "elsewhere"},
    };
    struct conf c = {.endpoint = (char[]){"http://h"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_answer a = {.st = rows[i].st,
                                .why = "too long",
                                .status = rows[i].status,
                                .retry_after_ms = 7,
                                .body = rows[i].body,
                                .len = strlen(rows[i].body)};
        struct verdict v;
        answer_judge(&c, TRACES, &a, &v);
        if (v.meaning != rows[i].meaning || v.rejected != rows[i].rejected ||
            (rows[i].says[0] ? !strstr(v.text, rows[i].says) : v.text[0])) {
            fail_msg("row %zu: meaning %d, rejected %llu, '%s'", i, (int)v.meaning,
                     (unsigned long long)v.rejected, v.text);
        }
        assert_int_equal(v.retry_after_ms, 7);
        assert_true(v.meaning == TAKEN || v.code != 0);
    }
}

/* Configuration */

static void configurations(void **state) {
    static const struct {
        const char *text, *says; /* NULL: taken */
    } rows[] = {
        {"{}", NULL},
        {"{\"endpoint\":\"https://[::1]:4318/otlp//\",\"tls\":{\"ca\":\"/ca\"}}", NULL},
        {"{\"endpoint\":\"http://\"}", "cannot be understood"},
        {"{\"endpoint\":\"grpc://h:4317\"}", "4318"},
        {"{\"endpoint\":\"http://h/v1/logs/\"}", "leave out /v1/logs"},
        {"{\"endpoint\":\"http://h/?a=b\"}", "query"},
        {"{\"endpoint\":\"http://u@h/\"}", "no user"},
        {"{\"tls\":{\"cert\":\"/c\"}}", "without key"},
        {"{\"tls\":{\"key\":\"/c\"}}", "without cert"},
        {"{\"tls\":{\"ca\":\"/c\"}}", "no TLS"},
        {"{\"headers\":[{\"name\":\"a\",\"value\":\"x\"},{\"name\":\"b\",\"file\":\"/f\"}]}", NULL},
        {"{\"headers\":[{\"name\":\"a\",\"value\":\"x\"},{\"name\":\"b:\",\"file\":\"/f\"}]}",
         "headers[1].name"},
        {"{\"headers\":[{\"name\":\"a\",\"value\":\"x\\r\\ny: z\"}]}", "one line"},
        {"{\"headers\":[{\"name\":\"a\",\"value\":\"x\",\"file\":\"/f\"}]}", "leave one out"},
        {"{\"headers\":[{\"name\":\"Content-Length\",\"value\":\"1\"}]}", "cannot be set"},
        {"{\"token_file\":\"/t\",\"headers\":[{\"name\":\"Authorization\",\"value\":\"x\"}]}",
         "token_file"},
        {"{\"resource\":{\"a\":\"b\",\"c\":1,\"d\":true}}", NULL},
        {"{\"resource\":{\"a\":null}}", "resource: a"},
        {"{\"resource\":{\"\":1}}", "resource"},
        {"{\"retry_ms\":10,\"retry_max_ms\":9}", "retry_ms"},
        {"[]", "no JSON object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trl_err err = {.struct_size = sizeof(err)};
        struct conf c;
        trl_status st = conf_parse(trl_cstr(rows[i].text), &c, &err);
        err.msg[err.msg_len] = '\0';
        if (rows[i].says ? st != TRL_E_INVALID || !strstr(err.msg, rows[i].says) : st != TRL_OK) {
            fail_msg("%s: %d '%s'", rows[i].text, (int)st, err.msg);
        }
        conf_finish(&c);
    }
}

static void what_a_configuration_says(void **state) {
    struct conf c;
    (void)state;
    assert_int_equal(conf_parse(S("{\"endpoint\":\"http://h:1/x//\",\"signals\":[\"logs\"],"
                                  "\"compression\":\"gzip\",\"token_file\":\"/t\",\"headers\":"
                                  "[{\"name\":\"K\",\"file\":\"/f\"}]}"),
                                &c, NULL),
                     TRL_OK);
    assert_string_equal(c.endpoint, "http://h:1/x");
    assert_int_equal(c.signals, 1u << LOGS);
    assert_int_equal(c.gzip, 1);
    assert_int_equal(c.n_headers, 2);
    assert_string_equal(c.headers[0].before, "K: ");
    assert_string_equal(c.headers[1].before, "Authorization: Bearer ");
    assert_string_equal(c.headers[1].file, "/t");
    conf_finish(&c);
    assert_int_equal(conf_parse(S("{}"), &c, NULL), TRL_OK);
    assert_string_equal(c.endpoint, "http://127.0.0.1:4318");
    assert_int_equal(c.signals, 15);
    assert_int_equal(c.interval_ms, 15000);
    assert_int_equal(c.batch_max, 512);
    conf_finish(&c);
}

static void a_body_compressed(void **state) {
    struct http_req r = {.body = malloc(100000), .body_len = 100000};
    char *back = malloc(100001);
    z_stream z = {0};
    (void)state;
    memset(r.body, 'x', r.body_len);
    gzip_body(&r);
    assert_string_equal(r.encoding, "gzip");
    assert_true(r.body_len < 1000);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)r.body;
    z.avail_in = (uInt)r.body_len;
    z.next_out = (Bytef *)back;
    z.avail_out = 100001;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, 100000);
    assert_int_equal(back[99999], 'x');
    inflateEnd(&z);
    free(back);
    free(r.body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_in_full_and_bare),
        cmocka_unit_test(a_log_record),
        cmocka_unit_test(an_event),
        cmocka_unit_test(metrics_of_every_type),
        cmocka_unit_test(nothing_is_left_of_what_is_dropped),
        cmocka_unit_test(resources_are_replaced),
        cmocka_unit_test(values_nested_without_end),
        cmocka_unit_test(what_answers_mean),
        cmocka_unit_test(configurations),
        cmocka_unit_test(what_a_configuration_says),
        cmocka_unit_test(a_body_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
