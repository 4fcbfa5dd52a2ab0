/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_META_H
#define CLUSTER_META_H

/*
 * Metadata of objects, as stored (yyjson_val) and in the making (yyjson_mut_val). Absent reads as NULL or 0.
 */

#include <time.h>
#include <yyjson.h>

#include "lib/rfc3339.h"
#include "lib/util.h"

/* Longest RFC 3339 text with microseconds, and its NUL. */
enum { META_TIME_MAX = RFC3339_MAX, META_UID_MAX = 37 };

/* A member by names, NULL-terminated: meta_get(v, "spec", "nodeName", NULL). */
yyjson_val *meta_get(yyjson_val *v, ...) __attribute__((sentinel));
yyjson_mut_val *meta_mut_get(yyjson_mut_val *v, ...) __attribute__((sentinel));
/* The same, making objects on the way; NULL: no memory, or something on the way is not an object. */
yyjson_mut_val *meta_make(yyjson_mut_doc *doc, yyjson_mut_val *v, ...) __attribute__((sentinel));

/* Strings of metadata: meta_text(obj, "name"). */
const char *meta_text(yyjson_val *object, const char *key);
const char *meta_mut_text(yyjson_mut_val *object, const char *key);
/* Set or replace; the text is copied. A NULL text removes. false: no memory. */
must_check bool meta_set_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text);
must_check bool meta_set_int(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t n);
void meta_remove(yyjson_mut_val *object, const char *key);

/* Replace or add a member of any object; @key is borrowed. false: no memory. */
must_check bool meta_put(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value);

/* Deep equality, whatever the order of members. Numbers by value. */
bool meta_equal(yyjson_mut_val *a, yyjson_mut_val *b);

/* "2026-01-02T03:04:05Z"; meta_time_parse also takes fractions and offsets: 0 or -EINVAL. */
void meta_time(char buf[static META_TIME_MAX], time_t t);
void meta_micro_time(char buf[static META_TIME_MAX], const struct timespec *t);
must_check int meta_time_parse(struct timespec *out, const char *text);

/*
 * A random UUID (version 4), and the five letters that follow generateName (which is cut to 58 bytes).
 * -errno or 0.
 */
must_check int meta_uid(char buf[static META_UID_MAX]);
must_check int meta_generate_name(char *buf, size_t size, const char *prefix);

#endif
