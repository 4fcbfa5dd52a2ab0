/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_DOWNLOAD_H
#define LIB_DOWNLOAD_H

#include "lib/sha256.h"
#include "lib/util.h"

struct web_proxy;

struct download_wanted {
	const char *url;	       /* http:// or https:// */
	int to;			       /* borrowed; an empty file, from 3 on */
	const struct web_proxy *proxy; /* NULL: none */
	uint64_t bytes_max;	       /* not 0; -EFBIG beyond it */
	unsigned seconds_max; /* for all of it, -ETIMEDOUT beyond; 0: no limit but the floor of lib/web.h */
	bool link_local;      /* its server, and those it redirects to, may have an address of the link */
};

struct download_result {
	/* As the child says, which has read what the server sent: whoever decides by it hashes the file. */
	uint8_t sha256[SHA256_SIZE];
	uint64_t bytes;
	int64_t modified_s; /* Last-Modified; -1: not said */
	char error[512];    /* names the URL that it is about */
};

/**
 * download() - one file of the web into a file
 *
 * In a sandboxed child with the network, that file, standard error and nothing else that the caller has open; the caller waits for it. Certificates are checked against
 * the public authorities. Redirects are followed, a few, but never from encrypted to plain; link-local addresses are
 * refused unless they are wanted.
 *
 * Return: 0 or -errno with out->error: -ENOENT (404), -EPERM (an address or a redirect refused), -ELOOP (too many
 * redirects), -EFBIG, -ETIMEDOUT, -EHOSTUNREACH (the connection), -EPROTO (another answer), ...
 */
must_check int download(const struct download_wanted *w, struct download_result *out);

#endif
