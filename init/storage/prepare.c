/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table is the record of progress:
 *
 *   no STATE and DATA entries        nothing was done
 *   entries without ATTR_FORMATTED   being formatted: never used, so formatted again
 *   entries with ATTR_FORMATTED      in use: never formatted again, whatever happens
 *
 * Each step to the next line is one gpt_write(), which a power cut leaves before or after.
 */

#include <errno.h>
#include <string.h>

#include "init/storage/prepare.h"

#define MIB (1ull << 20)

static struct gpt_guid type_of(const char *text)
{
	struct gpt_guid g;

	if (gpt_guid_parse(&g, text) < 0)
		abort(); /* a constant of ours */
	return g;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && !memcmp(p, p + 1, len - 1));
}

static int read_bytes(struct bdev *b, uint64_t lba, uint8_t *buf, uint64_t bytes)
{
	return b->read(b, lba, buf, (uint32_t)(bytes / b->sector));
}

/*
 * 1: empty, 0: not, or -errno. The room of the second table may also hold the beginning of ours: the first
 * write on an empty disk goes there and may have been cut.
 */
static int is_empty(struct bdev *b)
{
	uint64_t table = GPT_ENTRIES * GPT_ENTRY_SIZE + b->sector, span = MIB;
	struct gpt_guid state = type_of(STATE_TYPE);
	cleanup(freep) uint8_t *buf = NULL;
	int rc;

	if (b->sectors * b->sector < 2 * MIB)
		span = b->sectors / 2 * b->sector;
	if (span < table)
		return 0;
	buf = malloc(span);
	if (!buf)
		return -ENOMEM;
	rc = read_bytes(b, 0, buf, span);
	if (rc)
		return rc;
	if (!is_zero(buf, span))
		return 0;
	rc = read_bytes(b, b->sectors - span / b->sector, buf, span);
	if (rc)
		return rc;
	if (!is_zero(buf, span - table))
		return 0;
	return is_zero(buf + span - table, table) || !memcmp(buf + span - table, &state, sizeof(state));
}

static uint64_t align_up(const struct bdev *b, uint64_t lba)
{
	uint64_t unit = MIB / b->sector;

	return (lba + unit - 1) / unit * unit;
}

/* The last sector before a MiB boundary, at or below @last. */
static uint64_t align_end(const struct bdev *b, uint64_t last)
{
	uint64_t unit = MIB / b->sector;

	return (last + 1) / unit * unit - 1;
}

static struct gpt_part *unused_entry(struct gpt *g)
{
	for (size_t i = 0; i < GPT_ENTRIES; i++)
		if (gpt_guid_is_zero(&g->part[i].type))
			return &g->part[i];
	return NULL;
}

/* Where DATA may end when it begins at @first. */
static uint64_t data_end(const struct bdev *b, const struct gpt *g, uint64_t first, uint64_t size)
{
	uint64_t end = align_end(b, g->last_usable), wanted = size / b->sector;

	if (!size || wanted > end - first + 1)
		return end;
	return align_end(b, first + align_up(b, wanted) - 1);
}

static int add_part(struct gpt *g, const char *type, const char *name, uint64_t first, uint64_t last)
{
	struct gpt_part *p = unused_entry(g);

	if (!p)
		return PREPARE_TOO_SMALL;
	memset(p, 0, sizeof(*p));
	p->type = type_of(type);
	p->first = first;
	p->last = last;
	gpt_part_name(p, name);
	return PREPARE_OK;
}

/* Images are all alike, so are their GUIDs; from the first boot on they tell this disk from every other. */
static int own_guids(struct gpt *g)
{
	int rc = gpt_guid_random(&g->disk);

	for (size_t i = 0; !rc && i < GPT_ENTRIES; i++)
		if (!gpt_guid_is_zero(&g->part[i].type))
			rc = gpt_guid_random(&g->part[i].guid);
	return rc;
}

/* Adds STATE and DATA behind everything else. Nothing is written yet. */
static int add_parts(const struct bdev *b, struct gpt *g, uint64_t data_size)
{
	uint64_t used = 0, state, data, end;
	int rc;

	gpt_fit(g, b);
	for (size_t i = 0; i < GPT_ENTRIES; i++)
		if (!gpt_guid_is_zero(&g->part[i].type) && g->part[i].last > used)
			used = g->part[i].last;
	state = align_up(b, used ? used + 1 : g->first_usable);
	data = state + STATE_BYTES / b->sector;
	if (data + DATA_BYTES_MIN / b->sector > g->last_usable)
		return PREPARE_TOO_SMALL;
	end = data_end(b, g, data, data_size);
	if (end < data || end - data + 1 < DATA_BYTES_MIN / b->sector)
		return PREPARE_TOO_SMALL;

	rc = add_part(g, STATE_TYPE, "STATE", state, data - 1);
	if (!rc)
		rc = add_part(g, DATA_TYPE, "DATA", data, end);
	return rc ? rc : own_guids(g);
}

static int write_table(struct bdev *b, struct gpt *g, const struct prepare_ops *ops)
{
	int rc = gpt_write(b, g);

	if (rc)
		return rc;
	g->damaged = false;
	return ops->reread(ops->arg, g);
}

static int start_fresh(struct bdev *b, struct gpt *g)
{
	struct gpt_guid disk = {{0}}; /* own_guids() follows */

	return gpt_init(g, b, &disk) ? PREPARE_TOO_SMALL : PREPARE_OK;
}

/* Decides what may be done with the disk; leaves in @g the table to begin from. */
static int judge(struct bdev *b, const struct prepare_want *want, struct gpt *g, const char **why)
{
	struct gpt_guid state_type = type_of(STATE_TYPE), data_type = type_of(DATA_TYPE);
	int rc = gpt_read(b, g), empty;

	if (rc < 0 && rc != -ENOTSUP)
		return rc;
	if (rc == GPT_VALID) {
		bool state = gpt_find_type(g, &state_type), data = gpt_find_type(g, &data_type);

		if ((state && data) || (want->booted && !state && !data))
			return PREPARE_OK;
		*why = state != data ? "only one of the partitions STATE and DATA"
				     : "partitions that are not Wherry's";
	} else {
		empty = is_empty(b);
		if (empty < 0)
			return empty;
		if (empty)
			return start_fresh(b, g);
		*why = "data that is not Wherry's";
	}
	return want->wipe ? start_fresh(b, g) : PREPARE_FOREIGN;
}

/* DATA follows the disk when it is the last partition. */
static bool grow_data(const struct bdev *b, struct gpt *g, struct gpt_part *data, uint64_t size)
{
	uint64_t end;

	for (size_t i = 0; i < GPT_ENTRIES; i++)
		if (!gpt_guid_is_zero(&g->part[i].type) && g->part[i].first > data->first)
			return false;
	gpt_fit(g, b);
	end = data_end(b, g, data->first, size);
	if (end <= data->last)
		return false;
	data->last = end;
	return true;
}

static int format_new(struct bdev *b, struct gpt *g, const struct prepare_ops *ops, struct prepared *out)
{
	const unsigned parts[] = {out->state, out->data};

	for (size_t i = 0; i < array_len(parts); i++) {
		int rc = 0;

		if (g->part[parts[i]].attrs & ATTR_FORMATTED)
			continue;
		rc = ops->format(ops->arg, g, parts[i]);
		if (rc)
			return rc;
		g->part[parts[i]].attrs |= ATTR_FORMATTED;
		out->formatted = true;
	}
	/* No reread: the kernel does not look at attributes, and the partitions may be in use from here on.
	 */
	return out->formatted ? gpt_write(b, g) : 0;
}

int prepare_disk(struct bdev *b, const struct prepare_want *want, const struct prepare_ops *ops,
	struct gpt *g, struct prepared *out, const char **why)
{
	struct gpt_guid state_type = type_of(STATE_TYPE), data_type = type_of(DATA_TYPE);
	struct gpt_part *data;
	int rc = judge(b, want, g, why);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	out->mended = g->damaged;
	if (!gpt_find_type(g, &data_type)) {
		rc = add_parts(b, g, want->data_size);
		if (rc)
			return rc;
		out->made = true;
	}
	data = gpt_find_type(g, &data_type);
	out->state = (unsigned)(gpt_find_type(g, &state_type) - g->part);
	out->data = (unsigned)(data - g->part);
	out->grown = !out->made && grow_data(b, g, data, want->data_size);

	if (out->made || out->grown || out->mended) {
		rc = write_table(b, g, ops);
		if (rc)
			return rc;
	}
	return format_new(b, g, ops, out);
}
