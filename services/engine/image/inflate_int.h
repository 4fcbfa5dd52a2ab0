/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_INFLATE_INT_H
#define ENGINE_IMAGE_INFLATE_INT_H

/*
 * Between inflate.c (the stream and what it is) and the decoders, a file each. Every decoder goes straight from the
 * input buffer to the output buffer, and comes back with at least a byte, the end, or an error.
 */

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include "engine/image/inflate.h"

enum { INFLATE_IN_SIZE = 256 << 10, INFLATE_OUT_SIZE = 256 << 10 };

struct inflate {
	ssize_t (*read)(void *buf, size_t len, void *arg);
	void *arg;
	unsigned kinds;			       /* that are read */
	const struct inflate_decoder *decoder; /* NULL: nothing was read yet */
	size_t pos, end;		       /* of what is unread in the input buffer */
	bool eof;			       /* of the input */
	bool open;			       /* inside a member, a frame or a stream */
	uint64_t bytes_in, bytes_out;
	const char *error;
	char text[200]; /* of an error that has numbers in it */
	union {
		struct inflate_state gzip;
		ZSTD_DStream *zstd;
		lzma_stream xz;
		bz_stream bzip2;
	};
	uint8_t in[INFLATE_IN_SIZE];
	uint8_t out[INFLATE_OUT_SIZE];
};

struct inflate_decoder {
	int (*start)(struct inflate *in); /* NULL: nothing to do */
	ssize_t (*next)(struct inflate *in);
	void (*stop)(struct inflate *in); /* also after a start that failed; NULL: nothing to do */
};

extern const struct inflate_decoder inflate_gzip, inflate_zstd, inflate_xz, inflate_bzip2;

/* Adds to what is unread; 0 also at the end of the input, or -errno. */
must_check int inflate_fill(struct inflate *in);
/* Sets the error; -EBADMSG. */
ssize_t inflate_refuse(struct inflate *in, const char *why);

#endif
