/* SPDX-License-Identifier: Apache-2.0 */

/* Packed files read at any place, and a log of which older segments are packed against one of which none is. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <zlib.h>

#include "engine/files.h"
#include "engine/output.h"
#include "engine/output_pack.h"
#include "lib/tree.h"

enum { SEGMENT = 4096, FILES = 4 };

static char dir[] = "/tmp/output.XXXXXX", log_dir[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(log_dir, sizeof(log_dir), "%s/log", dir);
	return 0;
}

static int clear(void **state)
{
	return dir_remove(log_dir);
}

static int teardown(void **state)
{
	return tree_remove(AT_FDCWD, dir);
}

static int file_of(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

/* ---- packs */

/* Bytes that pack well for a while, then not at all. */
static void make_bytes(unsigned char *p, size_t n)
{
	uint32_t x = 7;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = i % (1 << 17) < 1 << 16 ? (unsigned char)(i / 100) : (unsigned char)(x >> 24);
	}
}

static void packs_are_read_at_any_place(void **state)
{
	static const size_t sizes[] = {0, 1, OUTPUT_PACK_BLOCK - 1, OUTPUT_PACK_BLOCK, OUTPUT_PACK_BLOCK + 1,
		5 * OUTPUT_PACK_BLOCK + 77};

	for (size_t i = 0; i < array_len(sizes); i++) {
		size_t n = sizes[i];
		cleanup(freep) unsigned char *in = malloc(n + 1), *out = malloc(n + 1);
		cleanup(closep) int plain = file_of("plain", O_RDWR | O_CREAT | O_TRUNC),
				    packed = file_of("packed", O_RDWR | O_CREAT | O_TRUNC);
		struct output_pack *p;
		char path[128];
		gzFile gz;

		make_bytes(in, n);
		assert_int_equal(file_write_all(plain, in, n), 0);
		lseek(plain, 0, SEEK_SET);
		assert_int_equal(output_pack_write(plain, packed), 0);
		assert_int_equal(output_pack_open(&p, packed), 0);
		assert_int_equal(output_pack_size(p), n);
		assert_int_equal(output_pack_read(p, out, n + 1, 0), n);
		assert_memory_equal(in, out, n);
		for (size_t off = n; off > 0; off -= off < 9973 ? off : 9973) {
			size_t want = n - off < 20000 ? n - off : 20000;

			assert_int_equal(output_pack_read(p, out, 20000, (int64_t)off), want);
			assert_memory_equal(in + off, out, want);
		}
		assert_int_equal(output_pack_read(p, out, 1, (int64_t)n), 0);
		output_pack_free(p);

		/* and by others */
		snprintf(path, sizeof(path), "%s/packed", dir);
		gz = gzopen(path, "rb");
		assert_non_null(gz);
		assert_int_equal(gzread(gz, out, (unsigned)n + 1), n);
		assert_memory_equal(in, out, n);
		gzclose(gz);
	}
}

static void damaged_packs_are_errors(void **state)
{
	enum { N = 3 * OUTPUT_PACK_BLOCK + 500 };
	cleanup(freep) unsigned char *in = malloc(N), *out = malloc(N);
	cleanup(closep) int plain = file_of("plain", O_RDWR | O_CREAT | O_TRUNC),
			    packed = file_of("packed", O_RDWR | O_CREAT | O_TRUNC);
	struct output_pack *p;
	unsigned harmless = 0;
	off_t size;

	make_bytes(in, N);
	assert_int_equal(file_write_all(plain, in, N), 0);
	lseek(plain, 0, SEEK_SET);
	assert_int_equal(output_pack_write(plain, packed), 0);
	size = lseek(packed, 0, SEEK_END);
	/* bytes changed, each in its turn, then lengths, down to none */
	for (off_t at = 0; at < size; at += at < 64 ? 1 : 997) {
		unsigned char was, is;
		int err;

		assert_int_equal(pread(packed, &was, 1, at), 1);
		is = was ^ 0x40;
		assert_int_equal(pwrite(packed, &is, 1, at), 1);
		err = output_pack_open(&p, packed);
		if (!err) {
			ssize_t n = output_pack_read(p, out, N, 0);

			output_pack_free(p);
			err = n < 0 ? (int)n : 0;
			/* a bit that means nothing, behind the end of a block's own */
			if (!err) {
				assert_int_equal(n, N);
				assert_memory_equal(in, out, N);
				harmless++;
			}
		}
		assert_true(!err || err == -EBADMSG);
		assert_int_equal(pwrite(packed, &was, 1, at), 1);
	}
	assert_true(harmless < 3);
	for (off_t len = size - 1; len >= 0; len -= len < 1000 ? 7 : 501) {
		assert_int_equal(ftruncate(packed, len), 0);
		if (!output_pack_open(&p, packed)) {
			/* whole members are a shorter file */
			assert_true(output_pack_size(p) < N);
			output_pack_free(p);
		}
	}
}

/* ---- logs */

static int put_some(struct output *o, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		cleanup(freep) char *line = text_make("line %u of this log, which is not short\n", i);
		int p[2];

		if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
			return -errno;
		(void)!write(p[1], line, strlen(line));
		if (output_splice(o, i % 3 ? OUTPUT_STDOUT : OUTPUT_STDERR, p[0]) < 0)
			return -EIO;
		close(p[0]);
		close(p[1]);
	}
	return 0;
}

static void pack_now(struct output *o, unsigned seg, void *arg)
{
	unsigned *count = arg;

	assert_int_equal(output_pack_segment(output_dir(o), seg), 0);
	(*count)++;
	output_packed(o, seg);
}

static struct output *open_log(void)
{
	struct output *o;

	assert_int_equal(output_open(&o, log_dir, SEGMENT, FILES), 0);
	return o;
}

/* All that a reader gives from where it stands; malloc'ed. */
static char *rest_of(struct output_reader *r)
{
	char *text = NULL, buf[100];
	struct output_chunk c;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int got;

	while ((got = output_read(r, &c, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, c.len, f);
	fclose(f);
	assert_int_equal(got, 0);
	return text;
}

static char *all_of(struct output *o, int64_t tail)
{
	struct output_reader r;
	char *text;

	output_reader_init(&r, o);
	if (tail >= 0)
		assert_int_equal(output_reader_tail(&r, (uint64_t)tail), 0);
	text = rest_of(&r);
	output_reader_fini(&r);
	return text;
}

static bool there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", log_dir, name);
	return !access(path, F_OK);
}

static void packed_logs_read_like_others(void **state)
{
	struct output *o = open_log();
	unsigned packed = 0;
	cleanup(freep) char *before = NULL, *lines = NULL;
	struct output_reader early;

	assert_int_equal(put_some(o, 0, 300), 0);
	assert_true(there("2.idx") && there("3.out") && there("4.idx"));
	before = all_of(o, -1);
	lines = all_of(o, 130);
	output_reader_init(&early, o);
	struct output_chunk c;
	assert_int_equal(output_peek(&early, &c), 1); /* holds the oldest segment open */
	output_pack_with(o, pack_now, &packed);
	assert_true(packed >= 2);
	assert_true(there("3.out.gz") && there("3.err.gz") && there("3.idx.gz"));
	assert_false(there("3.out") || there("3.idx"));
	for (int twice = 0; twice < 2; twice++) {
		cleanup(freep) char *after = all_of(o, -1), *few = all_of(o, 130), *last = all_of(o, 1);

		assert_string_equal(before, after);
		assert_string_equal(lines, few);
		assert_string_equal(last, "line 299 of this log, which is not short\n");
		if (twice)
			break;
		/* and after a restart, which has nothing left to pack */
		output_reader_fini(&early);
		output_unref(o);
		o = open_log();
		packed = 0;
		output_pack_with(o, pack_now, &packed);
		assert_int_equal(packed, 0);
		output_reader_init(&early, o);
	}
	/* Each one that is full is packed, and the oldest go in whatever form. */
	assert_int_equal(put_some(o, 300, 700), 0);
	assert_true(packed > 2);
	assert_false(there("2.idx.gz") || there("2.out.gz") || there("2.err.gz"));
	cleanup(freep) char *end = all_of(o, -1);
	const char *first = strstr(end, "line ");
	for (unsigned i = (unsigned)strtoul(first + 5, NULL, 10); i < 700; i++) {
		char want[80];

		snprintf(want, sizeof(want), "line %u of this log, which is not short\n", i);
		assert_false(strncmp(first, want, strlen(want)));
		first += strlen(want);
	}
	output_reader_fini(&early);
	output_unref(o);
}

static void one_that_goes_meanwhile(struct output *o, unsigned seg, void *arg)
{
	*(unsigned *)arg = seg;
}

static void what_is_packed_late_leaves_nothing(void **state)
{
	struct output *o = open_log();
	unsigned seg = 0;

	assert_int_equal(put_some(o, 0, 100), 0);
	output_pack_with(o, one_that_goes_meanwhile, &seg);
	assert_int_equal(seg, 1);
	int held = output_dir(o);
	char path[128];
	snprintf(path, sizeof(path), "%s/1.out", log_dir);
	assert_int_equal(put_some(o, 100, 700), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	/* its worker had the file open and comes to its end now */
	snprintf(path, sizeof(path), "%s/1.out.gz", log_dir);
	int fd = openat(held, "1.out.gz", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	output_packed(o, 1);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(output_pack_segment(held, 1), 0);
	assert_true(seg > 1); /* the next in its turn */
	output_unref(o);
}

static const char *die_at;
static unsigned die_in;

static void on_point(const char *point)
{
	if (!strcmp(point, die_at) && !die_in--)
		_exit(7);
}

/* Killed at each place of each of the three files: nothing is lost, and the next one brings it to its end. */
static void cuts(void **state)
{
	static const char *const points[] = {"log-packed", "log-pack-renamed"};

	for (size_t i = 0; i < array_len(points); i++)
		for (unsigned n = 0; n < 3; n++) {
			struct output *o = open_log();
			unsigned packed = 0;
			int status;
			pid_t pid;

			assert_int_equal(put_some(o, 0, 300), 0);
			cleanup(freep) char *before = all_of(o, -1);
			output_unref(o);
			pid = fork();
			if (!pid) {
				die_at = points[i];
				die_in = n;
				fault_hook = on_point;
				o = open_log();
				output_pack_with(o, pack_now, &packed);
				_exit(0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_int_equal(WEXITSTATUS(status), 7);
			o = open_log();
			cleanup(freep) char *cut = all_of(o, -1);
			assert_string_equal(before, cut);
			output_pack_with(o, pack_now, &packed);
			assert_true(packed > 0);
			cleanup(freep) char *after = all_of(o, -1);
			assert_string_equal(before, after);
			assert_false(there("3.out") || there("3.err") || there("3.idx"));
			output_unref(o);
			assert_int_equal(dir_remove(log_dir), 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packs_are_read_at_any_place),
		cmocka_unit_test(damaged_packs_are_errors),
		cmocka_unit_test_teardown(packed_logs_read_like_others, clear),
		cmocka_unit_test_teardown(what_is_packed_late_leaves_nothing, clear),
		cmocka_unit_test_teardown(cuts, clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
