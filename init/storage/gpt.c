/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layout: sector 0 protective MBR; 1 header; from 2 the entries; the same mirrored at the end, header last.
 *
 * Order of writing: entries and header at the end, then entries and header at the start, a flush after each,
 * for a header vouches for its entries by checksum. Between two flushes only one copy is in flux, so the
 * other is whole. On an empty disk the protective MBR comes last: nobody takes the disk for partitioned
 * before it is.
 */

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <zlib.h>

#include "init/storage/gpt.h"

enum { HEADER_SIZE = 92, TABLE_BYTES = GPT_ENTRIES * GPT_ENTRY_SIZE, REVISION = 0x00010000 };

static const char signature[8] = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};

struct header {
	char signature[8];
	uint32_t revision, size, crc, reserved;
	uint64_t my_lba, alternate_lba, first_usable, last_usable;
	struct gpt_guid disk;
	uint64_t entries_lba;
	uint32_t n_entries, entry_size, entries_crc;
} __attribute__((packed));
_Static_assert(sizeof(struct header) == HEADER_SIZE, "as on disk");

struct disk_entry {
	struct gpt_guid type, guid;
	uint64_t first, last, attrs;
	uint16_t name[36];
} __attribute__((packed));
_Static_assert(sizeof(struct disk_entry) == GPT_ENTRY_SIZE, "as on disk");

struct mbr_entry {
	uint8_t boot, start_chs[3], type, end_chs[3];
	uint32_t first, sectors;
} __attribute__((packed));

static uint64_t table_sectors(const struct bdev *b)
{
	return TABLE_BYTES / b->sector;
}

bool gpt_guid_is_zero(const struct gpt_guid *g)
{
	static const struct gpt_guid zero;

	return gpt_guid_equal(g, &zero);
}

bool gpt_guid_equal(const struct gpt_guid *a, const struct gpt_guid *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

int gpt_guid_parse(struct gpt_guid *out, const char *text)
{
	/* The first three groups are little endian on disk. */
	static const uint8_t place[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	struct gpt_guid g;
	const char *c = text;

	if (strlen(text) != 36)
		return -EINVAL;
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*c++ != '-')
				return -EINVAL;
		if (hex(c[0]) < 0 || hex(c[1]) < 0)
			return -EINVAL;
		g.b[place[i]] = (uint8_t)(hex(c[0]) << 4 | hex(c[1]));
		c += 2;
	}
	*out = g;
	return 0;
}

int gpt_guid_random(struct gpt_guid *out)
{
	ssize_t n = getrandom(out, sizeof(*out), 0);

	if (n != (ssize_t)sizeof(*out))
		return n < 0 ? -errno : -EIO;
	out->b[7] = (out->b[7] & 0x0f) | 0x40;
	out->b[8] = (out->b[8] & 0x3f) | 0x80;
	return 0;
}

void gpt_part_name(struct gpt_part *p, const char *name)
{
	memset(p->name, 0, sizeof(p->name));
	for (size_t i = 0; i < array_len(p->name) - 1 && name[i]; i++)
		p->name[i] = (uint8_t)name[i];
}

struct gpt_part *gpt_find_type(struct gpt *g, const struct gpt_guid *type)
{
	for (size_t i = 0; i < GPT_ENTRIES; i++)
		if (gpt_guid_equal(&g->part[i].type, type))
			return &g->part[i];
	return NULL;
}

void gpt_fit(struct gpt *g, const struct bdev *b)
{
	g->first_usable = 2 + table_sectors(b);
	g->last_usable = b->sectors - table_sectors(b) - 2;
}

int gpt_init(struct gpt *g, const struct bdev *b, const struct gpt_guid *disk)
{
	if (b->sectors < 2 * (2 + table_sectors(b)) + 1)
		return -ENOSPC;
	memset(g, 0, sizeof(*g));
	g->disk = *disk;
	gpt_fit(g, b);
	return 0;
}

/* ---- reading */

static bool entries_fit(const struct gpt *g)
{
	for (size_t i = 0; i < GPT_ENTRIES; i++) {
		const struct gpt_part *p = &g->part[i];

		if (gpt_guid_is_zero(&p->type))
			continue;
		if (p->first < g->first_usable || p->last < p->first || p->last > g->last_usable)
			return false;
		for (size_t j = 0; j < i; j++) {
			const struct gpt_part *q = &g->part[j];

			if (!gpt_guid_is_zero(&q->type) && p->first <= q->last && q->first <= p->last)
				return false;
		}
	}
	return true;
}

static void decode_entries(struct gpt *g, const uint8_t *raw)
{
	for (size_t i = 0; i < GPT_ENTRIES; i++) {
		struct gpt_part *p = &g->part[i];
		struct disk_entry e;

		memcpy(&e, raw + i * GPT_ENTRY_SIZE, sizeof(e));
		p->type = e.type;
		p->guid = e.guid;
		p->first = le64toh(e.first);
		p->last = le64toh(e.last);
		p->attrs = le64toh(e.attrs);
		for (size_t c = 0; c < array_len(p->name); c++)
			p->name[c] = le16toh(e.name[c]);
	}
}

static bool header_sound(const struct bdev *b, const uint8_t *sector, const struct header *h, uint64_t lba)
{
	uint32_t size = le32toh(h->size);
	uint8_t copy[SECTOR_MAX];

	if (memcmp(h->signature, signature, sizeof(signature)) != 0 || le32toh(h->revision) != REVISION)
		return false;
	if (size < HEADER_SIZE || size > b->sector || le64toh(h->my_lba) != lba)
		return false;
	memcpy(copy, sector, size);
	memset(copy + offsetof(struct header, crc), 0, sizeof(h->crc));
	return crc32(0, copy, size) == le32toh(h->crc);
}

/* One copy of the table, with its header at @lba. GPT_VALID, GPT_ABSENT, -ENOTSUP or -errno. */
static int read_copy(struct bdev *b, uint64_t lba, struct gpt *out, uint64_t *alternate)
{
	uint8_t sector[SECTOR_MAX], raw[TABLE_BYTES];
	struct header h;
	uint64_t first, last, entries;
	int rc = b->read(b, lba, sector, 1);

	if (rc)
		return rc;
	memcpy(&h, sector, sizeof(h));
	if (!header_sound(b, sector, &h, lba))
		return GPT_ABSENT;
	if (le32toh(h.n_entries) != GPT_ENTRIES || le32toh(h.entry_size) != GPT_ENTRY_SIZE)
		return -ENOTSUP;
	first = le64toh(h.first_usable);
	last = le64toh(h.last_usable);
	entries = le64toh(h.entries_lba);
	/* Both copies and the sectors they stand in are outside the usable area, wherever this header is. */
	if (entries < 2 || entries >= b->sectors || b->sectors - entries < table_sectors(b) || first > last ||
		first < 2 + table_sectors(b) || last > b->sectors - table_sectors(b) - 2)
		return GPT_ABSENT;
	rc = b->read(b, entries, raw, (uint32_t)table_sectors(b));
	if (rc)
		return rc;
	if (crc32(0, raw, sizeof(raw)) != le32toh(h.entries_crc))
		return GPT_ABSENT;

	memset(out, 0, sizeof(*out));
	out->disk = h.disk;
	out->first_usable = first;
	out->last_usable = last;
	decode_entries(out, raw);
	*alternate = le64toh(h.alternate_lba);
	return entries_fit(out) ? GPT_VALID : GPT_ABSENT;
}

int gpt_read(struct bdev *b, struct gpt *out)
{
	struct gpt second;
	uint64_t end = b->sectors - 1, alternate = 0, ignored;
	int first_rc, second_rc;

	if (b->sectors < 2 * (2 + table_sectors(b)) + 1)
		return GPT_ABSENT;
	first_rc = read_copy(b, 1, out, &alternate);
	if (first_rc < 0)
		return first_rc;
	second_rc = read_copy(b, end, &second, &ignored);
	if (second_rc < 0)
		return second_rc;

	if (first_rc == GPT_VALID) {
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): read_copy() zeroes the padding, too */
		bool same = second_rc == GPT_VALID && !memcmp(out, &second, sizeof(second));

		out->damaged = !same || alternate != end;
	} else if (second_rc == GPT_VALID) {
		*out = second;
		out->damaged = true;
	} else
		return GPT_ABSENT;
	return GPT_VALID;
}

/* ---- writing */

static void encode_entries(const struct gpt *g, uint8_t *raw)
{
	for (size_t i = 0; i < GPT_ENTRIES; i++) {
		const struct gpt_part *p = &g->part[i];
		struct disk_entry e = {.type = p->type,
			.guid = p->guid,
			.first = htole64(p->first),
			.last = htole64(p->last),
			.attrs = htole64(p->attrs)};

		for (size_t c = 0; c < array_len(p->name); c++)
			e.name[c] = htole16(p->name[c]);
		memcpy(raw + i * GPT_ENTRY_SIZE, &e, sizeof(e));
	}
}

static int write_copy(struct bdev *b, const struct gpt *g, const uint8_t *raw, uint64_t lba,
	uint64_t alternate, uint64_t entries)
{
	uint8_t sector[SECTOR_MAX] = {0};
	struct header h = {.revision = htole32(REVISION),
		.size = htole32(HEADER_SIZE),
		.my_lba = htole64(lba),
		.alternate_lba = htole64(alternate),
		.first_usable = htole64(g->first_usable),
		.last_usable = htole64(g->last_usable),
		.disk = g->disk,
		.entries_lba = htole64(entries),
		.n_entries = htole32(GPT_ENTRIES),
		.entry_size = htole32(GPT_ENTRY_SIZE)};
	int rc;

	memcpy(h.signature, signature, sizeof(signature));
	h.entries_crc = htole32((uint32_t)crc32(0, raw, TABLE_BYTES));
	h.crc = htole32((uint32_t)crc32(0, (const uint8_t *)&h, HEADER_SIZE));
	memcpy(sector, &h, sizeof(h));

	rc = b->write(b, entries, raw, (uint32_t)table_sectors(b));
	if (!rc)
		rc = b->flush(b);
	if (!rc)
		rc = b->write(b, lba, sector, 1);
	return rc ? rc : b->flush(b);
}

/* One partition of type 0xee over the whole disk; the rest of the sector, maybe boot code, stays. */
static int write_mbr(struct bdev *b)
{
	uint8_t sector[SECTOR_MAX], before[SECTOR_MAX];
	struct mbr_entry e = {.start_chs = {0, 2, 0},
		.type = 0xee,
		.end_chs = {0xff, 0xff, 0xff},
		.first = htole32(1),
		.sectors = htole32(b->sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(b->sectors - 1))};
	int rc = b->read(b, 0, before, 1);

	if (rc)
		return rc;
	memcpy(sector, before, b->sector);
	memset(sector + 446, 0, 64);
	memcpy(sector + 446, &e, sizeof(e));
	sector[510] = 0x55;
	sector[511] = 0xaa;
	if (!memcmp(sector, before, b->sector))
		return 0;
	rc = b->write(b, 0, sector, 1);
	return rc ? rc : b->flush(b);
}

int gpt_write(struct bdev *b, const struct gpt *g)
{
	uint64_t end = b->sectors - 1;
	uint8_t raw[TABLE_BYTES];
	int rc;

	encode_entries(g, raw);
	rc = write_copy(b, g, raw, end, 1, end - table_sectors(b));
	if (!rc)
		rc = write_copy(b, g, raw, 1, end, 2);
	return rc ? rc : write_mbr(b);
}
