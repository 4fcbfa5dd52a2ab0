/* SPDX-License-Identifier: Apache-2.0 */

/* See unpack.h. The stream: inflate, hash, libarchive, and every bound that is counted along the way. */

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "engine/image/digest.h"
#include "engine/image/inflate.h"
#include "engine/image/unpack_int.h"
#include "lib/errno_text.h"

#define BOUNDS                                                                                               \
	.bytes = 1ULL << 40, .entries = 4 << 20, .ratio = 500, .ratio_from = 256 << 20, .depth = 256,        \
	.xattr_bytes = 256 << 10

const struct unpack_limits unpack_limits_default = {BOUNDS, .kinds = INFLATE_OF_LAYERS};
const struct unpack_limits unpack_limits_import = {BOUNDS, .kinds = INFLATE_ALL};
const struct unpack_limits unpack_limits_plain = {BOUNDS, .kinds = INFLATE_ALL, .plain = true};
const struct unpack_limits unpack_limits_context = {
	BOUNDS, .kinds = INFLATE_ALL, .plain = true, .cleaned = true};

struct stream {
	struct inflate *in;
	struct digest digest;
	const struct unpack_limits *limits;
	struct unpack_result *out;
	int err;
	bool ended;
};

static ssize_t next(struct stream *s, const void **buf)
{
	ssize_t n = inflate_next(s->in, buf);
	uint64_t in, out;

	if (n < 0) {
		snprintf(s->out->error, sizeof(s->out->error), "%s", inflate_error(s->in));
		return s->err = (int)n;
	}
	s->ended = n == 0;
	digest_update(&s->digest, *buf, (size_t)n);
	in = inflate_bytes_in(s->in);
	out = inflate_bytes_out(s->in);
	if (out > s->limits->bytes) {
		snprintf(s->out->error, sizeof(s->out->error), "larger than the limit of %llu bytes unpacked",
			(unsigned long long)s->limits->bytes);
		return s->err = -E2BIG;
	}
	if (out > s->limits->ratio_from && out / s->limits->ratio > in) {
		snprintf(s->out->error, sizeof(s->out->error),
			"its compression ratio exceeds the limit of %u", s->limits->ratio);
		return s->err = -E2BIG;
	}
	return n;
}

static la_ssize_t on_read(struct archive *a, void *arg, const void **buf)
{
	struct stream *s = arg;
	ssize_t n = next(s, buf);

	if (n < 0)
		archive_set_error(a, -(int)n, "%s", s->out->error);
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* Drops what means nothing; refuses what climbs, unless that is to be cleaned. `out` has PATH_MAX bytes. */
static int clean_path(
	struct tree *t, const char *path, const struct unpack_limits *limits, char *out, const char *what)
{
	unsigned depth = 0;
	size_t len = 0;

	*out = '\0';
	if (!path)
		return tree_refuse(t, -EPERM, "%s cannot be read", what);
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (!limits->cleaned)
				return tree_refuse(t, -EPERM, "%s climbs out with \"..\"", what);
			while (len && out[--len] != '/')
				;
			depth -= depth > 0;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (++depth > limits->depth)
				return tree_refuse(t, -E2BIG, "%s has more than %u components, the limit",
					what, limits->depth);
			if (n > NAME_MAX || len + n + 2 > PATH_MAX)
				return tree_refuse(t, -E2BIG, "%s is longer than the limit", what);
			if (len)
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
		path += *path == '/';
	}
	out[len] = '\0';
	return 0;
}

static int write_at(int fd, const char *p, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

/* 1: that was all, see below. */
static int put_file(
	struct stream *s, struct tree *t, struct archive *a, struct archive_entry *e, const char *path)
{
	const struct unpack_limits *limits = s->limits;
	cleanup(closep) int fd = -1;
	bool unpadded;
	int64_t size = archive_entry_size(e), end = 0;
	const void *buf;
	size_t len;
	la_int64_t at;
	int r = tree_file(t, path, &fd);

	if (r < 0)
		return r;
	if (size < 0 || (uint64_t)size > limits->bytes)
		return tree_refuse(
			t, -E2BIG, "a file of %lld bytes is larger than the limit", (long long)size);
	while (size && (r = archive_read_data_block(a, &buf, &len, &at)) == ARCHIVE_OK) {
		if (at < end || (uint64_t)at + len > (uint64_t)size)
			return tree_refuse(t, -EBADMSG, "sparse file whose pieces do not fit");
		r = write_at(fd, buf, len, at);
		if (r < 0)
			return tree_refuse(t, r, "cannot write: %s", errno_text(-r));
		end = at + (int64_t)len;
		t->out->size_bytes += len;
	}
	/*
	 * An archive may end with the last byte of its last file, without what fills the block or marks the end: that is how
	 * Docker's client sends a context whose Dockerfile is from elsewhere, and Go's archive/tar takes it.
	 */
	unpadded = size && r == ARCHIVE_FATAL && end == size && s->ended;
	if (size && r != ARCHIVE_EOF && !unpadded)
		return tree_refuse(t, -EBADMSG, "%s",
			archive_error_string(a) ? archive_error_string(a) : "damaged archive");
	if (end < size && ftruncate(fd, size) < 0)
		return tree_refuse(t, -errno, "cannot set its size: %s", errno_text(errno));
	r = tree_attrs(t, fd, e, true);
	return r < 0 ? r : unpadded;
}

static int check_xattrs(struct tree *t, struct archive_entry *e, size_t max)
{
	const char *name;
	const void *value;
	size_t size, sum = 0;

	if (archive_entry_xattr_reset(e) == 0)
		return 0;
	while (archive_entry_xattr_next(e, &name, &value, &size) == 0) {
		sum += size;
		if (sum > max)
			return tree_refuse(t, -E2BIG,
				"its extended attributes are larger than the limit of %zu bytes", max);
	}
	return 0;
}

/* 1: it was the last. */
static int put_entry(struct stream *s, struct tree *t, struct archive *a, struct archive_entry *e)
{
	const struct unpack_limits *limits = s->limits;
	const char *link = archive_entry_hardlink(e), *target = archive_entry_symlink(e), *base;
	char path[PATH_MAX], link_path[PATH_MAX];
	int r;

	r = clean_path(t, archive_entry_pathname(e), limits, path, "its name");
	if (r == 0)
		r = check_xattrs(t, e, limits->xattr_bytes);
	if (r < 0)
		return r;
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (!limits->plain && !strncmp(base, ".wh.", 4))
		return tree_whiteout(t, path);
	if (archive_entry_uid(e) < 0 || archive_entry_uid(e) >= UINT32_MAX || archive_entry_gid(e) < 0 ||
		archive_entry_gid(e) >= UINT32_MAX)
		return tree_refuse(t, -EPERM, "its owner is out of range");

	if (link) {
		r = clean_path(t, link, limits, link_path, "the target of the hard link");
		if (r < 0)
			return r;
		if (!*path || !*link_path)
			return tree_refuse(t, -EPERM, "hard link to or from the root");
		return tree_link(t, path, link_path);
	}
	if (!*path && archive_entry_filetype(e) != AE_IFDIR)
		return tree_refuse(t, -EPERM, "the root is not a directory");
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(s, t, a, e, path);
	case AE_IFDIR:
		return tree_dir(t, path, e);
	case AE_IFLNK:
		if (!target || !*target || strlen(target) >= PATH_MAX)
			return tree_refuse(t, -EPERM, "a symbolic link whose target is empty or too long");
		return tree_symlink(t, path, e, target);
	case AE_IFCHR:
	case AE_IFBLK:
		if (limits->plain)
			return tree_refuse(t, -EPERM, "a device");
		/* fallthrough */
	case AE_IFIFO:
		return tree_node(t, path, e);
	default:
		return tree_refuse(t, -EPERM, "an entry of unknown type");
	}
}

/* Puts the entry's name before the reason, with what could upset a terminal replaced. */
static void name_entry(struct unpack_result *out, const char *path)
{
	char reason[sizeof(out->error)], shown[201];
	size_t n = 0;

	for (; path && path[n] && n < sizeof(shown) - 1; n++)
		shown[n] =
			path[n] >= ' ' && path[n] < 127 && path[n] != '"' && path[n] != '\\' ? path[n] : '?';
	shown[n] = '\0';
	memcpy(reason, out->error, sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	snprintf(out->error, sizeof(out->error), "entry \"%s\": %.500s", shown, reason);
}

static int walk(struct stream *s, struct tree *t)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	const void *rest;
	ssize_t n;
	int r = 0;

	if (!a)
		return tree_refuse(t, -ENOMEM, "out of memory");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
		archive_read_support_format_empty(a) != ARCHIVE_OK ||
		archive_read_open(a, s, NULL, on_read, NULL) != ARCHIVE_OK) {
		r = s->err < 0
			    ? s->err
			    : tree_refuse(t, -EBADMSG, "not a tar archive: %s",
				      archive_error_string(a) ? archive_error_string(a) : "unknown format");
		goto out;
	}
	while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		/* pax names are UTF-8 by definition; libarchive would put another character for what is not
		 */
		if (r == ARCHIVE_WARN && archive_error_string(a) &&
			strstr(archive_error_string(a), "converted")) {
			r = tree_refuse(t, -EPERM, "a name that is not UTF-8");
			name_entry(s->out, archive_entry_pathname(e));
			goto out;
		}
		if (++s->out->entries > s->limits->entries) {
			r = tree_refuse(t, -E2BIG, "more entries than the limit of %llu",
				(unsigned long long)s->limits->entries);
			goto out;
		}
		r = put_entry(s, t, a, e);
		if (r < 0) {
			if (s->err < 0)
				r = s->err;
			else
				name_entry(s->out, archive_entry_pathname(e));
			goto out;
		}
		if (r > 0) {
			r = 0;
			goto out;
		}
	}
	if (r != ARCHIVE_EOF) {
		r = s->err < 0
			    ? s->err
			    : tree_refuse(t, -EBADMSG, "damaged tar archive: %s",
				      archive_error_string(a) ? archive_error_string(a) : "unknown format");
		goto out;
	}
	/* the digest covers what comes after the end of the archive too */
	while ((n = next(s, &rest)) > 0)
		;
	r = n < 0 ? (int)n : 0;
out:
	archive_read_free(a);
	return r;
}

int unpack(ssize_t (*read)(void *buf, size_t len, void *arg), void *arg, int root,
	const struct unpack_limits *limits, struct unpack_result *out)
{
	struct stream s = {.limits = limits, .out = out};
	struct tree *t;
	mode_t mask;
	int r;

	memset(out, 0, sizeof(*out));
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	mask = umask(0);
	/* without it libarchive takes the process to speak ASCII, and writes ? for the rest */
	setlocale(LC_CTYPE, "C.UTF-8");
	t->root = root;
	t->parent_fd = -1;
	t->out = out;
	r = inflate_new(&s.in, limits->kinds, read, arg);
	if (r == 0) {
		digest_init(&s.digest);
		r = walk(&s, t);
		digest_final(&s.digest, out->diff_id);
		if (r == 0)
			tree_set_times(t);
		inflate_free(s.in);
	}
	tree_fini(t);
	free(t);
	umask(mask);
	return r;
}

void unpack_result_fini(struct unpack_result *r)
{
	for (size_t i = 0; i < r->n_opaque; i++)
		free(r->opaque[i]);
	free(r->opaque);
	r->opaque = NULL;
	r->n_opaque = 0;
}
