/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_FILTERS_H
#define ENGINE_FILTERS_H

/*
 * The `filters` parameter of the API: {"key": ["value", ...]}, or as old clients send it {"key": {"value":
 * true}}. A key's values are alternatives, except labels, which must all fit; different keys must all fit.
 * NULL filters let all pass.
 */

#include <yyjson.h>

#include "lib/util.h"

struct filters;

enum { FILTERS_TEXT_MAX = 64 << 10 };

/* @known: names of the keys this endpoint has, NULL at the end. 0, or -EINVAL/-ENOMEM with *msg malloc'ed. */
must_check int filters_parse(struct filters **out, const char *text, const char *const *known, char **msg);
void filters_free(struct filters *f); /* accepts NULL */

bool filters_has(const struct filters *f, const char *key);
/* The i-th value of a key, or NULL. */
const char *filters_value(const struct filters *f, const char *key, size_t i);

bool filters_match_exact(const struct filters *f, const char *key, const char *value);
bool filters_match_start(
	const struct filters *f, const char *key, const char *value); /* value begins with one */
/* A part of the value fits one, which is a regular expression (POSIX's extended ones, without {} and
 * backslashes; filters_parse() has looked at those of the key `name`). */
bool filters_match_name(const struct filters *f, const char *key, const char *value);
bool filters_match_prefix_colon(
	const struct filters *f, const char *key, const char *value); /* exec_create: sh */
/* "name", "name=value"; the key may be "label" or "label!". */
bool filters_match_labels(const struct filters *f, const char *key, yyjson_val *labels);
/* "80", "80/udp", "8000-9000/tcp": does one of the names of @ports, as "80/tcp", lie within? filters_parse()
 * has looked at those of the keys `publish` and `expose`. */
bool filters_port_fits(const char *want, yyjson_val *ports);
/* A key with one boolean value. 0, 1; absent: @absent. */
bool filters_bool(const struct filters *f, const char *key, bool absent);

#endif
