/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wadm.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include "codec/json.h"

/* wadm's options (its reference: flag, environment, default). `letter` < 256: a short form. */
struct wadm_option {
    const char *flag, *env;
    char letter;
    bool is_switch;
    bool means_nothing_here; /* accepted, told once */
};

static const struct wadm_option options[] = {
    {"host-id", "WADM_HOST_ID", 'i', false, true},
    {"structured-logging", "WADM_STRUCTURED_LOGGING", 'l', true, false},
    {"tracing", "WADM_TRACING_ENABLED", 't', true, true},
    {"tracing-endpoint", "WADM_TRACING_ENDPOINT", 'e', false, true},
    {"jetstream-domain", "WADM_JETSTREAM_DOMAIN", 'd', false, false},
    {"max-jobs", "WADM_MAX_JOBS", 'j', false, true},
    {"nats-server", "WADM_NATS_SERVER", 's', false, false},
    {"nats-seed", "WADM_NATS_NKEY", 0, false, false},
    {"nats-jwt", "WADM_NATS_JWT", 0, false, false},
    {"nats-creds-file", "WADM_NATS_CREDS_FILE", 0, false, false},
    {"nats-tls-ca-file", "WADM_NATS_TLS_CA_FILE", 0, false, false},
    {"state-bucket-name", "WADM_STATE_BUCKET_NAME", 0, false, true},
    {"manifest-bucket-name", "WADM_MANIFEST_BUCKET_NAME", 0, false, false},
    {"cleanup-interval", "WADM_CLEANUP_INTERVAL", 0, false, false},
    {"api-prefix", "WADM_API_PREFIX", 0, false, false},
    {"stream-prefix", "WADM_STREAM_PREFIX", 0, false, true},
    {"multitenant", "WADM_MULTITENANT", 0, true, false},
    {"stream-persistence", "WADM_STREAM_PERSISTENCE", 0, false, false},
    {"state-bucket-max-bytes", "WADM_STATE_BUCKET_MAX_BYTES", 0, false, true},
    {"manifest-bucket-max-bytes", "WADM_MANIFEST_BUCKET_MAX_BYTES", 0, false, false},
    {"command-stream-max-bytes", "WADM_COMMAND_STREAM_MAX_BYTES", 0, false, true},
    {"event-stream-max-bytes", "WADM_EVENT_STREAM_MAX_BYTES", 0, false, true},
    {"event-consumer-stream-max-bytes", "WADM_EVENT_CONSUMER_STREAM_MAX_BYTES", 0, false, true},
    {"status-stream-max-bytes", "WADM_STATUS_STREAM_MAX_BYTES", 0, false, true},
    {"notify-stream-max-bytes", "WADM_NOTIFY_STREAM_MAX_BYTES", 0, false, true},
    {"wasmbus-event-stream-max-bytes", "WADM_WASMBUS_EVENT_STREAM_MAX_BYTES", 0, false, true},
    {"http-admin", "WADM_HTTP_ADMIN", 0, false, true},
};
#define N_OPTIONS ARRAY_LEN(options)

bool wadm_flags(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && argv[1][0] == '-' && argv[1][1] == '-' && i < N_OPTIONS; i++) {
        size_t n = strlen(options[i].flag);
        if (strncmp(argv[1] + 2, options[i].flag, n) == 0 && strchr("=", argv[1][2 + n])) {
            return true;
        }
    }
    return false;
}

static int read_options(int argc, char **argv, const char **values) {
    struct option longs[N_OPTIONS + 3];
    memset(longs, 0, sizeof(longs));
    for (size_t i = 0; i < N_OPTIONS; i++) {
        longs[i] =
            (struct option){options[i].flag, options[i].is_switch ? no_argument : required_argument,
                            NULL, 256 + (int)i};
        values[i] = getenv(options[i].env);
    }
    longs[N_OPTIONS] = (struct option){"version", no_argument, NULL, 'V'};
    longs[N_OPTIONS + 1] = (struct option){"help", no_argument, NULL, 'h'};
    int got;
    while ((got = getopt_long(argc, argv, "i:lte:d:j:s:Vh", longs, NULL)) != -1) {
        for (size_t i = 0; i < N_OPTIONS; i++) {
            if (got == 256 + (int)i || (options[i].letter && got == options[i].letter)) {
                values[i] = options[i].is_switch ? "true" : optarg;
            }
        }
        if (got == 'V') {
            const char *pinned = getenv("WADM_VERSION"); /* wash compares for equality */
            printf("wadm %s\n", pinned && *pinned ? pinned + (pinned[0] == 'v') : "0.21.1");
            return 1;
        }
        if (got == 'h') {
            puts("trellis, started as wadm: the same options and environment as wadm 0.21.\n"
                 "See docs/wadm.md; `trellis --help` tells of the rest.");
            return 1;
        }
        if (got == '?') {
            return -1;
        }
    }
    return optind < argc ? cli_fail(-1, "unexpected argument %s", argv[optind]) : 0;
}

static const char *value_of(const char *const *values, const char *flag) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (strcmp(options[i].flag, flag) == 0) {
            return values[i];
        }
    }
    return NULL;
}

static void set_text(struct config *c, struct plugin_choice *p, const char *key,
                     const char *value) {
    struct buf json = BUF_INIT;
    struct jw w;
    if (value) {
        jw_init(&w, &json, false);
        jw_cstr(&w, value);
        config_plugin_set(c, p, key, buf_str(&json));
        buf_finish(&json);
    }
}

static int check(const char *const *values) {
    const char *seed = value_of(values, "nats-seed"), *jwt = value_of(values, "nats-jwt"),
               *creds = value_of(values, "nats-creds-file"),
               *domain = value_of(values, "jetstream-domain"),
               *persistence = value_of(values, "stream-persistence");
    if ((seed != NULL) != (jwt != NULL)) {
        return cli_fail(2, "--nats-seed and --nats-jwt belong together: give both");
    }
    if (creds && seed) {
        return cli_fail(
            2, "--nats-creds-file excludes --nats-seed and --nats-jwt: give one of the two");
    }
    if (domain && !*domain) {
        return cli_fail(
            2, "-d: an empty JetStream domain; leave the option out for the default domain");
    }
    if (persistence && strcmp(persistence, "file") != 0 && strcmp(persistence, "memory") != 0) {
        return cli_fail(2, "--stream-persistence %s: file or memory", persistence);
    }
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].is_switch && values[i] && strcmp(values[i], "true") != 0 &&
            strcmp(values[i], "false") != 0) {
            return cli_fail(2, "%s=%s: true or false", options[i].env, values[i]);
        }
    }
    return 0;
}

/* Numbers are numbers, also where they mean nothing here. */
static int check_numbers(const char *const *values) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const char *v = values[i];
        uint64_t n;
        bool bytes = str_ends(str_c(options[i].flag), STR("-max-bytes"));
        if (v && (bytes || strcmp(options[i].flag, "max-jobs") == 0) &&
            !str_u64(str_c(bytes && *v == '-' ? v + 1 : v), &n)) {
            return cli_fail(2, "--%s %s: a number", options[i].flag, v);
        }
    }
    return 0;
}

static bool on(const char *const *values, const char *flag) {
    const char *v = value_of(values, flag);
    return v && strcmp(v, "true") == 0;
}

static int build(struct config *c, const char *const *values, struct buf *url) {
    uint64_t n;
    const char *server = value_of(values, "nats-server"), *prefix = value_of(values, "api-prefix"),
               *cleanup = value_of(values, "cleanup-interval"),
               *max = value_of(values, "manifest-bucket-max-bytes"),
               *bucket = value_of(values, "manifest-bucket-name");
    buf_addf(url, "%s%s", server && strstr(server, "://") ? "" : "nats://",
             server ? server : "127.0.0.1:4222");
    struct plugin_choice *both[2] = {&c->transport, &c->store};
    for (int i = 0; i < 2; i++) {
        set_text(c, both[i], "url", url->ptr);
        set_text(c, both[i], "creds", value_of(values, "nats-creds-file"));
        set_text(c, both[i], "nkey_seed", value_of(values, "nats-seed"));
        set_text(c, both[i], "jwt", value_of(values, "nats-jwt"));
        set_text(c, both[i], "js_domain", value_of(values, "jetstream-domain"));
        set_text(c, both[i], "storage", value_of(values, "stream-persistence"));
        if (value_of(values, "nats-tls-ca-file")) {
            struct buf tls = BUF_INIT;
            struct jw w;
            jw_init(&w, &tls, false);
            jw_object(&w);
            jw_kv(&w, "ca", str_c(value_of(values, "nats-tls-ca-file")));
            jw_kv_bool(&w, "required", true);
            jw_end_object(&w);
            config_plugin_set(c, both[i], "tls", buf_str(&tls));
            buf_finish(&tls);
        }
    }
    set_text(c, &c->store, "bucket", bucket ? bucket : "wadm_manifests");
    if (max && str_u64(str_c(max), &n)) {
        config_plugin_set(c, &c->store, "max_bytes", str_c(max));
    }
    if (prefix) {
        str p = str_trim(str_c(prefix));
        while (p.len && p.ptr[0] == '.') {
            p = str_skip(p, 1);
        }
        while (p.len && p.ptr[p.len - 1] == '.') {
            p.len--;
        }
        if (!p.len) {
            return cli_fail(2, "--api-prefix: nothing is left of \"%s\"", prefix);
        }
        c->api_prefix = arena_str(&c->arena, p);
    }
    if (cleanup && (!str_u64(str_c(cleanup), &n) || n < 2)) {
        return cli_fail(2, "--cleanup-interval %s: seconds, at least 2", cleanup);
    }
    c->cleanup_interval_s = cleanup ? n : c->cleanup_interval_s;
    c->multitenant = on(values, "multitenant");
    c->log_json = on(values, "structured-logging");
    return 0;
}

int wadm_main(int argc, char **argv) {
    const char *values[N_OPTIONS] = {NULL};
    int rc = read_options(argc, argv, values);
    if (rc) {
        return rc > 0 ? EXIT_DONE : EXIT_USAGE;
    }
    rc = check(values);
    rc = rc ? rc : check_numbers(values);
    if (rc) {
        return rc;
    }
    struct buf ignored = BUF_INIT, url = BUF_INIT;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].means_nothing_here && values[i] && strcmp(values[i], "false") != 0) {
            buf_addf(&ignored, "%s--%s", ignored.len ? ", " : "", options[i].flag);
        }
    }
    struct config c;
    config_defaults(&c);
    rc = build(&c, values, &url);
    if (rc == 0) {
        struct serve_options o = {.config = &c, .import_wadm = true};
        if (ignored.len) {
            fprintf(stderr, "warn  accepted without effect: %s (see docs/wadm.md)\n", ignored.ptr);
        }
        rc = serve_run(&o);
    }
    config_finish(&c);
    buf_finish(&ignored);
    buf_finish(&url);
    return rc;
}
