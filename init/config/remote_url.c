/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/config/remote.h"
#include "init/config/remote_int.h"
#include "lib/cmdline.h"
#include "lib/hex.h"
#include "lib/web.h"

#define DIGEST_MARK "#sha256="

int remote_split(char *url, uint8_t digest[SHA256_SIZE])
{
	char *mark = strchr(url, '#');
	const char *hex = mark ? mark + strlen(DIGEST_MARK) : NULL;

	if (!mark)
		return 0;
	if (strncmp(mark, DIGEST_MARK, strlen(DIGEST_MARK)) != 0 || strlen(hex) != 2 * (size_t)SHA256_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	*mark = '\0';
	return 1;
}

/* An address of the web; what curl would guess, of too few slashes or too many, is none. */
static bool is_url(const char *url)
{
	size_t scheme = !strncmp(url, "http://", 7) ? 7 : !strncmp(url, "https://", 8) ? 8 : 0;
	struct web_url parts;
	bool is = web_url_of(url, &parts) && scheme && url[scheme] != '/';

	web_url_fini(&parts);
	return is;
}

bool remote_judge(const char *url, char *why, size_t size)
{
	char copy[CMDLINE_VALUE_MAX];
	uint8_t digest[SHA256_SIZE];
	int split;

	snprintf(copy, sizeof(copy), "%s", url);
	split = remote_split(copy, digest);
	if (split < 0)
		snprintf(why, size, "behind # of a URL stands sha256= and 64 hexadecimal digits, or nothing");
	else if (!is_url(copy))
		snprintf(why, size,
			"neither a URL of http:// or https://, without user and password, nor " REMOTE_NONE);
	return split >= 0 && is_url(copy);
}

void remote_show(const char *text, char *out, size_t size)
{
	size_t n = 0;

	while (*text && n + 1 < size) {
		if (*text == '?' || *text == '#') {
			text += strcspn(text, " ");
			if (text[-1] == ':' && *text)
				text--;
		} else {
			out[n++] = *text++;
		}
	}
	out[n] = '\0';
}

void remote_words(const char *name, const char *error, char *out, size_t size)
{
	size_t len = strlen(name);

	remote_show(error, out, size);
	if (!strncmp(out, name, len) && !strncmp(out + len, ": ", 2))
		memmove(out, out + len + 2, strlen(out + len + 2) + 1);
}
