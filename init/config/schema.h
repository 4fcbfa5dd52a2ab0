/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

/*
 * The machine configuration, version 1, as one table: keys, types, checks, defaults, and a line of
 * documentation each. Strict reading, defaults, error texts and the table in README.md all come from it.
 */

#include "lib/util.h"

enum schema_type {
	T_STRING,
	T_INT,
	T_BOOL,
	T_MAP,
	T_STRINGS, /* list of strings */
	T_MAPS,	   /* list of maps */
};

struct schema_field {
	const char *key;
	enum schema_type type;
	bool required;
	bool secret;	   /* never quoted in an error */
	bool optional_map; /* T_MAP: absent from the result unless given; else always there, with defaults */
	const char *dflt;  /* as it would be written; strings of a list are separated by spaces; NULL: none */
	const char *expects;		   /* the words after "expected" */
	bool (*ok)(const char *s);	   /* T_STRING and each of T_STRINGS */
	long min, max;			   /* T_INT; for lists max is the most items */
	const struct schema_field *fields; /* of a map or of a list's maps; ends with a NULL key */
	const char *doc;
};

extern const struct schema_field config_schema; /* the root, a T_MAP */

#endif
