/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/options.h"

#include <getopt.h>
#include <string.h>

enum { OPT_FAULT = 256, OPT_FLAG, OPT_TEXT, OPT_TIME, OPT_OTHER };

#define FAULT(name)                                                                                \
    { name, required_argument, NULL, OPT_FAULT }
#define OTHER(name)                                                                                \
    { name, required_argument, NULL, OPT_OTHER }

static const struct option options[] = {
    FAULT("reply-delay"),
    FAULT("fetch-delay"),
    FAULT("start-delay"),
    FAULT("provider-start-delay"),
    FAULT("provider-stop-delay"),
    FAULT("link-delay"),
    FAULT("reorder-delay"),
    FAULT("fail-rate"),
    FAULT("nack-rate"),
    FAULT("no-reply-rate"),
    FAULT("lose-requests"),
    FAULT("die-after-ack"),
    FAULT("lose-events"),
    FAULT("dup-events"),
    FAULT("reorder-events"),
    {"heartbeat", required_argument, NULL, OPT_TIME},
    {"start-spread", required_argument, NULL, OPT_TIME},
    {"link-lag", required_argument, NULL, OPT_TIME},
    {"stats-every", required_argument, NULL, OPT_TIME},
    {"for", required_argument, NULL, OPT_TIME},
    {"transport", required_argument, NULL, OPT_TEXT},
    {"transport-config", required_argument, NULL, OPT_TEXT},
    {"nats-url", required_argument, NULL, OPT_TEXT},
    {"stats", required_argument, NULL, OPT_TEXT},
    {"ctl-topic-prefix", required_argument, NULL, OPT_TEXT},
    {"host-version", required_argument, NULL, OPT_TEXT},
    OTHER("hosts"),
    OTHER("lattice"),
    OTHER("label"),
    OTHER("host-id"),
    OTHER("plugin-dir"),
    OTHER("seed"),
    OTHER("jitter"),
    OTHER("fail-image"),
    OTHER("secrets"),
    {"instant", no_argument, NULL, OPT_FLAG},
    {"wildcard", no_argument, NULL, OPT_FLAG},
    {"no-auctions", no_argument, NULL, OPT_FLAG},
    {"no-builtins", no_argument, NULL, OPT_FLAG},
    {"allow-latest", no_argument, NULL, OPT_FLAG},
    {"no-control", no_argument, NULL, OPT_FLAG},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void sim_options_help(FILE *to) {
    fputs("usage: trellis sim [options]\n"
          "Virtual wasmCloud 1.9 hosts on the real subjects. Links and configs live in this "
          "process.\n"
          "\n"
          "  --hosts N               hosts in each lattice (1)\n"
          "  --lattice NAME          may be repeated (default)\n"
          "  --label K=V             may be repeated; K=a|b|c and K=r{0..9} are dealt in turn, {i} "
          "is\n"
          "                          the number of the host\n"
          "  --host-id ID            for the first hosts, in order; else made from the seed\n"
          "  --seed N                the same seed gives the same run (random)\n"
          "  --transport nats|inproc (nats)      --nats-url URL (nats://127.0.0.1:4222)\n"
          "  --transport-config JSON the plugin's settings      --plugin-dir DIR  may be repeated\n"
          "  --ctl-topic-prefix P    (wasmbus.ctl)      --host-version V (1.9.2)\n"
          "  --wildcard              one subscription per lattice instead of one per host\n"
          "\n"
          "  --heartbeat TIME (30s)  --jitter RATE (0)  --start-spread TIME (0)  --link-lag TIME "
          "(0)\n"
          "  --secrets none|ok       what starts that name secrets meet (none: they fail)\n"
          "  --no-auctions, --no-builtins, --allow-latest\n"
          "\n"
          "  --reply-delay, --fetch-delay, --start-delay, --provider-start-delay,\n"
          "  --provider-stop-delay, --link-delay, --reorder-delay   TIME or TIME-TIME\n"
          "  --instant               all of these 0\n"
          "  --fail-rate, --nack-rate, --no-reply-rate, --lose-requests, --die-after-ack,\n"
          "  --lose-events, --dup-events, --reorder-events          RATE: 0.1 or 10%\n"
          "  --fail-image PATTERN=TEXT  may be repeated; * fits anything\n"
          "\n"
          "  --stats FILE|-          counters as JSON lines, at the end and --stats-every TIME\n"
          "  --for TIME              end by itself\n"
          "  --no-control            leave standard input alone; else it takes commands: help\n"
          "  -v, --verbose           -h, --help\n",
          to);
}

static int set_time(struct sim_options *o, const char *name, str value, struct err *err) {
    const struct {
        const char *name;
        int64_t *ns;
    } all[] = {{"heartbeat", &o->config.heartbeat_ns},
               {"start-spread", &o->config.start_spread_ns},
               {"link-lag", &o->config.link_lag_ns},
               {"stats-every", &o->stats_every_ns},
               {"for", &o->for_ns}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(name, all[i].name) == 0) {
            return sim_duration_parse(value, all[i].ns, err);
        }
    }
    return err_set(err, TRL_E_INTERNAL, "no such setting");
}

static void set_text(struct sim_options *o, const char *name, const char *value) {
    const struct {
        const char *name;
        const char **to;
    } all[] = {{"transport", &o->transport},
               {"transport-config", &o->transport_config},
               {"nats-url", &o->nats_url},
               {"stats", &o->stats},
               {"ctl-topic-prefix", &o->config.ctl_prefix},
               {"host-version", &o->config.version}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(name, all[i].name) == 0) {
            *all[i].to = value;
        }
    }
}

static void set_flag(struct sim_options *o, const char *name) {
    if (strcmp(name, "instant") == 0) {
        o->config.faults = sim_config_instant().faults;
    } else if (strcmp(name, "wildcard") == 0) {
        o->config.wildcard = true;
    } else if (strcmp(name, "no-auctions") == 0) {
        o->config.auctions = false;
    } else if (strcmp(name, "no-builtins") == 0) {
        o->config.builtins = false;
    } else if (strcmp(name, "allow-latest") == 0) {
        o->config.allow_latest = true;
    } else {
        o->no_control = true;
    }
}

static int set_image(struct sim_options *o, const char *value, struct err *err) {
    str text, pattern = str_cut(str_c(value), '=', &text);
    if (!text.ptr || pattern.len == 0) {
        return err_set(err, TRL_E_INVALID, "\"%s\": write PATTERN=TEXT", value);
    }
    struct sim_image_fault *f = VEC_ADD(&o->image_faults);
    f->pattern = str_dup(pattern);
    f->text = text.ptr; /* the rest of value */
    return 0;
}

static int set_other(struct sim_options *o, const char *name, const char *value, struct err *err) {
    uint64_t n;
    if (strcmp(name, "lattice") == 0) {
        *VEC_ADD(&o->lattices) = value;
    } else if (strcmp(name, "label") == 0) {
        *VEC_ADD(&o->labels) = value;
    } else if (strcmp(name, "host-id") == 0) {
        if (strlen(value) != 56 || value[0] != 'N') {
            return err_set(err, TRL_E_INVALID, "\"%s\": an id has 56 characters, the first is N",
                           value);
        }
        *VEC_ADD(&o->host_ids) = value;
    } else if (strcmp(name, "plugin-dir") == 0) {
        *VEC_ADD(&o->dirs) = value;
    } else if (strcmp(name, "jitter") == 0) {
        return sim_rate_parse(str_c(value), &o->config.jitter, err);
    } else if (strcmp(name, "fail-image") == 0) {
        return set_image(o, value, err);
    } else if (strcmp(name, "secrets") == 0) {
        bool ok = strcmp(value, "ok") == 0;
        if (!ok && strcmp(value, "none") != 0) {
            return err_set(err, TRL_E_INVALID, "\"%s\": write none or ok", value);
        }
        o->config.secrets = ok ? SIM_SECRETS_OK : SIM_SECRETS_NONE;
    } else if (!str_u64(str_c(value), &n)) {
        return err_set(err, TRL_E_INVALID, "\"%s\" is no whole number", value);
    } else if (strcmp(name, "seed") == 0) {
        o->config.seed = n;
    } else if (n == 0 || n > 1000000) {
        return err_set(err, TRL_E_INVALID, "%s hosts: write 1 to 1000000", value);
    } else {
        o->config.hosts = (uint32_t)n;
    }
    return 0;
}

static int set(struct sim_options *o, int what, const char *name, const char *value,
               struct err *err) {
    int rc = 0;
    switch (what) {
    case OPT_FAULT:
        rc = sim_faults_set(&o->config.faults, str_c(name), str_c(value), err);
        break;
    case OPT_TIME:
        rc = set_time(o, name, str_c(value), err);
        break;
    case OPT_TEXT:
        set_text(o, name, value);
        break;
    case OPT_FLAG:
        set_flag(o, name);
        break;
    default:
        rc = set_other(o, name, value, err);
    }
    return rc < 0 ? err_wrap(err, "--%s", name) : 0;
}

int sim_options_parse(int argc, char **argv, struct sim_options *ret, struct err *err) {
    struct sim_options o = {.config = sim_config_default(), .transport = "nats"};
    int what, index = 0, rc = 0;
    optind = 0;
    opterr = 0;
    while (rc == 0 && (what = getopt_long(argc, argv, ":hv", options, &index)) != -1) {
        if (what == 'h') {
            o.help = true;
        } else if (what == 'v') {
            o.verbose = true;
        } else if (what == '?' || what == ':') {
            rc = err_set(err, TRL_E_INVALID, "%s: %s (see trellis sim --help)", argv[optind - 1],
                         what == ':' ? "needs a value" : "no such option");
        } else {
            rc = set(&o, what, options[index].name, optarg, err);
        }
    }
    if (rc == 0 && optind < argc) {
        rc = err_set(err, TRL_E_INVALID, "\"%s\": no argument is expected here", argv[optind]);
    }
    if (rc < 0) {
        sim_options_finish(&o);
        return rc;
    }
    o.config.lattices = o.lattices.at;
    o.config.n_lattices = o.lattices.n;
    o.config.labels = o.labels.at;
    o.config.n_labels = o.labels.n;
    o.config.host_ids = o.host_ids.at;
    o.config.n_host_ids = o.host_ids.n;
    o.config.image_faults = o.image_faults.at;
    o.config.n_image_faults = o.image_faults.n;
    if (o.nats_url) {
        o.config.nats_url = o.nats_url;
    }
    *ret = o;
    return 0;
}

void sim_options_finish(struct sim_options *o) {
    for (uint32_t i = 0; i < o->image_faults.n; i++) {
        char *pattern;
        memcpy(&pattern, &o->image_faults.at[i].pattern, sizeof(pattern)); /* ours, seen as const */
        mem_free(pattern);
    }
    VEC_FREE(&o->image_faults);
    VEC_FREE(&o->lattices);
    VEC_FREE(&o->labels);
    VEC_FREE(&o->host_ids);
    VEC_FREE(&o->dirs);
}
