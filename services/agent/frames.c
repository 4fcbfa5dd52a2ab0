/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "agent/frames.h"

int frames_feed(struct frames *f, const void *buf, size_t len, frames_data *fn, void *arg)
{
	const unsigned char *p = buf;

	while (len) {
		size_t n;

		if (f->have < sizeof(f->head)) {
			f->head[f->have++] = *p++;
			len--;
			if (f->have < sizeof(f->head))
				continue;
			if (f->head[0] > 2 || f->head[1] || f->head[2] || f->head[3])
				return -EPROTO;
			f->left = (uint32_t)f->head[4] << 24 | (uint32_t)f->head[5] << 16 |
				  (uint32_t)f->head[6] << 8 | f->head[7];
		}
		n = f->left < len ? f->left : len;
		if (n)
			fn(f->head[0] == 2 ? 2 : 1, p, n, arg);
		p += n;
		len -= n;
		f->left -= (uint32_t)n;
		if (!f->left)
			f->have = 0;
	}
	return 0;
}
