/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_SANDBOX_H
#define LIB_SANDBOX_H

#include "lib/util.h"

/*
 * Workers give away what they do not need, first thing: whoever downloads, and those that unpack, copy and pack files
 * that others have made. None can gain privileges again or start a program.
 */

/*
 * The unpacker: chrooted into @root, no descriptor but @keep[], no network; of root's powers only those over
 * owner and mode of files, device nodes and file capabilities. 0 or -errno.
 */
must_check int sandbox_unpacker(int root, const int *keep, size_t n_keep);

/* The packer: the same walls around one that only reads. 0 or -errno. */
must_check int sandbox_packer(int root, const int *keep, size_t n_keep);

/*
 * The copier of a build: as the unpacker, without device nodes and hard links.
 */
must_check int sandbox_copier(int root, const int *keep, size_t n_keep);

/*
 * The downloader: user nobody without any capability, no file but for reading, the network. 0 or -errno.
 */
must_check int sandbox_downloader(void);

/* Closes all descriptors but these, which ascend. The downloader's own business, since only it knows them. 0 or -errno. */
must_check int sandbox_close_others(const int *keep, size_t n);

#endif
