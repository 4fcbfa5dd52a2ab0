/* SPDX-License-Identifier: Apache-2.0 */

/* See download.h. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/build/download.h"
#include "engine/image/digest.h"
#include "engine/image/fetch_int.h"
#include "engine/image/image_int.h"
#include "lib/file.h"
#include "lib/sandbox.h"

enum { REDIRECTS_MAX = 10 };
static const uint64_t bytes_max = 16ULL << 30;

struct getter {
	int to;
	const struct registry_proxy *proxy;
	struct digest digest;
	struct download_result *out;
	char *location;
	long status;
	CURL *c;
	int err;
};

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct getter *g = arg;
	size_t len = n;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len >= 5 && !strncmp(line, "HTTP/", 5)) {
		free(take(g->location));
	} else if (len > 9 && !strncasecmp(line, "Location:", 9)) {
		size_t blank = 9 + strspn(line + 9, " \t");

		free(g->location);
		g->location = blank < len ? strndup(line + blank, len - blank) : NULL;
	}
	return n;
}

static size_t on_body(char *buf, size_t size, size_t n, void *arg)
{
	struct getter *g = arg;

	curl_easy_getinfo(g->c, CURLINFO_RESPONSE_CODE, &g->status);
	if (g->status != 200)
		return n;
	if (g->out->bytes + n > bytes_max) {
		g->err = -EFBIG;
		return 0;
	}
	g->err = file_write_all(g->to, buf, n);
	if (g->err < 0)
		return 0;
	digest_update(&g->digest, buf, n);
	g->out->bytes += n;
	return n;
}

/* 0: got it; 1: *url is where to go on; or -errno. */
static int attempt(struct getter *g, char **url)
{
	/* http:// is allowed; certificates are checked */
	struct registry_endpoint e = {.insecure = true, .ca_fd = -1, .proxy = g->proxy};
	bool denied = false;
	CURLcode code;
	char *next;
	const char *words;
	long modified = -1;

	g->c = curl_easy_init();
	if (!g->c || !fetch_common_options(g->c, &e, false, &denied) || !fetch_use_proxy(g->c, &e, *url))
		return -ENOMEM;
	g->err = 0;
	curl_easy_setopt(g->c, CURLOPT_URL, *url);
	curl_easy_setopt(g->c, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(g->c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(g->c, CURLOPT_HEADERDATA, g);
	curl_easy_setopt(g->c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(g->c, CURLOPT_WRITEDATA, g);
	code = curl_easy_perform(g->c);
	curl_easy_getinfo(g->c, CURLINFO_RESPONSE_CODE, &g->status);
	curl_easy_getinfo(g->c, CURLINFO_FILETIME, &modified);
	words = fetch_curl_words(g->c, code);
	curl_easy_cleanup(g->c);
	g->out->modified_s = modified;
	if (denied) {
		snprintf(g->out->error, sizeof(g->out->error), "a link-local address refused: %.300s", *url);
		return -EPERM;
	}
	if (code != CURLE_OK) {
		snprintf(g->out->error, sizeof(g->out->error), "%.300s: %s", *url,
			g->err < 0 ? strerror(-g->err) : words);
		return g->err < 0 ? g->err : -EHOSTUNREACH;
	}
	if (g->status == 200)
		return 0;
	if (g->status < 301 || g->status > 308 || !g->location) {
		snprintf(g->out->error, sizeof(g->out->error), "%.300s: the server answered %ld", *url,
			g->status);
		return g->status == 404 ? -ENOENT : -EPROTO;
	}
	next = fetch_location(*url, g->location);
	if (!next || (!strncasecmp(*url, "https:", 6) && strncasecmp(next, "https:", 6) != 0)) {
		snprintf(g->out->error, sizeof(g->out->error), "redirect refused: %.300s", g->location);
		free(next);
		return -EPERM;
	}
	free(*url);
	*url = next;
	return 1;
}

struct answer {
	int32_t err;
	struct download_result result;
};

static int child(const char *url, int to, const struct registry_proxy *proxy, int answer)
{
	struct answer a = {0};
	struct getter g = {.to = to, .proxy = proxy, .out = &a.result};
	char *at = strdup(url);
	int r = 1;

	close(0);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || sandbox_downloader() < 0)
		return 1;
	digest_init(&g.digest);
	for (int i = 0; r == 1 && i <= REDIRECTS_MAX; i++)
		r = attempt(&g, &at);
	if (r == 1)
		snprintf(a.result.error, sizeof(a.result.error), "%.300s: more than %d redirects", url,
			REDIRECTS_MAX);
	a.err = r == 1 ? -ELOOP : r;
	digest_final(&g.digest, a.result.digest);
	return write(answer, &a, sizeof(a)) == sizeof(a) ? 0 : 1;
}

int download(const char *url, int to, const char *config_path, struct download_result *out)
{
	cleanup(registry_proxy_fini) struct registry_proxy proxy = {NULL};
	cleanup(freep) char *config = NULL;
	size_t len = 0;
	pid_t parent = getpid(), pid;
	struct answer a = {.err = -EPROTO};
	int result[2];
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (config_path && file_read(AT_FDCWD, config_path, 4 << 20, &config, &len) < 0)
		config = NULL;
	if (registry_proxy_init(&proxy, config, len) < 0)
		return -ENOMEM;
	if (pipe2(result, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? child(url, to, &proxy, result[1]) : 1);
	}
	close(result[1]);
	do
		n = pid < 0 ? -1 : read(result[0], &a, sizeof(a));
	while (n < 0 && pid > 0 && errno == EINTR);
	close(result[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(a)) {
		snprintf(out->error, sizeof(out->error), "the downloader ended unexpectedly");
		return -EPROTO;
	}
	a.result.error[sizeof(a.result.error) - 1] = a.result.digest[IMAGE_DIGEST_LEN] = '\0';
	for (char *p = a.result.error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	*out = a.result;
	if (a.err == 0 && !image_digest_valid(out->digest))
		return -EPROTO;
	return a.err <= 0 && a.err > -4096 ? a.err : -EPROTO;
}
