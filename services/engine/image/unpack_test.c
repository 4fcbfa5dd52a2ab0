/* SPDX-License-Identifier: Apache-2.0 */

/* Layers made by hand, byte by byte, because no honest tool writes the hostile ones. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cmocka.h>
#include <lzma.h>
#include <zlib.h>

#include "engine/image/digest.h"
#include "engine/image/disk.h"
#include "engine/image/unpack.h"

struct tarball {
	uint8_t *p;
	size_t len, max, pos;
	uint64_t endless; /* bytes of repeated content still to come */
};

struct fix {
	char top[64];
	int root;
	struct tarball tar;
	struct unpack_result result;
	struct unpack_limits limits;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/unpack-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	assert_int_equal(mkdir("/tmp/unpack-outside", 0755) == 0 || errno == EEXIST, 1);
	f->root = open(f->top, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(f->root, "layer", 0755), 0);
	close(f->root);
	strcat(f->top, "/layer");
	f->root = open(f->top, O_RDONLY | O_DIRECTORY);
	f->limits = unpack_limits_default;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	close(f->root);
	*strrchr(f->top, '/') = '\0';
	assert_int_equal(disk_remove_tree(AT_FDCWD, f->top), 0);
	unpack_result_fini(&f->result);
	free(f->tar.p);
	free(f);
	return 0;
}

static void put_bytes(struct tarball *t, const void *p, size_t len)
{
	if (t->len + len > t->max) {
		t->max = (t->len + len) * 2;
		t->p = realloc(t->p, t->max);
		assert_non_null(t->p);
	}
	memcpy(t->p + t->len, p, len);
	t->len += len;
}

struct member {
	const char *name;
	char type; /* as ustar has it; 0: a file */
	const char *link;
	const char *data;
	size_t size; /* of data; 0: its strlen */
	unsigned mode, uid, major, minor;
};

static void octal(char *to, size_t width, uint64_t v)
{
	for (to[--width] = '\0'; width-- > 0; v >>= 3)
		to[width] = (char)('0' + (v & 7));
}

static void put(struct tarball *t, struct member m)
{
	static const char zeros[512];
	char h[512] = {0};
	unsigned sum = 0;
	size_t size = m.size ? m.size : m.data ? strlen(m.data) : 0;

	strncpy(h, m.name, 100);
	octal(h + 100, 8, m.mode ? m.mode : 0644);
	octal(h + 108, 8, m.uid);
	octal(h + 116, 8, m.uid);
	octal(h + 124, 12, size);
	octal(h + 136, 12, 1000000000);
	memset(h + 148, ' ', 8);
	h[156] = m.type ? m.type : '0';
	if (m.link)
		strncpy(h + 157, m.link, 100);
	memcpy(h + 257, "ustar\00000", 8);
	octal(h + 329, 8, m.major);
	octal(h + 337, 8, m.minor);
	for (size_t i = 0; i < 512; i++)
		sum += (uint8_t)h[i];
	octal(h + 148, 7, sum);
	put_bytes(t, h, 512);
	if (m.data) {
		put_bytes(t, m.data, size);
		put_bytes(t, zeros, (512 - size % 512) % 512);
	}
}

static void put_pax(struct tarball *t, const char *key, const char *value, size_t len)
{
	char rec[9000], num[16];
	size_t n = strlen(key) + len + 3, digits = 1;

	for (size_t total = n + digits; (size_t)snprintf(num, sizeof(num), "%zu", total) != digits;
		total = n + digits)
		digits++;
	digits = (size_t)snprintf(rec, sizeof(rec), "%zu %s=", n + digits, key);
	memcpy(rec + digits, value, len);
	rec[digits + len] = '\n';
	put(t, (struct member){"pax", 'x', NULL, rec, digits + len + 1, 0, 0, 0, 0});
}

static void put_end(struct tarball *t)
{
	static const char zeros[1024];

	put_bytes(t, zeros, sizeof(zeros));
}

static ssize_t from_memory(void *buf, size_t len, void *arg)
{
	struct tarball *t = arg;
	size_t n = t->len - t->pos;

	if (n == 0 && t->endless) {
		n = len < t->endless ? len : (size_t)t->endless;
		memset(buf, 'x', n);
		t->endless -= n;
		return (ssize_t)n;
	}
	n = n < len ? n : len;
	memcpy(buf, t->p + t->pos, n);
	t->pos += n;
	return (ssize_t)n;
}

static int run(struct fix *f)
{
	unpack_result_fini(&f->result);
	f->tar.pos = 0;
	return unpack(from_memory, &f->tar, f->root, &f->limits, &f->result);
}

static void expect_file(struct fix *f, const char *path, const char *text)
{
	char buf[256] = {0};
	int fd = openat(f->root, path, O_RDONLY | O_NOFOLLOW);

	assert_true(fd >= 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	close(fd);
	assert_string_equal(buf, text);
}

static struct stat stat_of(struct fix *f, const char *path)
{
	struct stat st;

	if (fstatat(f->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st;
}

static bool absent(struct fix *f, const char *path)
{
	struct stat st;

	return fstatat(f->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static void honest(void **state)
{
	struct fix *f = *state;
	struct tarball *t = &f->tar;
	char digest[IMAGE_DIGEST_LEN + 1], link[64] = {0}, big[5000], name[300];
	struct stat st;

	memset(big, 'b', sizeof(big));
	memset(name, 'n', 200);
	strcpy(name + 200, "/f");
	put(t, (struct member){.name = "./", .type = '5', .mode = 0750});
	put(t, (struct member){.name = "bin/", .type = '5', .mode = 0755});
	put(t, (struct member){.name = "bin/tool", .mode = 04755, .data = "tool"});
	put(t, (struct member){.name = "bin/same", .type = '1', .link = "bin/tool"});
	put(t, (struct member){.name = "bin/abs", .type = '1', .link = "/bin/tool"});
	put(t, (struct member){.name = "etc/passwd", .type = '2', .link = "../../../outside"});
	put(t, (struct member){.name = "/absolute", .data = "kept inside"});
	put(t, (struct member){.name = "./a/./b//c", .data = "deep"});
	put(t, (struct member){.name = "big", .data = big, .size = sizeof(big)});
	put(t, (struct member){.name = "empty"});
	put(t, (struct member){.name = "fifo", .type = '6'});
	put_pax(t, "path", name, strlen(name));
	put(t, (struct member){.name = "short", .data = "long name"});
	put_pax(t, "path", "gr\xc3\xbc\xc3\x9f", 7);
	put(t, (struct member){.name = "short", .data = "utf-8"});
	put(t, (struct member){.name = "\xff\xfe", .data = "no charset at all"});
	put_end(t);
	put_bytes(t, big, sizeof(big)); /* whatever comes after belongs to the digest */

	assert_int_equal(run(f), 0);
	digest_of(t->p, t->len, digest);
	assert_string_equal(f->result.diff_id, digest);
	assert_int_equal(f->result.entries, 14);
	expect_file(f, "bin/tool", "tool");
	expect_file(f, "bin/same", "tool");
	st = stat_of(f, "bin/abs");
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(stat_of(f, "bin").st_mtim.tv_sec, 1000000000);
	assert_int_equal(stat_of(f, "bin").st_mode, S_IFDIR | 0755);
	assert_int_equal(stat_of(f, ".").st_mode, S_IFDIR | 0750);
	assert_int_equal(stat_of(f, "a").st_mode, S_IFDIR | 0755);
	assert_true(readlinkat(f->root, "etc/passwd", link, sizeof(link)) > 0);
	assert_string_equal(link, "../../../outside");
	expect_file(f, "absolute", "kept inside");
	expect_file(f, "a/b/c", "deep");
	assert_int_equal(stat_of(f, "big").st_size, sizeof(big));
	assert_int_equal(stat_of(f, "empty").st_size, 0);
	assert_true(S_ISFIFO(stat_of(f, "fifo").st_mode));
	expect_file(f, name, "long name");
	expect_file(f, "gr\xc3\xbc\xc3\x9f", "utf-8");
	expect_file(f, "\xff\xfe", "no charset at all");
}

static void privileged(void **state)
{
	struct fix *f = *state;
	struct tarball *t = &f->tar;
	/* a version 2 capability: cap_net_raw, permitted and effective */
	static const char cap[20] = {1, 0, 0, 2, 0, 0x20};
	char got[64];
	struct stat st;

	if (geteuid() != 0)
		skip();
	put(t, (struct member){.name = "null", .type = '3', .major = 1, .minor = 3, .mode = 0666});
	put(t, (struct member){.name = "disk", .type = '4', .major = 8, .minor = 1, .uid = 6});
	put_pax(t, "SCHILY.xattr.security.capability", cap, sizeof(cap));
	put(t, (struct member){.name = "ping", .mode = 04755, .uid = 7, .data = "p"});
	put_pax(t, "SCHILY.xattr.trusted.overlay.redirect", "/etc", 4);
	put(t, (struct member){.name = "dir", .type = '5', .mode = 0700, .uid = 8});
	put_end(t);
	assert_int_equal(run(f), 0);
	st = stat_of(f, "null");
	assert_int_equal(st.st_mode, S_IFCHR | 0666);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	st = stat_of(f, "disk");
	assert_int_equal(st.st_rdev, makedev(8, 1));
	assert_int_equal(st.st_uid, 6);
	st = stat_of(f, "ping");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_gid, 7);
	strcat(f->top, "/ping");
	assert_int_equal(getxattr(f->top, "security.capability", got, sizeof(got)), sizeof(cap));
	strcpy(strrchr(f->top, '/'), "/dir");
	assert_int_equal(getxattr(f->top, "trusted.overlay.redirect", got, sizeof(got)), -1);
	*strrchr(f->top, '/') = '\0';
}

static void later_entries_win(void **state)
{
	struct fix *f = *state;
	struct tarball *t = &f->tar;

	put(t, (struct member){.name = "a/file", .data = "old"});
	put(t, (struct member){.name = "a/file", .data = "new"});
	put(t, (struct member){.name = "b/x/y", .data = "y"});
	put(t, (struct member){.name = "b", .data = "was a directory"});
	put(t, (struct member){.name = "c", .data = "file"});
	put(t, (struct member){.name = "c", .type = '5', .mode = 0711});
	put(t, (struct member){.name = "c/in", .data = "in"});
	put(t, (struct member){.name = "c", .type = '5', .mode = 0755});
	put(t, (struct member){.name = "l", .type = '2', .link = "a"});
	put(t, (struct member){.name = "l", .type = '5', .mode = 0755});
	put(t, (struct member){.name = "l/in", .data = "own"});
	put(t, (struct member){.name = "self", .data = "self"});
	put(t, (struct member){.name = "self", .type = '1', .link = "self"});
	put_end(t);
	assert_int_equal(run(f), 0);
	expect_file(f, "a/file", "new");
	expect_file(f, "b", "was a directory");
	expect_file(f, "c/in", "in");
	assert_int_equal(stat_of(f, "c").st_mode, S_IFDIR | 0755);
	expect_file(f, "l/in", "own");
	assert_true(absent(f, "a/in"));
	expect_file(f, "self", "self");
}

static bool is_opaque(struct fix *f, const char *path)
{
	for (size_t i = 0; i < f->result.n_opaque; i++)
		if (!strcmp(f->result.opaque[i], path))
			return true;
	return false;
}

static void whiteouts(void **state)
{
	struct fix *f = *state;
	struct tarball *t = &f->tar;
	struct stat st;

	put(t, (struct member){.name = "a/.wh.gone"});
	put(t, (struct member){.name = "b/.wh..wh..opq"});
	put(t, (struct member){.name = ".wh..wh..opq"});
	put(t, (struct member){.name = ".wh..wh.plnk/77.1"});
	put(t, (struct member){.name = "a/both", .data = "stays"});
	put(t, (struct member){.name = "a/.wh.both"});
	put(t, (struct member){.name = ".wh.first"});
	put(t, (struct member){.name = "first", .type = '5', .mode = 0755});
	put(t, (struct member){.name = "second", .type = '5', .mode = 0755});
	put(t, (struct member){.name = ".wh.second"});
	put(t, (struct member){.name = ".wh.third"});
	put(t, (struct member){.name = "third", .data = "file over it"});
	put_end(t);
	assert_int_equal(run(f), 0);
	st = stat_of(f, "a/gone");
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	assert_true(absent(f, "a/.wh.gone"));
	assert_true(is_opaque(f, "b") && is_opaque(f, "") && is_opaque(f, "first") && is_opaque(f, "second"));
	assert_int_equal(f->result.n_opaque, 4);
	assert_true(absent(f, "b/.wh..wh..opq"));
	expect_file(f, "a/both", "stays");
	expect_file(f, "third", "file over it");
}

static void hostile(void **state)
{
	static const char no_utf8[] = "11 path=\xff\xfe\n";
	const struct {
		struct member m[3];
		const char *says;
	} t[] = {
		{{{.name = "pax", .type = 'x', .data = no_utf8}, {.name = "x"}}, "UTF-8"},
		{{{.name = "../escape", .data = "x"}}, "climbs out"},
		{{{.name = "a/../../escape", .data = "x"}}, "climbs out"},
		{{{.name = "/../escape", .data = "x"}}, "climbs out"},
		{{{.name = "..", .type = '5'}}, "climbs out"},
		{{{.name = "a/..", .type = '5'}}, "climbs out"},
		{{{.name = "h", .type = '1', .link = "../../etc/passwd"}}, "climbs out"},
		{{{.name = "h", .type = '1', .link = "/../etc/passwd"}}, "climbs out"},
		{{{.name = "h", .type = '1', .link = "etc/passwd"}}, "hard link"},
		{{{.name = "d", .type = '2', .link = "/tmp/unpack-outside"},
			 {.name = "d/escape", .data = "x"}},
			"goes through a link"},
		{{{.name = "d", .type = '2', .link = "."}, {.name = "d/escape", .data = "x"}},
			"goes through a link"},
		{{{.name = "d", .type = '2', .link = "/tmp/unpack-outside"},
			 {.name = "d/e/escape", .data = "x"}},
			"goes through a link"},
		{{{.name = "d", .type = '2', .link = "/tmp/unpack-outside"}, {.name = "d/.wh.escape"}},
			"goes through a link"},
		{{{.name = "d", .type = '2', .link = "/tmp"},
			 {.name = "h", .type = '1', .link = "d/unpack-outside"}},
			"hard link"},
		{{{.name = "f", .data = "x"}, {.name = "f/escape", .data = "x"}}, "goes through"},
		{{{.name = "a/.wh..."}}, "whiteout"},
		{{{.name = "a/.wh.."}}, "whiteout"},
		{{{.name = "a/.wh."}}, "whiteout"},
		{{{.name = ".", .data = "x"}}, "root"},
		{{{.name = ".", .type = '2', .link = "x"}}, "root"},
		{{{.name = ".", .type = '1', .link = "x"}}, "root"},
		{{{.name = "d", .type = '5'}, {.name = "h", .type = '1', .link = "d"}}, "hard link"},
	};
	struct stat st;

	for (size_t i = 0; i < array_len(t); i++) {
		struct fix *f;

		assert_int_equal(setup(state), 0);
		f = *state;
		for (size_t k = 0; k < 3 && t[i].m[k].name; k++)
			put(&f->tar, t[i].m[k]);
		put_end(&f->tar);
		if (run(f) != -EPERM || !strstr(f->result.error, t[i].says))
			fail_msg("case %zu: \"%s\"", i, f->result.error);
		assert_non_null(strstr(f->result.error, "entry \""));
		assert_int_equal(teardown(state), 0);
	}
	assert_int_equal(stat("/tmp/unpack-outside/escape", &st), -1);
	assert_int_equal(rmdir("/tmp/unpack-outside"), 0);
	assert_int_equal(stat("/tmp/escape", &st), -1);
	*state = NULL;
}

static void limits(void **state)
{
	struct fix *f = *state;
	char deep[100], wide[101];

	/* endless entries */
	f->limits.entries = 10;
	for (int i = 0; i < 11; i++)
		put(&f->tar, (struct member){.name = "x"});
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "entries"));

	/* endless stream after the end of the archive */
	f->limits = unpack_limits_default;
	f->limits.bytes = 1 << 20;
	f->tar.len = 0;
	put_end(&f->tar);
	f->tar.endless = 1ULL << 40;
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "limit"));
	f->tar.endless = 0;

	/* a file that claims more than may be */
	f->tar.len = 0;
	put(&f->tar, (struct member){.name = "big", .size = 2 << 20});
	assert_int_equal(run(f), -E2BIG);

	f->limits = unpack_limits_default;
	f->limits.depth = 8;
	f->tar.len = 0;
	for (int i = 0; i < 9; i++)
		memcpy(deep + 2 * i, "d/", 3);
	put(&f->tar, (struct member){.name = deep});
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "components"));

	f->limits = unpack_limits_default;
	f->limits.xattr_bytes = 100;
	f->tar.len = 0;
	memset(wide, 'v', sizeof(wide));
	put_pax(&f->tar, "SCHILY.xattr.user.a", wide, sizeof(wide));
	put(&f->tar, (struct member){.name = "x"});
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "attributes"));
}

static void bomb(void **state)
{
	struct fix *f = *state;
	static char zeros[1 << 20];
	static uint8_t packed[64 << 10];
	z_stream z = {.next_out = packed, .avail_out = sizeof(packed)};
	struct tarball head = {0};

	f->limits.ratio = 100;
	f->limits.ratio_from = 4 << 20;
	put(&head, (struct member){.name = "zeros", .data = zeros, .size = sizeof(zeros)});
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	for (int i = 0; i < 16; i++) {
		z.next_in = head.p;
		z.avail_in = (uInt)head.len;
		assert_int_equal(deflate(&z, i == 15 ? Z_FINISH : Z_NO_FLUSH), i == 15 ? Z_STREAM_END : Z_OK);
	}
	put_bytes(&f->tar, packed, z.total_out);
	deflateEnd(&z);
	free(head.p);
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "ratio"));
}

static void pack_xz(struct fix *f)
{
	static uint8_t packed[64 << 10];
	size_t n = 0;

	assert_int_equal(lzma_easy_buffer_encode(
				 6, LZMA_CHECK_CRC64, NULL, f->tar.p, f->tar.len, packed, &n, sizeof(packed)),
		LZMA_OK);
	f->tar.len = 0;
	put_bytes(&f->tar, packed, n);
}

/* What people hand in may be xz, within the same bounds; a layer may not. */
static void kinds(void **state)
{
	struct fix *f = *state;
	static char zeros[8 << 20];

	put(&f->tar, (struct member){.name = "f", .data = "from xz"});
	put_end(&f->tar);
	pack_xz(f);
	assert_int_equal(run(f), -ENOTSUP);
	assert_non_null(strstr(f->result.error, "compressed with xz"));
	f->limits = unpack_limits_import;
	assert_int_equal(run(f), 0);
	expect_file(f, "f", "from xz");
	f->limits = unpack_limits_plain;
	assert_int_equal(run(f), 0);

	f->limits.ratio = 100;
	f->limits.ratio_from = 1 << 20;
	f->tar.len = 0;
	put(&f->tar, (struct member){.name = "zeros", .data = zeros, .size = sizeof(zeros)});
	put_end(&f->tar);
	pack_xz(f);
	assert_int_equal(run(f), -E2BIG);
	assert_non_null(strstr(f->result.error, "ratio"));
}

/* A build's context: names are cleaned, and end at the root. */
static void cleaned(void **state)
{
	struct fix *f = *state;

	f->limits = unpack_limits_context;
	put(&f->tar, (struct member){.name = "../../up", .data = "up"});
	put(&f->tar, (struct member){.name = "a/b/../c", .data = "over"});
	put(&f->tar, (struct member){.name = "/a/../../d", .data = "root"});
	put_end(&f->tar);
	assert_int_equal(run(f), 0);
	expect_file(f, "up", "up");
	expect_file(f, "a/c", "over");
	expect_file(f, "d", "root");
}

static void damaged(void **state)
{
	struct fix *f = *state;
	static char data[3000];

	memset(data, 'd', sizeof(data));
	put_bytes(&f->tar, data, sizeof(data));
	assert_int_equal(run(f), -EBADMSG);
	assert_non_null(strstr(f->result.error, "archive"));

	f->tar.len = 0;
	put(&f->tar, (struct member){.name = "cut", .data = data, .size = sizeof(data)});
	f->tar.len -= 1024;
	assert_int_equal(run(f), -EBADMSG);
	assert_non_null(strstr(f->result.error, "Truncated"));

	f->tar.len = 0;
	put_bytes(&f->tar, "\x1f\x8b\x08\0garbage that is no gzip at all", 34);
	assert_int_equal(run(f), -EBADMSG);
	assert_non_null(strstr(f->result.error, "gzip"));
}

/* As Docker's client sends a context with a Dockerfile from elsewhere. */
static void ends_with_its_last_byte(void **state)
{
	struct fix *f = *state;

	for (size_t cut = 507; cut <= 508; cut++) {
		f->tar.len = 0;
		put(&f->tar, (struct member){.name = "first", .data = "one", .size = 3});
		put(&f->tar, (struct member){.name = "last", .data = "hello", .size = 5});
		f->tar.len -= cut;
		if (cut > 507) {
			assert_int_equal(run(f), -EBADMSG);
			assert_non_null(strstr(f->result.error, "entry \"last\": Truncated"));
			continue;
		}
		if (run(f) != 0)
			fail_msg("%s", f->result.error);
		expect_file(f, "first", "one");
		expect_file(f, "last", "hello");
		assert_int_equal(f->result.entries, 2);
	}
}

static void sparse(void **state)
{
	struct fix *f = *state;
	struct tarball *t = &f->tar;
	struct stat st;

	/* GNU sparse format 1.0: the map before the data */
	static char data[1024 + 5];
	static const char pax[] = "22 GNU.sparse.major=1\n"
				  "22 GNU.sparse.minor=0\n"
				  "25 GNU.sparse.name=holes\n"
				  "32 GNU.sparse.realsize=10000000\n";

	memcpy(data, "1\n9000000\n5\n", 12);
	memcpy(data + 512, "hello", 5);
	put(t, (struct member){.name = "pax", .type = 'x', .data = pax, .size = sizeof(pax) - 1});
	put(t, (struct member){.name = "GNUSparseFile.0/holes", .data = data, .size = 512 + 5});
	put_end(t);
	if (run(f) != 0)
		fail_msg("%s", f->result.error);
	st = stat_of(f, "holes");
	assert_int_equal(st.st_size, 10000000);
	assert_true(st.st_blocks < 1000);
	assert_int_equal(f->result.size_bytes, 5);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(honest, setup, teardown),
		cmocka_unit_test_setup_teardown(privileged, setup, teardown),
		cmocka_unit_test_setup_teardown(later_entries_win, setup, teardown),
		cmocka_unit_test_setup_teardown(whiteouts, setup, teardown),
		cmocka_unit_test(hostile),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(bomb, setup, teardown),
		cmocka_unit_test_setup_teardown(kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(cleaned, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_with_its_last_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(sparse, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
