/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_DOWNLOAD_H
#define ENGINE_BUILD_DOWNLOAD_H

#include <stdint.h>

#include "engine/image.h"

struct download_result {
	char digest[IMAGE_DIGEST_LEN + 1];
	uint64_t bytes;
	int64_t modified_s; /* Last-Modified; -1: not said */
	char error[512];
};

/**
 * download() - an address of the web into a file: ADD, and remote contexts
 * @url:	http:// or https://
 * @to:		borrowed; an empty file
 * @config:	path of the machine configuration, for its proxy; NULL: none
 *
 * In a sandboxed child with the network and without files. Redirects are followed, a few, but never from encrypted
 * to plain; link-local addresses are refused. Return: 0 or -errno with out->error.
 */
must_check int download(const char *url, int to, const char *config, struct download_result *out);

#endif
