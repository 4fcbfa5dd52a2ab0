/* SPDX-License-Identifier: Apache-2.0 */

/* A file of the web for a build: ADD, and remote contexts. */

#include <errno.h>
#include <fcntl.h>

#include "engine/build/build_int.h"
#include "engine/image/registries.h"
#include "lib/download.h"
#include "lib/file.h"

enum { CONFIG_MAX = 4 << 20 };
static const uint64_t bytes_max = 16ULL << 30;

int build_download(struct build *b, const char *url, int to, struct download_result *out)
{
	cleanup(web_proxy_fini) struct web_proxy proxy = {NULL};
	const struct download_wanted wanted = {.url = url, .to = to, .proxy = &proxy, .bytes_max = bytes_max};
	const char *path = work_text(b->w, "config");
	cleanup(freep) char *config = NULL;
	size_t len = 0;

	*out = (struct download_result){.modified_s = -1};
	/* without a configuration there is no proxy either */
	if (path && file_read(AT_FDCWD, path, CONFIG_MAX, &config, &len) < 0)
		config = NULL;
	if (registry_proxy_init(&proxy, config, len) < 0)
		return -ENOMEM;
	return download(&wanted, out);
}
