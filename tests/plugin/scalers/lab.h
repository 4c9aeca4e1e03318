/* SPDX-License-Identifier: Apache-2.0
 *
 * Hosts on a table for the placement functions of the shipped scalers, linked in without the
 * border.
 */
#ifndef TESTS_SCALERS_LAB_H
#define TESTS_SCALERS_LAB_H

#include "../../../plugins/scaler-common/spec.h"

#define LAB_LABELS_MAX 6u

struct lab_labels {
    trl_label at[LAB_LABELS_MAX];
    char text[LAB_LABELS_MAX][32];
};

struct lab {
    trl_scaler_spec *spec; /* owned */
    trl_unit_view unit;
    uint32_t n, cap;
    trl_host_view *hosts;
    struct lab_labels *labels;
    char (*ids)[16];
    uint32_t *flags, *current, *foreign, *failing;
    uint32_t *wanted, *group, *reasons; /* the answer */
    trl_place_out out;
};

/* Fails the test when the properties are refused. */
void lab_init(struct lab *l, const char *properties, uint32_t n_hosts_max);
void lab_finish(struct lab *l);
void lab_properties(struct lab *l, const char *properties);
/* labels: "cloud=real,zone=a", keys sorted. Returns its index. Hosts are READY. */
uint32_t lab_host(struct lab *l, const char *id, const char *labels, uint32_t current);
void lab_place(struct lab *l,
               void (*place)(const trl_scaler_spec *, const trl_place_in *, trl_place_out *));
/* The answer becomes what runs. */
void lab_apply(struct lab *l);
uint64_t lab_sum(const struct lab *l);
/* Instances wanted on hosts that serve that group. */
uint64_t lab_group_sum(const struct lab *l, uint32_t group);
uint32_t lab_changes(const struct lab *l); /* hosts whose count changes */
/* Fails the test unless these are wanted, in order of the hosts. */
void lab_expect(const struct lab *l, const uint32_t *wanted);
#define LAB_EXPECT(l, ...) lab_expect((l), (const uint32_t[]){__VA_ARGS__})

#endif
