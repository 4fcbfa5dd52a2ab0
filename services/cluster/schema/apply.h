/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_APPLY_H
#define CLUSTER_APPLY_H

/*
 * Who owns which field. Server-side apply merges what a manager wants into the live object, refuses to take
 * what another manager owns, and removes what the manager no longer wants and nobody else owns. Every other
 * write takes what it changed. The owners are kept in metadata.managedFields, in the form FieldsV1.
 */

#include <yyjson.h>

#include "lib/util.h"

struct schema_kind;
struct status;

struct apply_manager {
	const char *name;	 /* fieldManager, or the first part of the User-Agent */
	const char *subresource; /* "" for the main resource */
	const char *time;	 /* RFC 3339, seconds */
	bool force;
};

/* fieldManager: at most 128 bytes, printable. NULL, or 422. */
must_check struct status *apply_check_manager(const char *name);

/**
 * apply_object() - server-side apply
 * @live:	the stored object, changed in place into the result; an empty object when it is created. On
 * 		failure it may be half changed, so it is a copy
 * @config:	what the manager wants, decoded from YAML or JSON (decode_yaml()), checked against @k's
 * 		identity here
 *
 * Return: NULL, 409 with the conflicts as causes, 400 (managedFields in @config, wrong kind or name), 422.
 */
must_check struct status *apply_object(yyjson_mut_doc *live, yyjson_mut_val *config,
	const struct schema_kind *k, const struct apply_manager *m);

/**
 * apply_merge() - part of an object into the whole, by the same rules, for nobody in particular
 * @live:	changed in place, also on failure; decode_check() has to follow, since zeros and nulls are in it as they were wanted
 * @config:	the part; not changed
 *
 * Nothing is removed, and nothing that is one's as a whole may be in @config, since what it leaves out would be lost.
 * Return: NULL, or 400: an unknown field, a wrong type, something atomic.
 */
must_check struct status *apply_merge(
	yyjson_mut_doc *live, yyjson_mut_val *config, const struct schema_kind *k);

/**
 * apply_update() - any other write: @m owns what it set or changed
 * @doc:	the new object; its managedFields are replaced
 * @old:	as stored; NULL: it is created
 *
 * managedFields that the client sent are honoured as upstream does: an empty list clears them.
 * Return: NULL or 400/500.
 */
must_check struct status *apply_update(
	yyjson_mut_doc *doc, yyjson_mut_val *old, const struct schema_kind *k, const struct apply_manager *m);

#endif
