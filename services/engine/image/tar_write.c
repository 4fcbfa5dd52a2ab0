/* SPDX-License-Identifier: Apache-2.0 */

/* See tar_write.h. Field by field as POSIX.1-2001 pax(1) has them. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/image/tar_write.h"

enum { BLOCK = 512, NAME = 100, PREFIX = 155 };

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], type, linkname[100],
		magic[8], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static int put(struct tar_out *t, const void *buf, size_t len)
{
	t->bytes += len;
	return t->write(buf, len, t->arg);
}

/* Zeros up to the next block. */
static int pad(struct tar_out *t)
{
	static const char zeros[BLOCK];
	size_t over = t->bytes % BLOCK;

	return over ? put(t, zeros, BLOCK - over) : 0;
}

/* Digits and a NUL; false when it does not fit. */
static bool octal(char *field, size_t size, uint64_t v)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)v);

	if ((size_t)n > size - 1)
		return false;
	memcpy(field, text, size);
	return true;
}

/* name, or prefix/name; false when neither holds it. */
static bool put_name(struct header *h, const char *path)
{
	size_t len = strlen(path);

	if (len <= NAME) {
		memcpy(h->name, path, len);
		return true;
	}
	for (const char *slash = path + len - 1; slash > path; slash--) {
		size_t before = (size_t)(slash - path), after = len - before - 1;

		if (*slash != '/' || before > PREFIX || after == 0)
			continue;
		if (after > NAME)
			return false;
		memcpy(h->prefix, path, before);
		memcpy(h->name, slash + 1, after);
		return true;
	}
	return false;
}

static void checksum(struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += p[i];
	snprintf(h->chksum, sizeof(h->chksum), "%06o", sum);
}

/* ---- pax records: "LENGTH KEY=VALUE\n", the length counting itself */

struct records {
	FILE *f;
	char *text;
	size_t len;
};

static void record(struct records *r, const char *key, const char *suffix, const void *value, size_t len)
{
	size_t rest = strlen(key) + strlen(suffix) + len + 3, total = rest + 1;
	char digits[24];

	if (!r->f)
		r->f = open_memstream(&r->text, &r->len);
	if (!r->f)
		return;
	for (;;) {
		size_t n = (size_t)snprintf(digits, sizeof(digits), "%zu", total);

		if (n + rest == total)
			break;
		total = n + rest;
	}
	fprintf(r->f, "%s %s%s=", digits, key, suffix);
	fwrite(value, 1, len, r->f);
	fputc('\n', r->f);
}

static void record_number(struct records *r, const char *key, int64_t v)
{
	char text[24];

	record(r, key, "", text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v));
}

static char type_of(const struct tar_entry *e)
{
	switch (e->mode & S_IFMT) {
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return e->link ? '1' : '3';
	case S_IFBLK:
		return e->link ? '1' : '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return e->link ? '1' : '6';
	default:
		return e->link ? '1' : '0';
	}
}

static void basic(struct header *h, char type, mode_t mode)
{
	memset(h, 0, sizeof(*h));
	octal(h->mode, sizeof(h->mode), mode & 07777);
	octal(h->uid, sizeof(h->uid), 0);
	octal(h->gid, sizeof(h->gid), 0);
	octal(h->size, sizeof(h->size), 0);
	octal(h->mtime, sizeof(h->mtime), 0);
	octal(h->devmajor, sizeof(h->devmajor), 0);
	octal(h->devminor, sizeof(h->devminor), 0);
	memcpy(h->magic, "ustar\00000", 8);
	h->type = type;
}

static int put_records(struct tar_out *t, struct records *r)
{
	struct header h;
	bool bad = !r->f || ferror(r->f);
	int err;

	if (fclose(r->f) || bad)
		return -ENOMEM;
	r->f = NULL;
	basic(&h, 'x', 0644);
	strcpy(h.name, "PaxHeaders/entry");
	if (!octal(h.size, sizeof(h.size), r->len))
		return -E2BIG;
	checksum(&h);
	err = put(t, &h, sizeof(h));
	if (err == 0)
		err = put(t, r->text, r->len);
	return err ? err : pad(t);
}

int tar_header(struct tar_out *t, const struct tar_entry *e)
{
	cleanup(freep) char *dir = NULL;
	const char *path = e->path;
	struct records r = {0};
	struct header h;
	int err = 0;

	if (S_ISDIR(e->mode)) {
		if (asprintf(&dir, "%s%s", path, strcmp(path, "/") ? "/" : "") < 0) {
			dir = NULL;
			return -ENOMEM;
		}
		path = dir;
	}
	basic(&h, type_of(e), e->mode);
	t->left = h.type == '0' ? e->size_bytes : 0;

	if (!put_name(&h, path)) {
		memcpy(h.name, path, NAME);
		record(&r, "path", "", path, strlen(path));
	}
	if (e->link && strlen(e->link) <= NAME)
		memcpy(h.linkname, e->link, strlen(e->link));
	else if (e->link)
		record(&r, "linkpath", "", e->link, strlen(e->link));
	if (!octal(h.uid, sizeof(h.uid), e->uid))
		record_number(&r, "uid", e->uid);
	if (!octal(h.gid, sizeof(h.gid), e->gid))
		record_number(&r, "gid", e->gid);
	if (!octal(h.size, sizeof(h.size), t->left))
		record_number(&r, "size", (int64_t)t->left);
	if (e->mtime_s < 0 || !octal(h.mtime, sizeof(h.mtime), (uint64_t)e->mtime_s))
		record_number(&r, "mtime", e->mtime_s);
	for (size_t i = 0; i < e->n_xattrs; i++)
		record(&r, "SCHILY.xattr.", e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].len);
	if (h.type == '3' || h.type == '4')
		if (!octal(h.devmajor, sizeof(h.devmajor), e->major) ||
			!octal(h.devminor, sizeof(h.devminor), e->minor))
			err = -ERANGE;
	if (r.f) {
		int put_err = put_records(t, &r);

		err = err ? err : put_err;
	}
	free(r.text);
	checksum(&h);
	return err ? err : put(t, &h, sizeof(h));
}

int tar_data(struct tar_out *t, const void *buf, size_t len)
{
	int r;

	if (len > t->left)
		return -EFBIG;
	r = put(t, buf, len);
	t->left -= len;
	return r || t->left ? r : pad(t);
}

int tar_end(struct tar_out *t)
{
	static const char zeros[2 * BLOCK];

	return put(t, zeros, sizeof(zeros));
}

int tar_file(struct tar_out *t, const char *path, int64_t mtime_s, const void *data, size_t len)
{
	struct tar_entry e = {.path = path, .mode = S_IFREG | 0644, .mtime_s = mtime_s, .size_bytes = len};
	int r = tar_header(t, &e);

	return r || !len ? r : tar_data(t, data, len);
}
