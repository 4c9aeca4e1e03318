/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lab.h"

void lab_properties(struct lab *l, const char *properties) {
    trl_err err = {.struct_size = sizeof(err)};
    spec_release(l->spec);
    l->spec = NULL;
    if (spec_compile(trl_cstr(properties), &l->spec, &err) != TRL_OK) {
        fail_msg("%s: %s", properties, err.msg);
    }
}

void lab_init(struct lab *l, const char *properties, uint32_t n_hosts_max) {
    memset(l, 0, sizeof(*l));
    l->cap = n_hosts_max;
    l->hosts = calloc(l->cap + 1, sizeof(*l->hosts));
    l->labels = calloc(l->cap + 1, sizeof(*l->labels));
    l->ids = calloc(l->cap + 1, sizeof(*l->ids));
    uint32_t **arrays[] = {&l->flags,  &l->current, &l->foreign, &l->failing,
                           &l->wanted, &l->group,   &l->reasons};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        *arrays[i] = calloc(l->cap + 1, sizeof(uint32_t));
    }
    l->unit = (trl_unit_view){.struct_size = sizeof(l->unit),
                              .app = trl_cstr("shop"),
                              .name = trl_cstr("web"),
                              .id = trl_cstr("shop-web"),
                              .kind = trl_cstr("component"),
                              .image = trl_cstr("reg/web:1")};
    lab_properties(l, properties);
}

void lab_finish(struct lab *l) {
    spec_release(l->spec);
    void *all[] = {l->hosts,   l->labels,  l->ids,    l->flags, l->current,
                   l->foreign, l->failing, l->wanted, l->group, l->reasons};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
}

uint32_t lab_host(struct lab *l, const char *id, const char *labels, uint32_t current) {
    uint32_t i = l->n++;
    trl_host_view *h = &l->hosts[i];
    struct lab_labels *ls = &l->labels[i];
    assert_true(i < l->cap);
    snprintf(l->ids[i], sizeof(l->ids[i]), "%s", id);
    *h = (trl_host_view){.struct_size = sizeof(*h),
                         .flags = TRL_HOST_READY,
                         .id = trl_cstr(l->ids[i]),
                         .name = trl_cstr(l->ids[i]),
                         .labels = ls->at};
    while (*labels) {
        const char *eq = strchr(labels, '='), *end = strchr(labels, ',');
        size_t len = end ? (size_t)(end - labels) : strlen(labels);
        uint32_t k = h->n_labels++;
        assert_true(eq && k < LAB_LABELS_MAX && len < sizeof(ls->text[k]));
        memcpy(ls->text[k], labels, len);
        ls->at[k].key = trl_strn(ls->text[k], (size_t)(eq - labels));
        ls->at[k].value = trl_cstr(ls->text[k] + (eq - labels) + 1);
        labels += len + (end ? 1 : 0);
    }
    l->flags[i] = TRL_HOST_READY;
    l->current[i] = current;
    return i;
}

void lab_place(struct lab *l,
               void (*place)(const trl_scaler_spec *, const trl_place_in *, trl_place_out *)) {
    trl_place_in in = {.struct_size = sizeof(in),
                       .flags = TRL_PLACE_EXPLAIN,
                       .unit = &l->unit,
                       .hosts = l->hosts,
                       .host_stride = sizeof(trl_host_view),
                       .n_hosts = l->n,
                       .host_flags = l->flags,
                       .current = l->current,
                       .foreign = l->foreign,
                       .failing = l->failing};
    memset(l->wanted, 0, l->n * sizeof(uint32_t));
    memset(l->group, 0, l->n * sizeof(uint32_t));
    memset(&l->out, 0, sizeof(l->out));
    l->out.struct_size = sizeof(l->out);
    l->out.wanted = l->wanted;
    l->out.group = l->group;
    l->out.reasons = l->reasons;
    place(l->spec, &in, &l->out);
}

void lab_apply(struct lab *l) {
    memcpy(l->current, l->wanted, l->n * sizeof(uint32_t));
}

uint64_t lab_sum(const struct lab *l) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        sum += l->wanted[i];
    }
    return sum;
}

uint64_t lab_group_sum(const struct lab *l, uint32_t group) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        sum += l->group[i] == group ? l->wanted[i] : 0;
    }
    return sum;
}

uint32_t lab_changes(const struct lab *l) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        n += l->wanted[i] != l->current[i];
    }
    return n;
}

void lab_expect(const struct lab *l, const uint32_t *wanted) {
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->wanted[i] != wanted[i]) {
            fail_msg("host %s: %u, not %u (%s)", l->ids[i], l->wanted[i], wanted[i],
                     l->out.message);
        }
    }
}
