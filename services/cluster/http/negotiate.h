/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HTTP_NEGOTIATE_H
#define CLUSTER_HTTP_NEGOTIATE_H

/* What a client wants its answer to be: the Accept header, as upstream reads it. */

#include "lib/util.h"

enum encoding { ENCODING_JSON, ENCODING_PROTOBUF };
enum form { FORM_OBJECT, FORM_TABLE, FORM_PARTIAL };

#define CONTENT_JSON	       "application/json"
#define CONTENT_PROTOBUF       "application/vnd.kubernetes.protobuf"
#define CONTENT_PROTOBUF_WATCH CONTENT_PROTOBUF ";stream=watch"

/* What can be had. */
struct offer {
	bool protobuf; /* of the object itself; its metadata alone has protobuf in every kind, a Table in none */
	bool forms;    /* a Table, and the metadata alone */
};

struct negotiated {
	enum encoding encoding;
	enum form form;
	const char *version; /* of meta.k8s.io, for the forms */
};

/*
 * Of the types that can be had the one with the highest q, then the one that is no pattern, then the first; JSON when there is no header.
 * false: none of them, and @out is untouched.
 */
must_check bool negotiate(const char *accept, const struct offer *offer, struct negotiated *out);

#endif
