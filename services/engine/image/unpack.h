/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_UNPACK_H
#define ENGINE_IMAGE_UNPACK_H

/*
 * A layer's tar stream becomes a directory.
 *
 * Nothing in the stream is trusted. Every path is resolved from the layer's own root with openat2(), beneath
 * it and without following any link; links are stored as written. A name or a hard-link target that climbs
 * out is refused, and so is a name that goes through a link or a file of the same layer. A leading `/` is
 * stripped. `.wh.NAME` becomes overlay's whiteout, a character device 0/0; directories to be marked opaque
 * are reported, because marking them takes a privilege this code does not hold. Of extended attributes user.*
 * and security.capability are kept, others dropped.
 */

#include <stdint.h>

#include "engine/image.h"

struct unpack_limits {
	uint64_t bytes; /* of the uncompressed stream */
	uint64_t entries;
	unsigned ratio;	     /* uncompressed to compressed, once... */
	uint64_t ratio_from; /* ...this many bytes have come out */
	unsigned depth;	     /* components of a path */
	size_t xattr_bytes;  /* an entry */
	unsigned kinds;	     /* of compression, a set of inflate.h's */
	bool plain;	     /* no layer: names that begin with .wh. are names, devices are refused */
	bool cleaned;	     /* ".." in a name is one directory up and ends at the root; else it is refused */
};

/* For layers as they come from a registry or lie in an image; for the stream that import makes a layer of; for archives
 * that are none, as of docker save; for the context of a build, whose names Docker cleans. */
extern const struct unpack_limits unpack_limits_default, unpack_limits_import, unpack_limits_plain,
	unpack_limits_context;

struct unpack_result {
	char diff_id[IMAGE_DIGEST_LEN + 1]; /* of the uncompressed stream */
	uint64_t size_bytes;		    /* of the files */
	uint64_t entries;
	char **opaque; /* owned; paths relative to the root, "" is the root itself */
	size_t n_opaque;
	char error[768]; /* why it failed, naming the entry */
};

/**
 * unpack() - read a stream to its end into an empty directory
 * @read:	the compressed stream, as inflate.h takes it
 * @root:	borrowed; an open directory
 *
 * Return: 0, -EBADMSG for a damaged stream, -EPERM for a hostile one, -E2BIG for one beyond the limits,
 * -ENOTSUP for a compression that is not in the limits, or another -errno, -ENOSPC among them. @out is always to be released.
 */
must_check int unpack(ssize_t (*read)(void *buf, size_t len, void *arg), void *arg, int root,
	const struct unpack_limits *limits, struct unpack_result *out);
void unpack_result_fini(struct unpack_result *r);

#endif
