/* SPDX-License-Identifier: Apache-2.0 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/errno_text.h"
#include "lib/util.h"

/* Where musl has words of its own. */
static const char *const usual[] = {
	[EIO] = "input/output error",
	[ECHILD] = "no child processes",
	[ENOMEM] = "cannot allocate memory",
	[EBUSY] = "device or resource busy",
	[EXDEV] = "invalid cross-device link",
	[EMFILE] = "too many open files",
	[ENOTTY] = "inappropriate ioctl for device",
	[ENAMETOOLONG] = "file name too long",
	[ELOOP] = "too many levels of symbolic links",
	[EOVERFLOW] = "value too large for defined data type",
	[EMSGSIZE] = "message too long",
	[EOPNOTSUPP] = "operation not supported",
	[EADDRINUSE] = "address already in use",
	[EADDRNOTAVAIL] = "cannot assign requested address",
	[ENETUNREACH] = "network is unreachable",
	[ENOTCONN] = "transport endpoint is not connected",
	[ETIMEDOUT] = "connection timed out",
	[EHOSTUNREACH] = "no route to host",
	[EDQUOT] = "disk quota exceeded",
};

enum { ERRNO_END = 134, TEXT_MAX = 64 }; /* Linux's go to 133, EHWPOISON */

const char *errno_text(int err)
{
	static char texts[ERRNO_END][TEXT_MAX];
	const char *libc = strerror(err);
	char *text;

	if (err < 0 || err >= ERRNO_END)
		return libc;
	if ((size_t)err < array_len(usual) && usual[err])
		return usual[err];
	text = texts[err];
	if (!*text)
		snprintf(text, TEXT_MAX, "%s", libc);
	/* Not the first letter of an acronym. */
	if (!isupper((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}
