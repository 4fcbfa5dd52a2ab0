/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A disk in memory that records its writes. Every state that a power cut can leave is built from the record
 * and prepared again: it must end with both partitions, and no partition that was marked formatted may be
 * formatted twice.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/storage/prepare.h"

enum { SECTOR = 512, MIB_SECTORS = 2048, DISK_MIB = 160, KEEP_MIB = 1, LOG_MAX = 64 };

/* Only the first and last MiB are kept; between them nothing is read or written but by format(). */
struct ram {
	struct bdev b;
	uint8_t head[KEEP_MIB << 20], tail[KEEP_MIB << 20];
	struct {
		uint64_t lba; /* UINT64_MAX: a flush */
		uint32_t count;
		uint8_t *data;
	} log[LOG_MAX];
	size_t n_log;
	unsigned formats;
	unsigned fail_at; /* the n-th write fails; 0: none */
};

static uint8_t *at(struct ram *r, uint64_t lba)
{
	if (lba < KEEP_MIB * MIB_SECTORS)
		return r->head + lba * SECTOR;
	assert_true(lba >= r->b.sectors - KEEP_MIB * MIB_SECTORS);
	return r->tail + (lba - (r->b.sectors - KEEP_MIB * MIB_SECTORS)) * SECTOR;
}

static int ram_read(struct bdev *b, uint64_t lba, void *buf, uint32_t count)
{
	memcpy(buf, at(container_of(b, struct ram, b), lba), (size_t)count * SECTOR);
	return 0;
}

static int ram_write(struct bdev *b, uint64_t lba, const void *buf, uint32_t count)
{
	struct ram *r = container_of(b, struct ram, b);

	if (r->fail_at && --r->fail_at == 0)
		return -EIO;
	assert_true(r->n_log < LOG_MAX);
	r->log[r->n_log].lba = lba;
	r->log[r->n_log].count = count;
	r->log[r->n_log].data = malloc((size_t)count * SECTOR);
	memcpy(r->log[r->n_log++].data, buf, (size_t)count * SECTOR);
	memcpy(at(r, lba), buf, (size_t)count * SECTOR);
	return 0;
}

static int ram_flush(struct bdev *b)
{
	return 0;
}

static struct ram *ram_new(uint64_t mib)
{
	struct ram *r = calloc(1, sizeof(*r));

	r->b = (struct bdev){SECTOR, mib * MIB_SECTORS, ram_read, ram_write, ram_flush};
	return r;
}

static void ram_free(struct ram *r)
{
	for (size_t i = 0; i < r->n_log; i++)
		free(r->log[i].data);
	free(r);
}

static int reread(void *arg, const struct gpt *g)
{
	return 0;
}

static int format(void *arg, const struct gpt *g, unsigned index)
{
	struct ram *r = arg;

	assert_false(g->part[index].attrs & ATTR_FORMATTED);
	assert_true(index < 2 || g->part[0].type.b[0] == 0x28); /* after an ESP they are 1 and 2 */
	r->formats++;
	return 0;
}

static int prepare(struct ram *r, const struct prepare_want *want, struct gpt *g, struct prepared *p)
{
	struct prepare_ops ops = {reread, format, r};
	const char *why = NULL;
	int rc = prepare_disk(&r->b, want, &ops, g, p, &why);

	if (rc == PREPARE_FOREIGN)
		assert_non_null(why);
	return rc;
}

static const struct prepare_want plain;

static void assert_ready(struct ram *r, const struct gpt *g, const struct prepared *p)
{
	struct gpt again;

	assert_true(g->part[p->state].attrs & ATTR_FORMATTED);
	assert_true(g->part[p->data].attrs & ATTR_FORMATTED);
	assert_int_equal(g->part[p->state].last - g->part[p->state].first + 1, 64 * MIB_SECTORS);
	assert_int_equal(g->part[p->state].first % MIB_SECTORS, 0);
	assert_int_equal(gpt_read(&r->b, &again), GPT_VALID);
	assert_false(again.damaged);
	assert_memory_equal(again.part, g->part, sizeof(again.part));
}

static void an_empty_disk(void **state)
{
	struct ram *r = ram_new(DISK_MIB);
	struct prepared p;
	struct gpt g;

	assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_OK);
	assert_true(p.made && p.formatted && !p.grown);
	assert_int_equal(r->formats, 2);
	assert_ready(r, &g, &p);

	/* The second boot touches nothing. */
	r->fail_at = 1;
	assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_OK);
	assert_false(p.made || p.formatted || p.grown || p.mended);
	ram_free(r);
}

/* A disk as the first @n writes of @from leave it, of the next one only the sectors from @torn_from up to
 * @torn. */
static struct ram *replay(
	const struct ram *start, const struct ram *from, size_t n, uint32_t torn_from, uint32_t torn)
{
	struct ram *r = calloc(1, sizeof(*r));

	r->b = start->b;
	memcpy(r->head, start->head, sizeof(r->head));
	memcpy(r->tail, start->tail, sizeof(r->tail));
	for (size_t i = 0; i < n; i++)
		memcpy(at(r, from->log[i].lba), from->log[i].data, (size_t)from->log[i].count * SECTOR);
	if (torn)
		memcpy(at(r, from->log[n].lba) + torn_from * SECTOR, from->log[n].data + torn_from * SECTOR,
			(size_t)(torn - torn_from) * SECTOR);
	return r;
}

static void recovers(const struct ram *start, const struct ram *done, size_t n, uint32_t torn_from,
	uint32_t torn, const struct prepare_want *want)
{
	struct ram *r = replay(start, done, n, torn_from, torn);
	struct gpt before, g;
	struct prepared p;
	bool was_formatted = false;

	if (gpt_read(&r->b, &before) == GPT_VALID)
		for (size_t i = 0; i < GPT_ENTRIES; i++)
			was_formatted |= before.part[i].attrs & ATTR_FORMATTED;
	assert_int_equal(prepare(r, want, &g, &p), PREPARE_OK);
	assert_int_equal(r->formats, was_formatted ? 0 : 2);
	assert_ready(r, &g, &p);
	ram_free(r);
}

static void every_cut(const struct ram *start, uint64_t mib, const struct prepare_want *want)
{
	struct ram *done = replay(start, start, 0, 0, 0);
	struct prepared p;
	struct gpt g;

	done->b.sectors = mib * MIB_SECTORS;
	assert_int_equal(prepare(done, want, &g, &p), PREPARE_OK);
	assert_true(done->n_log > 4);
	for (size_t n = 0; n < done->n_log; n++) {
		recovers(start, done, n, 0, 0, want);
		for (uint32_t k = 1; k < done->log[n].count; k++) {
			recovers(start, done, n, 0, k, want);		       /* only its beginning */
			recovers(start, done, n, k, done->log[n].count, want); /* only its end */
		}
	}
	recovers(start, done, done->n_log, 0, 0, want);
	ram_free(done);
}

static void a_cut_at_every_write_of_an_empty_disk(void **state)
{
	struct ram *start = ram_new(DISK_MIB);

	every_cut(start, DISK_MIB, &plain);
	ram_free(start);
}

/* As it is flashed: a table with an ESP, whose second copy is not at the end of this larger disk. */
static struct ram *flashed(uint64_t mib)
{
	struct ram *r = ram_new(20), *big = ram_new(mib);
	struct gpt_guid zero = {{1}};
	struct gpt g;

	assert_int_equal(gpt_init(&g, &r->b, &zero), 0);
	assert_int_equal(gpt_guid_parse(&g.part[0].type, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"), 0);
	g.part[0].guid = zero;
	g.part[0].first = MIB_SECTORS;
	g.part[0].last = 19 * MIB_SECTORS - 1;
	assert_int_equal(gpt_write(&r->b, &g), 0);
	memcpy(big->head, r->head, sizeof(big->head));
	ram_free(r);
	return big;
}

static void a_cut_at_every_write_of_a_flashed_disk(void **state)
{
	const struct prepare_want booted = {.booted = true};
	struct ram *start = flashed(DISK_MIB + 20), *r;
	struct gpt old, g;
	struct prepared p;

	every_cut(start, DISK_MIB + 20, &booted);
	r = replay(start, start, 0, 0, 0);
	assert_int_equal(gpt_read(&r->b, &old), GPT_VALID);
	assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_FOREIGN); /* not the one booted from */
	assert_int_equal(prepare(r, &booted, &g, &p), PREPARE_OK);
	assert_int_equal(g.part[0].first, old.part[0].first);
	assert_int_equal(g.part[0].last, old.part[0].last);
	assert_false(gpt_guid_equal(&g.disk, &old.disk));
	assert_false(gpt_guid_equal(&g.part[0].guid, &old.part[0].guid));
	ram_free(r);
	ram_free(start);
}

static void a_write_that_fails_is_told(void **state)
{
	for (unsigned n = 1;; n++) {
		struct ram *r = ram_new(DISK_MIB);
		struct prepared p;
		struct gpt g;
		int rc;

		r->fail_at = n;
		rc = prepare(r, &plain, &g, &p);
		if (r->fail_at) { /* no more writes to fail */
			assert_int_equal(rc, PREPARE_OK);
			assert_true(n > 6);
			ram_free(r);
			return;
		}
		assert_int_equal(rc, -EIO);
		assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_OK);
		assert_ready(r, &g, &p);
		ram_free(r);
	}
}

static void what_is_not_ours_is_left(void **state)
{
	const struct prepare_want wipe = {.wipe = true};
	struct prepared p;
	struct gpt g;
	struct ram *r;

	for (int where = 0; where < 3; where++) {
		r = ram_new(DISK_MIB);
		*(where == 0 ? r->head : where == 1 ? r->tail : r->tail + sizeof(r->tail) - 1) = 'x';
		r->fail_at = 1;
		assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_FOREIGN);
		r->fail_at = 0;
		assert_int_equal(prepare(r, &wipe, &g, &p), PREPARE_OK);
		assert_int_equal(r->formats, 2);
		/* Asked again at the next boot, for the configuration still says so: ours is not wiped. */
		assert_int_equal(prepare(r, &wipe, &g, &p), PREPARE_OK);
		assert_int_equal(r->formats, 2);
		ram_free(r);
	}
}

static void too_small(void **state)
{
	struct prepared p;
	struct gpt g;
	struct ram *r = ram_new(16);

	assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_TOO_SMALL);
	assert_int_equal(r->n_log, 0);
	ram_free(r);
	r = ram_new(130);
	assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_OK);
	ram_free(r);
}

static void data_grows_with_the_disk(void **state)
{
	const struct prepare_want fixed = {.data_size = 80ull << 20};
	struct ram *r = ram_new(DISK_MIB), *big;
	struct prepared p;
	struct gpt g;
	uint64_t last;

	assert_int_equal(prepare(r, &fixed, &g, &p), PREPARE_OK);
	last = g.part[p.data].last;
	assert_int_equal(last - g.part[p.data].first + 1, 80 * MIB_SECTORS);
	big = ram_new(400);
	memcpy(big->head, r->head, sizeof(big->head));
	assert_int_equal(prepare(big, &fixed, &g, &p), PREPARE_OK); /* only the second copy moves */
	assert_true(p.mended && !p.grown);
	assert_int_equal(g.part[p.data].last, last);
	assert_int_equal(prepare(big, &plain, &g, &p), PREPARE_OK);
	assert_true(p.grown && !p.formatted);
	assert_int_equal(g.part[p.data].last, 399 * MIB_SECTORS - 1);
	assert_int_equal(big->formats, 0);
	assert_ready(big, &g, &p);
	ram_free(big);
	ram_free(r);
}

static void either_copy_will_do(void **state)
{
	struct ram *r = ram_new(DISK_MIB);
	struct prepared p;
	struct gpt g, first;

	assert_int_equal(prepare(r, &plain, &first, &p), PREPARE_OK);
	for (int which = 0; which < 4; which++) {
		uint8_t *victim[] = {r->head + 512, r->head + 1024, r->tail + sizeof(r->tail) - 512,
			r->tail + sizeof(r->tail) - 512 - 16384};

		victim[which][3] ^= 1;
		assert_int_equal(prepare(r, &plain, &g, &p), PREPARE_OK);
		assert_true(p.mended);
		assert_int_equal(r->formats, 2);
		assert_memory_equal(g.part, first.part, sizeof(g.part));
		assert_ready(r, &g, &p);
	}
	ram_free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_disk),
		cmocka_unit_test(a_cut_at_every_write_of_an_empty_disk),
		cmocka_unit_test(a_cut_at_every_write_of_a_flashed_disk),
		cmocka_unit_test(a_write_that_fails_is_told),
		cmocka_unit_test(what_is_not_ours_is_left),
		cmocka_unit_test(too_small),
		cmocka_unit_test(data_grows_with_the_disk),
		cmocka_unit_test(either_copy_will_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
