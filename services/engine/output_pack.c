/* SPDX-License-Identifier: Apache-2.0 */

/* See output_pack.h. */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <zlib.h>

#include "engine/output_pack.h"
#include "lib/file.h"

/* Of a member: magic, deflate, FEXTRA, no time, no system; XLEN 6; 'B' 'C', length 2, size of the member less one. */
enum { HEAD = 18, TAIL = 8, PACKED_MAX = 1 << 16, SIZE_AT = 16 };
static const unsigned char magic[SIZE_AT] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0};

static uint32_t get32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static void put32(unsigned char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

/* ---- writing */

struct packer {
	z_stream z;
	unsigned char in[OUTPUT_PACK_BLOCK], out[PACKED_MAX];
};

/* What does not get smaller grows by five bytes and fits all the same: that is why a block is less than 64 KiB. */
static int pack_block(struct packer *p, size_t len, int out)
{
	size_t packed;

	memcpy(p->out, magic, sizeof(magic));
	p->z.next_in = p->in;
	p->z.avail_in = (uInt)len;
	p->z.next_out = p->out + HEAD;
	p->z.avail_out = sizeof(p->out) - HEAD - TAIL;
	if (deflateReset(&p->z) != Z_OK || deflate(&p->z, Z_FINISH) != Z_STREAM_END)
		return -EIO;
	packed = HEAD + p->z.total_out + TAIL;
	p->out[SIZE_AT] = (unsigned char)(packed - 1);
	p->out[SIZE_AT + 1] = (unsigned char)((packed - 1) >> 8);
	put32(p->out + packed - 8, (uint32_t)crc32(0, p->in, (uInt)len));
	put32(p->out + packed - 4, (uint32_t)len);
	return file_write_all(out, p->out, packed);
}

int output_pack_write(int in, int out)
{
	struct packer *p = calloc(1, sizeof(*p));
	ssize_t n = OUTPUT_PACK_BLOCK;
	int err = 0;

	if (!p || deflateInit2(&p->z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(p);
		return -ENOMEM;
	}
	/* A file of whole blocks ends with an empty one, and so does an empty file: there is a member at least. */
	while (!err && n == OUTPUT_PACK_BLOCK) {
		n = file_fill(in, p->in, sizeof(p->in));
		err = n < 0 ? (int)n : pack_block(p, (size_t)n, out);
	}
	deflateEnd(&p->z);
	free(p);
	return err;
}

/* ---- reading */

struct output_pack {
	int fd;
	int64_t *at; /* owned; where each member begins, and where the last ends */
	size_t n, cap;
	int64_t size; /* of what was packed */
	size_t have;  /* the member that @block holds; n: none */
	size_t block_len;
	unsigned char block[OUTPUT_PACK_BLOCK], packed[PACKED_MAX];
};

void output_pack_free(struct output_pack *p)
{
	if (!p)
		return;
	free(p->at);
	free(p);
}

/* Exactly @n bytes. */
static int get(int fd, unsigned char *buf, size_t n, int64_t off)
{
	ssize_t got = pread(fd, buf, n, off);

	return got < 0 ? -errno : (size_t)got == n ? 0 : -EBADMSG;
}

static int add(struct output_pack *p, int64_t at)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 64;
		int64_t *more = realloc(p->at, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->at = more;
		p->cap = cap;
	}
	p->at[p->n++] = at;
	return 0;
}

/* Goes from member to member by their sizes. */
static int find_members(struct output_pack *p)
{
	int64_t at = 0, end = lseek(p->fd, 0, SEEK_END);
	unsigned char head[HEAD], len[4];
	int err = end < 0 ? -errno : end ? 0 : -EBADMSG;

	while (!err && at < end) {
		err = get(p->fd, head, sizeof(head), at);
		if (!err && memcmp(head, magic, sizeof(magic)) != 0)
			err = -EBADMSG;
		if (!err)
			err = add(p, at);
		if (!err)
			at += (head[SIZE_AT] | head[SIZE_AT + 1] << 8) + 1;
		if (!err && (at > end || at - p->at[p->n - 1] < HEAD + TAIL))
			err = -EBADMSG;
	}
	if (!err)
		err = get(p->fd, len, sizeof(len), end - 4);
	if (!err && get32(len) > OUTPUT_PACK_BLOCK)
		err = -EBADMSG;
	if (!err)
		err = add(p, end);
	if (err)
		return err;
	p->n--;
	p->have = p->n;
	p->size = (int64_t)(p->n - 1) * OUTPUT_PACK_BLOCK + get32(len);
	return 0;
}

int output_pack_open(struct output_pack **out, int fd)
{
	struct output_pack *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->fd = fd;
	err = find_members(p);
	if (err)
		output_pack_free(p);
	else
		*out = p;
	return err;
}

int64_t output_pack_size(const struct output_pack *p)
{
	return p->size;
}

static int unpack(struct output_pack *p, size_t number)
{
	size_t len = (size_t)(p->at[number + 1] - p->at[number]);
	z_stream z = {.next_in = p->packed,
		.avail_in = (uInt)len,
		.next_out = p->block,
		.avail_out = sizeof(p->block)};
	int err = get(p->fd, p->packed, len, p->at[number]);

	p->have = p->n;
	if (err)
		return err;
	if (inflateInit2(&z, 31) != Z_OK)
		return -ENOMEM;
	/* with the checks of gzip: its sum and its length */
	if (inflate(&z, Z_FINISH) != Z_STREAM_END || z.avail_in)
		err = -EBADMSG;
	p->block_len = z.total_out;
	inflateEnd(&z);
	if (!err && number + 1 < p->n && p->block_len != OUTPUT_PACK_BLOCK)
		err = -EBADMSG;
	if (!err)
		p->have = number;
	return err;
}

ssize_t output_pack_read(struct output_pack *p, void *buf, size_t n, int64_t off)
{
	size_t done = 0;

	while (done < n && off < p->size) {
		size_t number = (size_t)(off / OUTPUT_PACK_BLOCK), begin = (size_t)(off % OUTPUT_PACK_BLOCK);
		int err = p->have == number ? 0 : unpack(p, number);
		size_t some;

		if (err)
			return err;
		if (begin >= p->block_len)
			break;
		some = p->block_len - begin < n - done ? p->block_len - begin : n - done;
		memcpy((char *)buf + done, p->block + begin, some);
		done += some;
		off += (int64_t)some;
	}
	return (ssize_t)done;
}
