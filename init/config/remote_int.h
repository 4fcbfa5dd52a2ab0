/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_REMOTE_INT_H
#define CONFIG_REMOTE_INT_H

/*
 * Between remote.c (the process that looks for a configuration), remote_child.c (the one that has the network meanwhile)
 * and remote_url.c. The two processes share a socket: a byte, enum disk_past, means "ask", the end of the parent's side means "take
 * it back and end"; the child answers with one struct and then the text, when the network is as it was.
 */

#include "init/config/source.h"
#include "init/storage/choose.h"
#include "lib/sha256.h"

struct remote_answer {
	int32_t outcome;  /* CONFIG_FOUND or CONFIG_NONE */
	int32_t has_text; /* else why says why, or it is too large */
	size_t len;	  /* of the text that follows */
	char name[CONFIG_SOURCE_NAME_MAX];
	char why[CONFIG_SOURCE_WHY_MAX];
};

/* The child's whole life. @url: the command line's, or "": a lease may name one. Return: its exit status. */
int remote_child(int sock, const char *url);

/* ---- URLs */

/* Whether it can be asked at all; else @why, and it is not shown: who knows what it is. */
must_check bool remote_judge(const char *url, char *why, size_t size);

/* Splits @url at "#sha256=", into @digest. 1: there is a digest; 0: none; -EINVAL: something else stands behind "#". */
must_check int remote_split(char *url, uint8_t digest[SHA256_SIZE]);

/* The URLs of a text as people are shown them: without a query, which may hold a secret, and digest. */
void remote_show(const char *text, char *out, size_t size);

/* download()'s reason, so shown, and without the name (a shown URL) it begins with. */
void remote_words(const char *name, const char *error, char *out, size_t size);

#endif
