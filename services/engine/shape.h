/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SHAPE_H
#define ENGINE_SHAPE_H

/*
 * What the body of a request may look like, as tables: the members of each object with their types, and for what
 * this engine does not do the sentence that refuses it. Checked before anything is read: json.h reads a member of a
 * wrong type as absent, so that `"ReadOnly": "true"` would make a mount that can be written.
 */

#include <yyjson.h>

#include "lib/util.h"

enum shape_type {
	SHAPE_STR,
	SHAPE_BOOL,
	SHAPE_INT,
	SHAPE_STRS,    /* a list of strings */
	SHAPE_OBJ,     /* of the members @of, or of any when that is NULL */
	SHAPE_STR_MAP, /* any names, strings */
	SHAPE_ARR,     /* a list of objects @of, or of anything */
	SHAPE_MAP,     /* any names, objects @of */
	SHAPE_ARR_MAP, /* any names, lists of objects @of */
	SHAPE_ENTRY,   /* a string, or a list of strings */
	SHAPE_OPEN, /* as the last, without a name: members beyond these are the client's own, as in Docker */
};

struct shape {
	const char *name; /* NULL ends a table */
	enum shape_type type;
	const char *refusal; /* NULL: supported. Else why anything but nothing is refused. */
	const struct shape *of;
	int64_t as_nothing; /* a number that is as good as none, beside 0 */
};

/**
 * shape_check() - does an object fit its table?
 * @o:		NULL and null fit
 * @where:	its path, for the sentence: "HostConfig"; "" for the body itself
 *
 * A member that is not in the table is refused unless it is blank (json.h). Return: 0, or -EINVAL with *msg.
 */
must_check int shape_check(yyjson_val *o, const struct shape *members, const char *where, char **msg);

/**
 * shape_fold() - give members the names of their table, whatever their case
 *
 * As Docker's decoder takes names: "image" is Image unless there is an Image. The names of a map are data and stay as they are;
 * so does what is in no table.
 */
void shape_fold(yyjson_val *o, const struct shape *members);

/* EndpointSettings, of NetworkingConfig and of /networks/ID/connect. */
extern const struct shape shape_endpoint[];

#endif
