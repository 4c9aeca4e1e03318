/* SPDX-License-Identifier: Apache-2.0
 *
 * Subject patterns and who holds them. A match walks the tokens of the subject once per distinct
 * pattern prefix that fits; its cost does not grow with the number of other patterns. The order of
 * matches depends on the history of add and remove only.
 */
#ifndef INPROC_TRIE_H
#define INPROC_TRIE_H

#include <trellis/trellis.h>

struct trie_node;

/* Embedded in its owner, which must stay in place while it is added. */
struct trie_link {
    struct trie_node *node; /* NULL: not in a trie */
    struct trie_link *prev, *next;
};

struct trie {
    struct trie_node *root;
    struct trie_node **buckets; /* children by (parent, token) */
    size_t n_nodes, n_buckets;  /* n_buckets: a power of two */
    uint64_t last_id;
};

/* Non-empty tokens without blanks or control characters; '*' and a final '>' only when wildcards.
 */
int subject_ok(trl_str s, int wildcards);

void trie_init(struct trie *t);
void trie_finish(struct trie *t); /* links left in it are forgotten */
void trie_add(struct trie *t, trl_str pattern, struct trie_link *l); /* pattern: subject_ok */
void trie_remove(struct trie *t, struct trie_link *l);               /* not added: nothing */
/* Calls fn for each link whose pattern fits. fn must not change the trie. */
void trie_match(const struct trie *t, trl_str subject, void (*fn)(void *arg, struct trie_link *l),
                void *arg);

#endif
