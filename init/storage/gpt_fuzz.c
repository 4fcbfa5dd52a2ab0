/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A disk with any bytes: read as its first and last sectors, with right checksums put in so that the fuzzer
 * gets past them. What is taken for valid must be sound: inside the disk, nothing overlapping, and the same
 * after writing it back.
 */

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "init/storage/gpt.h"

enum { SECTORS = 256, SECTOR = 512 };

struct ram {
	struct bdev b;
	uint8_t bytes[SECTORS * SECTOR];
};

static int ram_read(struct bdev *b, uint64_t lba, void *buf, uint32_t count)
{
	if (lba > SECTORS || count > SECTORS - lba)
		abort();
	memcpy(buf, container_of(b, struct ram, b)->bytes + lba * SECTOR, (size_t)count * SECTOR);
	return 0;
}

static int ram_write(struct bdev *b, uint64_t lba, const void *buf, uint32_t count)
{
	if (lba > SECTORS || count > SECTORS - lba)
		abort();
	memcpy(container_of(b, struct ram, b)->bytes + lba * SECTOR, buf, (size_t)count * SECTOR);
	return 0;
}

static int ram_flush(struct bdev *b)
{
	return 0;
}

static void seal(uint8_t *header, const uint8_t *entries)
{
	uint32_t crc = (uint32_t)crc32(0, entries, GPT_ENTRIES * GPT_ENTRY_SIZE), size;

	memcpy(header + 88, &crc, 4);
	memset(header + 16, 0, 4);
	memcpy(&size, header + 12, 4);
	crc = (uint32_t)crc32(0, header, size <= SECTOR ? size : 92);
	memcpy(header + 16, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ram r;
	struct gpt g, again;

	memset(&r, 0, sizeof(r));
	r.b = (struct bdev){SECTOR, SECTORS, ram_read, ram_write, ram_flush};
	if (size < 1)
		return 0;
	memcpy(r.bytes + SECTOR, data + 1,
		size - 1 < sizeof(r.bytes) - SECTOR ? size - 1 : sizeof(r.bytes) - SECTOR);
	if (data[0] & 1)
		seal(r.bytes + SECTOR, r.bytes + 2 * SECTOR);
	if (data[0] & 2)
		seal(r.bytes + (SECTORS - 1) * SECTOR, r.bytes + (SECTORS - 33) * SECTOR);

	if (gpt_read(&r.b, &g) != GPT_VALID)
		return 0;
	for (size_t i = 0; i < GPT_ENTRIES; i++) {
		const struct gpt_part *p = &g.part[i];

		if (gpt_guid_is_zero(&p->type))
			continue;
		if (p->first > p->last || p->last >= SECTORS || p->first < 2)
			abort();
		for (size_t j = 0; j < i; j++)
			if (!gpt_guid_is_zero(&g.part[j].type) && p->first <= g.part[j].last &&
				g.part[j].first <= p->last)
				abort();
	}
	if (gpt_write(&r.b, &g) != 0 || gpt_read(&r.b, &again) != GPT_VALID || again.damaged ||
		memcmp(again.part, g.part, sizeof(g.part)) != 0)
		abort();
	return 0;
}
