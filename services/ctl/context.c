/* SPDX-License-Identifier: Apache-2.0 */

/* A docker context is a tar of meta.json and tls/docker/{ca,cert,key}.pem. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "ctl/context.h"

enum { CONTEXT_MAX = 64 * 1024 };

static int add(struct archive *a, const char *name, const char *text)
{
	struct archive_entry *e = archive_entry_new();
	size_t len = strlen(text);
	bool ok;

	if (!e)
		return -ENOMEM;
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0600);
	archive_entry_set_size(e, (la_int64_t)len);
	ok = archive_write_header(a, e) == ARCHIVE_OK && archive_write_data(a, text, len) == (la_ssize_t)len;
	archive_entry_free(e);
	return ok ? 0 : -ENOSPC;
}

int context_tar(const struct context *c, void **out, size_t *len)
{
	cleanup(freep) char *meta = NULL;
	cleanup(freep) void *buf = malloc(CONTEXT_MAX);
	struct archive *a = archive_write_new();
	int r = -ENOMEM;

	*len = 0;
	/* Both strings were checked to hold no character that JSON would want escaped. */
	if (asprintf(&meta,
		    "{\"Name\":\"%s\",\"Metadata\":{\"Description\":\"Wherry node\"},"
		    "\"Endpoints\":{\"docker\":{\"Host\":\"%s\",\"SkipTLSVerify\":false}}}",
		    c->name, c->host) < 0)
		meta = NULL;
	if (a && buf && meta) {
		r = archive_write_set_format_ustar(a) == ARCHIVE_OK &&
				    archive_write_open_memory(a, buf, CONTEXT_MAX, len) == ARCHIVE_OK
			    ? 0
			    : -ENOMEM;
		if (!r)
			r = add(a, "meta.json", meta);
		if (!r)
			r = add(a, "tls/docker/ca.pem", c->ca);
		if (!r)
			r = add(a, "tls/docker/cert.pem", c->cert);
		if (!r)
			r = add(a, "tls/docker/key.pem", c->key);
		if (!r && archive_write_close(a) != ARCHIVE_OK)
			r = -ENOSPC;
	}
	if (a)
		archive_write_free(a);
	if (!r)
		*out = take(buf);
	return r;
}
