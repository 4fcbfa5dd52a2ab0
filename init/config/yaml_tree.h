/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_YAML_TREE_H
#define CONFIG_YAML_TREE_H

/*
 * YAML text as a tree that remembers where everything stood. Deliberately less than YAML: one document, no
 * anchors, aliases or tags, keys are plain words given once, and depth and size are bounded. What is left
 * cannot expand beyond its text.
 */

#include "lib/util.h"

enum { YAML_DEPTH_MAX = 12, YAML_NODES_MAX = 20000 };

/* Where and why a configuration was refused; line and column count from 1, 0 when the place is the whole
 * file. */
struct config_error {
	unsigned line;
	unsigned column;
	char text[512];
};

enum yaml_kind { YAML_SCALAR_, YAML_MAP_, YAML_LIST_ };

struct yaml_node {
	enum yaml_kind kind;
	bool plain; /* a scalar without quotes: may stand for a number, a truth value or nothing */
	unsigned line;
	unsigned column;
	char *text; /* owned; scalars only; NUL-terminated and without a NUL inside */
	char *key;  /* owned; set in members of a map */
	unsigned key_line;
	unsigned key_column;
	struct yaml_node **kids; /* owned */
	size_t n_kids;
};

/* Outcomes the caller handles. */
enum { CONFIG_OK, CONFIG_REFUSED };

/**
 * yaml_tree_parse() - read one document
 * @out:	receives the root; release with yaml_node_free()
 * @err:	filled when CONFIG_REFUSED is returned
 *
 * Return: CONFIG_OK, CONFIG_REFUSED, or -ENOMEM.
 */
must_check int yaml_tree_parse(
	struct yaml_node **out, const char *text, size_t len, struct config_error *err);
void yaml_node_free(struct yaml_node *n); /* accepts NULL */

/* Fills @err and returns CONFIG_REFUSED. */
int config_refuse(struct config_error *err, unsigned line, unsigned column, const char *fmt, ...)
	printf_like(4, 5);

#endif
