/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file of policy rules: a fault with its place, or rules that decide about a few
 * subjects; and as a subject of rules that look at everything.
 */
#include <stdlib.h>
#include <trellis/helper.h>

#include "eval.h"
#include "fuzz.h"

static const char all[] =
    "default: warn\nrules:\n"
    "- {name: a, verdict: deny, match: {app: 'a*', lattice: '?', caller: {id: '**', via: nats}}}\n"
    "- {name: b, verdict: deny, match: {unit: {name: '*', kind: component}, instances: {over: "
    "3}}}\n"
    "- {name: c, verdict: deny, unless: {image: {registry: [r.io, '*.r.io'], digest: required}}}\n"
    "- {name: d, verdict: warn, match: {link: {source: a, interface: '*'}}}\n"
    "- {name: e, verdict: allow, match: {secret: {backend: '*', properties: {p: '**'}}}}\n"
    "- {name: f, verdict: deny, match: {verb: scale, host: {id: N*}}, enforce: stop}\n"
    "- {name: g, verdict: deny, match: {host: {labels: {zone: '**'}}}}\n"
    "- {name: h, verdict: deny, match: {request: '**', claims: {i: '*'}, function: f}}\n"
    "- {name: i, verdict: deny, match: {entity: {kind: '*'}, host: {issuer: '*'}}}\n"
    "- {name: j, verdict: deny, match: {plan: {stop: {over: 1}}}}\n"
    "- {name: k, verdict: deny, match: {config: 'c*'}}\n";

static const char *const subjects[] = {
    "{}",
    "{\"app\":\"ab\",\"lattice\":\"x\",\"caller\":{\"id\":\"k\",\"via\":\"nats\"},\"units\":[{"
    "\"name\":\"u\",\"kind\":\"component\",\"image\":\"x.io/a/b:1\",\"instances\":7,\"path\":\"/"
    "s\"}"
    "],\"links\":[{\"source\":\"a\",\"interfaces\":[\"x\"]}],\"secrets\":[{\"backend\":\"b\","
    "\"properties\":{\"p\":\"q\"}}],\"configs\":[{\"name\":\"c\"}],\"plan\":{\"actions\":[{"
    "\"verb\":"
    "\"scale\",\"host\":\"N1\",\"unit\":\"u\"}],\"counts\":{\"stop\":2}}}",
    "{\"host\":{\"id\":\"N1\",\"issuer\":\"C\",\"labels\":{\"zone\":\"a/b\"}},\"unit\":{\"name\":"
    "\"u\",\"image\":\"x\"},\"kind\":\"startComponent\",\"claims\":{\"i\":\"A\"},\"function\":"
    "\"f\","
    "\"entity\":{\"kind\":\"provider\"},\"secret\":{\"backend\":\"b\",\"key\":\"k\"}}",
};

static void decide(const struct ruleset *rs, trl_str subject) {
    struct facts f = {0};
    struct text reasons = {0};
    struct outcome o;
    for (uint32_t p = 0; p < TRL_POINTS; p++) {
        if (facts_read(&f, p, subject, rs->abouts[p])) {
            eval(rs, &f, &o);
            say_reasons(rs, &f, &o, &reasons);
        }
    }
    text_finish(&reasons);
    facts_finish(&f);
}

static struct ruleset *compile(trl_str text) {
    struct text err = {0};
    struct tree_node *tree = tree_read_yaml(text, &err);
    struct ruleset *rs = tree ? rules_compile(tree, "r", &err) : NULL;
    if (!rs && (err.len < 3 || err.at[0] < '1' || err.at[0] > '9' || strchr(err.at, '\n'))) {
        abort(); /* no place, or more than a line */
    }
    text_finish(&err);
    return rs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    trl_str text = {(const char *)data, size};
    struct ruleset *rs = compile(text);
    for (size_t i = 0; rs && i < sizeof(subjects) / sizeof(*subjects); i++) {
        decide(rs, trl_cstr(subjects[i]));
    }
    rules_free(rs);
    rs = compile(trl_cstr(all));
    if (!rs) {
        abort();
    }
    decide(rs, text);
    rules_free(rs);
    return 0;
}
