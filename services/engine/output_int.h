/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_OUTPUT_INT_H
#define ENGINE_OUTPUT_INT_H

#include "engine/output.h"

struct output {
	unsigned refs;
	int dirfd;  /* owned; stays valid when the directory is moved to the trash */
	int fds[3]; /* out, err, idx of the newest segment; owned */
	unsigned first, seg;
	int64_t size[2], idx_size; /* of the newest segment, as indexed */
	int64_t unindexed[2];	   /* bytes in the files whose record could not be written yet */
	int64_t max_size;
	unsigned max_files;
	bool ended;
	uint64_t lost;
	struct output_reader *followers;
	unsigned turn;
	char *trash;
	void (*trash_fn)(const char *path, void *arg);
	void *trash_arg;
};

/* @kind: 0 out, 1 err, 2 idx. Descriptor or -errno. */
int output_segment_open(const struct output *l, unsigned seg, int kind, int flags);

#endif
