/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_UTIL_H
#define LIB_UTIL_H

/*
 * The few words every file uses: ownership that ends with the scope, ownership that moves visibly,
 * and results that must be looked at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define must_check	  __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define never_null	  __attribute__((returns_nonnull))
#define cleanup(fn)	  __attribute__((cleanup(fn)))
#define array_len(a)	  (sizeof(a) / sizeof((a)[0]))

/* Ownership leaves the variable: it is NULL (or -1) afterwards and its cleanup does nothing. */
#define take(p)                                                                                              \
	({                                                                                                   \
		__typeof__(p) take_ = (p);                                                                   \
		(p) = NULL;                                                                                  \
		take_;                                                                                       \
	})
#define take_fd(f)                                                                                           \
	({                                                                                                   \
		int take_ = (f);                                                                             \
		(f) = -1;                                                                                    \
		take_;                                                                                       \
	})

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* Close *fd unless it is -1; errno is kept, so that it can stand in an error path. */
void closep(int *fd);

/* FNV-1a, for what is to be spread, not for what somebody may attack; it begins with HASH_BEGIN. */
#define HASH_BEGIN UINT32_C(2166136261)

static inline uint32_t hash_bytes(uint32_t h, const void *bytes, size_t n)
{
	for (const unsigned char *p = bytes; n; n--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

/* free(*(void **)p), for cleanup(freep). */
static inline void freep(void *p)
{
	free(*(void **)p);
}

#endif
