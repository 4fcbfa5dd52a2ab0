/* SPDX-License-Identifier: Apache-2.0 */

/* A registry's answer: header lines up to an empty line, then an error's body. */

#include "engine/image/fetch_http.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void fetch_fail(struct xfer *x, int err, const char *text) {}

void fetch_retry(struct xfer *x, int err, const char *text, unsigned at_least_s) {}

void fetch_done(struct xfer *x) {}

int fetch_deliver(struct xfer *x, const void *buf, size_t len)
{
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char home[] = "https://registry.example/v2/a/blobs/b";
	struct xfer x = {.asked = home, .received = 1000};
	struct web_url parts;
	struct auth_challenge ch;
	char words[300], *line = malloc(size + 1), *target;

	if (!line)
		return 0;
	while (size) {
		const uint8_t *nl = memchr(data, '\n', size);
		size_t n = nl ? (size_t)(nl - data) + 1 : size;

		memcpy(line, data, n);
		line[n] = '\0'; /* curl ends header lines so */
		data += n;
		size -= n;
		if (n <= 2)
			break;
		on_header(line, 1, n, &x);
	}
	(void)range_fits(&x);
	if (auth_challenge_parse(x.www_authenticate, &ch) < 0)
		ch.scheme = AUTH_NONE;
	target = web_location(x.asked, x.location);
	if (target && web_url_of(target, &parts)) {
		(void)web_same_origin(target, home);
		web_url_fini(&parts);
	}
	free(target);
	keep_error_body(&x, (const char *)data, size);
	fetch_registry_words(x.error_body, x.error_len, words, sizeof(words));
	for (const char *p = words; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			abort();
	free(x.error_body);
	free(x.location);
	free(line);
	return 0;
}
