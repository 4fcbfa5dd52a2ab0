/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_GPT_H
#define STORAGE_GPT_H

/*
 * The GUID partition table (UEFI 2.10, chapter 5), read strictly and written so that a power cut at any write
 * leaves one valid copy: the table before, or the table after.
 */

#include "init/storage/bdev.h"

enum { GPT_ENTRIES = 128, GPT_ENTRY_SIZE = 128 };

struct gpt_guid {
	uint8_t b[16]; /* as on disk */
};

struct gpt_part {
	struct gpt_guid type; /* all zero: unused */
	struct gpt_guid guid;
	uint64_t first, last; /* sectors, both inclusive */
	uint64_t attrs;
	uint16_t name[36]; /* UTF-16, little endian on disk */
};

struct gpt {
	struct gpt_guid disk;
	uint64_t first_usable, last_usable;
	struct gpt_part part[GPT_ENTRIES];
	bool damaged; /* read: one copy was missing, broken, elsewhere or different; to be written again */
};

/* Outcomes of gpt_read(). */
enum { GPT_VALID, GPT_ABSENT };

/**
 * gpt_read() - find the table
 *
 * The first copy counts when it is valid, else the one at the end of the disk. Tables with other than 128
 * entries of 128 bytes are valid GPTs but none that we would rewrite: -ENOTSUP.
 *
 * Return: GPT_VALID, GPT_ABSENT, -ENOTSUP, or -errno from the disk.
 */
must_check int gpt_read(struct bdev *b, struct gpt *out);

/* An empty table for this disk. 0, or -ENOSPC when the disk has no room for one. */
must_check int gpt_init(struct gpt *g, const struct bdev *b, const struct gpt_guid *disk);

/* The usable area of this disk, which may have grown since the table was written. */
void gpt_fit(struct gpt *g, const struct bdev *b);

/* Writes and flushes: the copy at the end, the first copy, the protective MBR. 0 or -errno. */
must_check int gpt_write(struct bdev *b, const struct gpt *g);

bool gpt_guid_is_zero(const struct gpt_guid *g);
bool gpt_guid_equal(const struct gpt_guid *a, const struct gpt_guid *b);
/* Text form, either case, 36 characters. 0 or -EINVAL. */
must_check int gpt_guid_parse(struct gpt_guid *out, const char *text);
/* A random one (version 4). 0 or -errno. */
must_check int gpt_guid_random(struct gpt_guid *out);
/* ASCII only; longer names are cut. */
void gpt_part_name(struct gpt_part *p, const char *name);

/* The entry with this type, or NULL; the first of several. */
struct gpt_part *gpt_find_type(struct gpt *g, const struct gpt_guid *type);

#endif
