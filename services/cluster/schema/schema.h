/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_SCHEMA_H
#define CLUSTER_SCHEMA_H

/*
 * What is known of a kind, as tables. Those of the built-in kinds are constant, compiled from the text files
 * in kinds/ (its README says how to read and write them); those of a CustomResourceDefinition are made at
 * run time from its structural schema (crd.h) and freed with it. Whoever reads them cannot tell which it
 * has.
 */

#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "lib/util.h"

struct schema_type;
struct schema_kind;
struct check;
struct schema_crd_rules;

/* What one value is. Built-in types are never nested deeper than one list or map of one of these. */
enum schema_base {
	SCHEMA_STRING,
	SCHEMA_BOOL,
	SCHEMA_INT32,
	SCHEMA_INT64,
	SCHEMA_DOUBLE,
	SCHEMA_BYTES,	  /* base64 in JSON */
	SCHEMA_QUANTITY,  /* "100m", quantity.h */
	SCHEMA_TIME,	  /* RFC 3339, seconds */
	SCHEMA_MICROTIME, /* RFC 3339, six digits */
	SCHEMA_DURATION,  /* "1m30s" */
	SCHEMA_INT_OR_STRING,
	/* any JSON: RawExtension, FieldsV1, x-kubernetes-preserve-unknown-fields without properties */
	SCHEMA_ANY,
	SCHEMA_OBJECT, /* of ->type */
};

enum schema_shape { SCHEMA_ONE, SCHEMA_LIST, SCHEMA_MAP /* keys are strings */ };

/* How appliers share a list: wholly one's, by value, or by keys (x-kubernetes-list-type). */
enum schema_list { SCHEMA_ATOMIC, SCHEMA_SET, SCHEMA_LIST_MAP };

enum {
	SCHEMA_REQUIRED = 1 << 0,  /* written even when zero; must be there unless a check says otherwise */
	SCHEMA_POINTER = 1 << 1,   /* zero and absent differ; otherwise zero is absent */
	SCHEMA_IMMUTABLE = 1 << 2, /* keeps its value once the object exists */
	SCHEMA_MERGE = 1 << 3, /* strategic merge patches merge the list, by ->rules->merge_key or by value */
	SCHEMA_RETAIN_KEYS = 1 << 4,  /* ... and send $retainKeys */
	SCHEMA_MAP_ATOMIC = 1 << 5,   /* the object or map has one owner (x-kubernetes-map-type) */
	SCHEMA_NULLABLE = 1 << 6,     /* null is a value (CRDs) */
	SCHEMA_WRITE_ONLY = 1 << 7,   /* accepted, never kept */
	SCHEMA_MAY_BE_EMPTY = 1 << 8, /* required, but an empty value will do */
	SCHEMA_UNIQUE = 1 << 9,	      /* no two items with the same keys, or values */
};

/* Texts a value may have to follow; validate.h has each one's message. */
enum schema_format {
	SCHEMA_FORMAT_NONE,
	SCHEMA_DNS_LABEL, /* RFC 1123 label */
	SCHEMA_DNS_LABEL_1035,
	SCHEMA_DNS_SUBDOMAIN,
	SCHEMA_LABEL_KEY, /* qualified name */
	SCHEMA_LABEL_VALUE,
	SCHEMA_PATH_SEGMENT, /* anything but ".", "..", "/" and "%" */
	SCHEMA_CONFIG_KEY,
	SCHEMA_PORT,	  /* 1-65535 */
	SCHEMA_PORT_NAME, /* IANA service name */
	SCHEMA_PORT_OR_NAME,
	SCHEMA_ENV_NAME,
	SCHEMA_IP,
	SCHEMA_CIDR,
	SCHEMA_ABSOLUTE_PATH,
	SCHEMA_LOCAL_PATH,   /* relative, without ".." */
	SCHEMA_NON_NEGATIVE, /* "must be greater than or equal to 0" */
	SCHEMA_POSITIVE,
	SCHEMA_QUANTITY_NON_NEGATIVE,
	SCHEMA_PERCENT_OR_INT, /* "25%" or a non-negative integer */
	SCHEMA_LABELS,	       /* a map of labels */
	SCHEMA_NOT_EMPTY,
};

/*
 * One named check in C (check_int.h). @old is the value in the object before, NULL on create or when absent;
 * either may be NULL, not both.
 */
typedef void schema_check(struct check *c, yyjson_mut_val *value, yyjson_mut_val *old);
/* One named default in C, for an object of the type that names it. false: no memory. */
typedef bool schema_default(yyjson_mut_doc *doc, yyjson_mut_val *object);

/* What few fields have, kept apart so that the many are small. */
struct schema_rules {
	const char *def;		    /* JSON text of the default, or NULL */
	const char *const *enums;	    /* the values allowed, NULL-terminated, or NULL */
	const char *const *keys;	    /* of SCHEMA_LIST_MAP, NULL-terminated */
	const char *merge_key;		    /* of SCHEMA_MERGE; NULL: merge by value */
	const char *pattern;		    /* CRDs: a regular expression as ECMA 262 has them, or NULL */
	schema_check *check;		    /* NULL: none */
	const struct schema_crd_rules *crd; /* CRDs: what only structural schemas can say; NULL: nothing */
	/*
	 * SCHEMA_ANY's that is one of several things: its message in protobuf, with a field for each kind of JSON that
	 * it may be. NULL: the JSON itself.
	 */
	const struct schema_type *message;
	double min, max;	   /* inclusive; min > max: not limited */
	uint32_t min_len, max_len; /* bytes, items or entries; max_len 0: not limited */
	uint8_t format;		   /* enum schema_format */
	uint8_t key_format;	   /* of a map's keys */
};

struct schema_field {
	const char *name;		  /* in JSON */
	const char *doc;		  /* one line */
	const struct schema_type *type;	  /* SCHEMA_OBJECT's */
	const struct schema_rules *rules; /* or NULL */
	uint16_t tag;			  /* protobuf; 0: not in protobuf */
	uint16_t flags;
	uint8_t base;  /* enum schema_base, of the value, or of the list's or map's items */
	uint8_t shape; /* enum schema_shape */
	uint8_t list;  /* enum schema_list */
};

enum {
	SCHEMA_ALIAS =
		1
		/* the value is not an object but what fields[0] says (in protobuf: a message around it) */
		<< 0,
	SCHEMA_OPEN = 1 << 1,  /* unknown fields are kept (x-kubernetes-preserve-unknown-fields) */
	SCHEMA_EXACT = 1 << 2, /* zero values and nulls are kept as sent: CRDs */
	SCHEMA_EMBEDDED =
		1 << 3, /* has apiVersion, kind and metadata of its own (x-kubernetes-embedded-resource) */
	SCHEMA_ONE_OWNER = 1 << 4, /* atomic for appliers wherever it is used */
};

struct schema_type {
	const char *name;    /* "PodSpec" */
	const char *package; /* as OpenAPI names it: "io.k8s.api.core.v1" */
	const char *doc;
	const struct schema_field *fields; /* in order of names */
	schema_check *check;		   /* of the whole object, or NULL */
	schema_default *def;
	yyjson_val *structural; /* of a custom resource: the schema it was made from; NULL elsewhere */
	uint16_t n_fields;
	uint16_t flags;
	const struct rules *rules; /* in CEL, of that schema (rules.h) */
};

/* The message that one of several kinds of JSON is; NULL: it is not such a field. */
static inline const struct schema_type *schema_any_message(const struct schema_field *f)
{
	return f->base == SCHEMA_ANY && f->rules ? f->rules->message : NULL;
}

/* A printed column. Either @path is read, as JSONPath has it (".spec.replicas"), or the cell is computed. */
struct schema_column {
	const char *name;   /* as printed: "READY" is "Ready" */
	const char *type;   /* string, integer, date... */
	const char *format; /* "name" for the first, else "" */
	const char *doc;
	const char *path; /* or NULL */
	uint8_t cell;	  /* which computed cell (table.c) when @path is NULL */
	uint8_t priority; /* above 0: only with -o wide */
};

struct schema_subresource {
	const char *name; /* "status" */
	const char *group, *version,
		*kind; /* of what it takes: "autoscaling", "v1", "Scale"; kind NULL: as the resource */
	uint16_t verbs;
	/* scale: JSONPaths, as in a CRD; NULL elsewhere */
	const char *spec_replicas, *status_replicas, *selector;
};

enum {
	SCHEMA_GET = 1 << 0,
	SCHEMA_LISTS = 1 << 1,
	SCHEMA_WATCH = 1 << 2,
	SCHEMA_CREATE = 1 << 3,
	SCHEMA_UPDATE = 1 << 4,
	SCHEMA_PATCH = 1 << 5,
	SCHEMA_DELETE = 1 << 6,
	SCHEMA_DELETE_COLLECTION = 1 << 7,
	SCHEMA_ALL_VERBS = 0xff,
};

enum {
	SCHEMA_NAMESPACED = 1 << 0,
	SCHEMA_STATUS =
		1
		/* has a status of its own: a main write never changes it, a status write nothing else */
		<< 1,
	SCHEMA_GENERATION = 1 << 2,	  /* metadata.generation counts changes of spec */
	SCHEMA_REVIEW = 1 << 3,		  /* created to be answered, never stored */
	SCHEMA_LAZY = 1 << 4,		  /* kept with less care: leases, events (STORE_LAZY) */
	SCHEMA_CUSTOM = 1 << 5,		  /* of a CustomResourceDefinition */
	SCHEMA_CREATE_ON_UPDATE = 1 << 6, /* PUT of a name that does not exist creates it */
	SCHEMA_UNCONDITIONAL = 1 << 7,	  /* PUT without resourceVersion is accepted */
	SCHEMA_METRICS = 1 << 8,	  /* computed, never stored: metrics.k8s.io */
	SCHEMA_MAIN = 1 << 9,		  /* of a definition: schema_is_main() */
};

/* The webhook of a definition that makes one version of another (webhooks/conversion.h). */
struct schema_conversion {
	yyjson_val *client; /* clientConfig */
	const char *review; /* the version of ConversionReview in which it is asked */
};

struct schema_kind {
	const char *group; /* "" is core */
	const char *version;
	const char *api_version; /* "apps/v1" */
	const char *kind, *list_kind;
	const char *plural, *singular;
	const char *const *short_names; /* NULL-terminated, never NULL */
	const char *const *categories;
	const char *const *
		selectable; /* field selectors beside metadata.name and metadata.namespace: "spec.nodeName" */
	const struct schema_type *type;
	const struct schema_column *columns;
	const struct schema_subresource *subresources;
	const char *warning; /* what whoever uses this version is told; NULL: nothing */
	/* The kind in which objects are stored; itself unless this is another version of it (convert.h). */
	const struct schema_kind *stored;
	/* of a definition: all its versions, NULL-terminated, served or not; NULL elsewhere */
	const struct schema_kind *const *versions;
	const struct schema_conversion
		*conversion; /* NULL: versions differ in their name only, or by convert.c */
	uint8_t n_columns;
	uint8_t n_subresources;
	uint8_t name_format; /* enum schema_format of metadata.name */
	uint16_t verbs;
	uint16_t flags;
};

/* Of the served versions that have their objects in common, the one that is meant by who goes through all kinds. */
static inline bool schema_is_main(const struct schema_kind *k)
{
	return k->flags & SCHEMA_CUSTOM ? k->flags & SCHEMA_MAIN : !k->stored || k->stored == k;
}

/* A group and version, with what discovery says of it. */
struct schema_group_version {
	const char *group, *version;
	bool preferred; /* the version clients should use */
};

/* Built-in tables; custom.h has those beside them. Kinds are in discovery's order: group, version, plural. */
const struct schema_kind *schema_kinds(size_t *n);
/* Groups in the order of discovery (core first), versions of a group together, preferred first. */
const struct schema_group_version *schema_group_versions(size_t *n);
/*
 * Types by name that no kind has as its root: "DeleteOptions", "Status", "Scale", "Eviction"... NULL: no
 * such.
 */
const struct schema_type *schema_named_type(const char *name);

const struct schema_kind *schema_find(const char *group, const char *version, const char *plural);
const struct schema_kind *schema_find_kind(const char *api_version, const char *kind);

/* NULL when the type has no such field. */
const struct schema_field *schema_field(const struct schema_type *t, const char *name, size_t len);
const struct schema_subresource *schema_subresource(const struct schema_kind *k, const char *name);

/* "deployments.apps" / "Deployment.apps", or without the dot for core; into @buf, which it returns. */
const char *schema_resource_name(const struct schema_kind *k, char *buf, size_t size);
const char *schema_kind_name(const struct schema_kind *k, char *buf, size_t size);

#endif
