/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_INITCTL_WIRE_H
#define LIB_INITCTL_WIRE_H

/*
 * What travels on init's control socket: SOCK_SEQPACKET, one request a packet, one reply a packet, in order.
 * Both ends come from one image, so integers are the machine's own. Descriptors travel as SCM_RIGHTS beside
 * the request (watch, put) or the reply (get).
 *
 * Nothing is queued in init: a list is taken in pages, each answer carrying the cursor that asks for the
 * next, and a subscriber is sent what init keeps anyway. A client that does not read its reply is
 * disconnected.
 */

#include <stdint.h>

#include "lib/initctl.h"

enum { WIRE_VERSION = 1 };

enum wire_op {
	WIRE_WATCH = 1, /* name, one pidfd */
	WIRE_UNWATCH,	/* name */
	WIRE_SUBSCRIBE, /* name is the prefix; after the reply, one reply with one record for each exit */
	WIRE_ACK,	/* value is the sequence number */
	WIRE_RUNNING,	/* name is the prefix, value the cursor; records */
	WIRE_PUT,	/* name, 1..INITCTL_FDS_MAX descriptors */
	WIRE_GET,	/* name; descriptors */
	WIRE_DROP,	/* name */
	WIRE_LIST,	/* name is the prefix, value the cursor; names, a line each */
	WIRE_COMMAND,	/* text; text */
	WIRE_OPS
};

struct wire_request {
	uint16_t version;
	uint16_t op;
	uint32_t text_len; /* bytes behind this head, WIRE_COMMAND only */
	uint64_t value;
	char name[INITCTL_NAME_MAX + 1]; /* NUL-padded */
};

struct wire_reply {
	int32_t result;	 /* -errno or what the verb returns */
	uint32_t count;	 /* records behind this head, or bytes of text */
	uint64_t cursor; /* ask again with this; 0: that was all */
};

enum { WIRE_TEXT_MAX = 512, WIRE_PAYLOAD_MAX = 32768, WIRE_RECORDS_MAX = 64 };

_Static_assert(WIRE_RECORDS_MAX * sizeof(struct initctl_exit) <= WIRE_PAYLOAD_MAX, "a page of records fits");

#endif
