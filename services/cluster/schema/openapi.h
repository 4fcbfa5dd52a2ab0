/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_OPENAPI_H
#define CLUSTER_OPENAPI_H

/*
 * OpenAPI v3, a document for a group and version, made from the tables when asked for; http/ keeps the bytes
 * compressed. Every resource has its paths with x-kubernetes-group-version-kind, PATCH with fieldValidation,
 * so that kubectl validates and explains.
 */

#include <stddef.h>

struct schema_kind;

/**
 * openapi_document() - /openapi/v3/apis/GROUP/VERSION (or /openapi/v3/api/v1)
 * @kinds:	those of the group and version, built-in or custom
 *
 * Return: JSON, malloc'ed, NUL-terminated; NULL: no memory.
 */
char *openapi_document(const struct schema_kind *const *kinds, size_t n, size_t *len);

/* What changes when the document would: 64 hexadecimal digits. Cheap: reads the tables, not the document. */
void openapi_hash(const struct schema_kind *const *kinds, size_t n, char hash[static 65]);

/* One entry of /openapi/v3. */
struct openapi_entry {
	const char *path; /* "apis/apps/v1" */
	const char *hash;
};
char *openapi_index(const struct openapi_entry *entries, size_t n, size_t *len);

#endif
