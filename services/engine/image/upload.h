/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_UPLOAD_H
#define ENGINE_IMAGE_UPLOAD_H

/*
 * Bytes on their way to a registry (distribution-spec, "Push"): an uploader is a process with the network and
 * without files (lib/sandbox.h), one a blob; its transfers block. It says what becomes of them in whole structures on
 * a pipe that all uploaders share.
 */

#include <stdint.h>
#include <sys/types.h>

#include "engine/image/fetch.h"

enum upload_kind { UPLOAD_BLOB, UPLOAD_MANIFEST };

struct upload {
	enum upload_kind kind;
	uint32_t id;
	int fd; /* the bytes, a file; borrowed */
	uint64_t size_bytes;
	char what[IMAGE_TAG_MAX + 1]; /* blob: its digest; manifest: a tag */
	const char *media_type;	      /* manifest */
	const char *from; /* a repository of the same registry that may have the blob; NULL: none known */
};

enum upload_outcome {
	UPLOAD_PROGRESS,
	UPLOAD_RETRY,
	UPLOAD_EXISTS,
	UPLOAD_MOUNTED,
	UPLOAD_DONE,
	UPLOAD_FAILED
};

struct upload_event {
	uint32_t id;
	uint32_t type;
	int32_t err;
	uint32_t seconds; /* RETRY */
	uint64_t bytes;
	char text[512];
};

/* Starts it; events come on @events. Its pid, or -errno. */
must_check pid_t upload_start(const struct upload *u, const struct fetch_setup *setup, int events);

#endif
