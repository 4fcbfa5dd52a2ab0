/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_FETCH_H
#define ENGINE_IMAGE_FETCH_H

/*
 * The downloader: a process with the network and without files (lib/sandbox.h). The puller sends it one request
 * for each document or layer together with the descriptor that its bytes go to, and gets events back; both
 * are whole messages on a SOCK_SEQPACKET pair, and both ends are the same program, so they are plain
 * structures.
 *
 * Transfers run side by side on kept connections. One that breaks goes on where it stopped (range request)
 * after a growing pause; a reader that is slow stops only its own transfer. The digest is computed on the
 * way.
 */

#include <stdint.h>

#include "engine/image.h"
#include "engine/image/auth.h"
#include "engine/image/manifest.h"
#include "engine/image/registries.h"

enum fetch_kind {
	FETCH_MANIFEST,
	FETCH_BLOB,
	FETCH_PING /* the registry itself, no mirror: are we let in? */
};

struct fetch_request {
	uint32_t id;
	uint32_t kind;
	uint64_t size_bytes;	      /* exactly, for blobs; at most, for manifests */
	char what[IMAGE_TAG_MAX + 1]; /* digest, or for manifests a tag */
};

enum fetch_type { FETCH_PROGRESS, FETCH_RETRY, FETCH_DONE, FETCH_FAILED };

struct fetch_event {
	uint32_t id;
	uint32_t type;
	int32_t err; /* FAILED: -EACCES, -ENOENT, -EPERM (refused by a rule of ours), -EBADMSG (not what was
			asked for), ... */
	uint32_t seconds; /* RETRY: until then */
	uint64_t bytes;	  /* so far */
	char text[512];	  /* FAILED, RETRY: why */
};

struct fetch_setup {
	const char *path; /* of the repository */
	const struct registry_endpoints *endpoints;
	const struct auth_credentials *credentials;
	unsigned patience_s; /* with a transfer below the floor (fetch_int.h); 0: as long as is usual */
};

/* Runs until the other end of @sock is closed. Return: exit status. */
int fetch_main(int sock, const struct fetch_setup *setup);

/*
 * Sends a request with its descriptors, which the caller closes afterwards: @sink gets the bytes, and so does
 * the file @copy unless it is -1. 0 or -errno.
 */
must_check int fetch_ask(int sock, const struct fetch_request *req, int sink, int copy);

#endif
