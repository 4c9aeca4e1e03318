/* SPDX-License-Identifier: Apache-2.0
 *
 * From nodes to a manifest: what its parts share. A decoder goes on after a fault, so that all of
 * them are told. Private to this room.
 */
#ifndef TRELLIS_MODEL_DECODE_H
#define TRELLIS_MODEL_DECODE_H

#include "model/manifest.h"

/* wadm's decoder sees a place in one of three ways (WA 3.5): directly (a plain YAML scalar is its
 * source text), through a buffer (scalars are typed first, only strings are strings), or as a JSON
 * tree (links: as buffered, but of repeated members the last one counts). */
enum regime { DIRECT, BUFFERED, TREE };

struct decoder {
    struct arena *arena; /* the manifest's */
    struct findings *f;
    bool json;                  /* the text was JSON: strict everywhere */
    struct trait_faults *trial; /* not NULL: only whether it fits, faults go here, nothing to f */
    uint32_t faults;
    struct buf path;
};

#define FIELDS_MAX 8
struct fields {
    const char *what;              /* "a component", for messages */
    const char *names[FIELDS_MAX]; /* ends with NULL when shorter */
    const char *alias;             /* another spelling of names[0] */
    enum regime regime;
    bool deny; /* unknown members are faults */
};
extern const struct fields fields_manifest, fields_metadata, fields_spec, fields_policy,
    fields_component, fields_properties, fields_application, fields_config, fields_secret,
    fields_source, fields_trait, fields_link, fields_link_target, fields_link_source, fields_scaler,
    fields_spread;
int fields_find(const struct fields *fs, str key); /* index, -1: unknown */

/* The path grows by a member or an index; pop with the length returned. */
size_t dec_member(struct decoder *d, str key);
size_t dec_index(struct decoder *d, uint32_t i);
void dec_pop(struct decoder *d, size_t len);

struct text_pos dec_pos(const struct node *n);
__attribute__((format(printf, 5, 6))) void dec_fault(struct decoder *d, struct text_pos at,
                                                     const char *code, const char *fix,
                                                     const char *fmt, ...);
__attribute__((format(printf, 5, 6))) void dec_warn(struct decoder *d, struct text_pos at,
                                                    const char *code, const char *fix,
                                                    const char *fmt, ...);

/* Members by index of names into out[FIELDS_MAX], NULL where absent. False when n is no object. */
bool dec_fields(struct decoder *d, const struct node *n, const struct fields *fs,
                struct node **out);
/* A member that must be there: its value, or NULL and a fault. */
const struct node *dec_need(struct decoder *d, const struct node *parent, const struct fields *fs,
                            struct node **out, int index);
/* The values below take a node that is there (not NULL). */
bool dec_string(struct decoder *d, const struct node *n, enum regime regime, str *ret);
bool dec_list(struct decoder *d, const struct node *n, enum regime regime, uint32_t *ret_n);
void dec_map(struct decoder *d, const struct node *n, enum regime regime, struct pair **ret,
             uint32_t *ret_n);
/* A required string member. */
void dec_need_string(struct decoder *d, const struct node *parent, const struct fields *fs,
                     struct node **out, int index, str *ret);
/* An optional one: null and absent leave ptr NULL. */
void dec_opt_string(struct decoder *d, const struct fields *fs, struct node **out, int index,
                    str *ret);

/* What the buffer itself refuses (tags, numbers beyond 64 bits), anywhere below n. keys: all of
 * them must be strings. False after a fault. */
bool dec_buffered(struct decoder *d, const struct node *n, bool keys);

void dec_configs(struct decoder *d, const struct node *n, enum regime regime,
                 struct config_item **ret, uint32_t *ret_n);
void dec_secrets(struct decoder *d, const struct node *n, enum regime regime,
                 struct secret_item **ret, uint32_t *ret_n);
void dec_item(struct decoder *d, const struct node *n, struct item *it);
void dec_trait(struct decoder *d, const struct node *n, struct trait *t);

/* Is this a trait type that wadm knows? Any other is stored as written. */
bool trait_is_scaler(const struct trait *t);
bool trait_is_link(const struct trait *t);

#endif
