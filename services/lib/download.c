/* SPDX-License-Identifier: Apache-2.0 */

/* See download.h. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/download.h"
#include "lib/file.h"
#include "lib/sandbox.h"
#include "lib/web.h"

enum { REDIRECTS_MAX = 10 };

struct getter {
	const struct download_wanted *w;
	struct sha256 sum;
	struct download_result *out;
	char *location;
	long status;
	CURL *c;
	int err;
};

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct getter *g = arg;
	size_t len = web_header_len(line, n);

	if (len >= 5 && !strncmp(line, "HTTP/", 5))
		free(take(g->location));
	else
		(void)web_header_location(line, len, &g->location);
	return n;
}

static size_t on_body(char *buf, size_t size, size_t n, void *arg)
{
	struct getter *g = arg;

	curl_easy_getinfo(g->c, CURLINFO_RESPONSE_CODE, &g->status);
	if (g->status != 200)
		return n;
	if (n > g->w->bytes_max - g->out->bytes) {
		g->err = -EFBIG;
		return 0;
	}
	g->err = file_write_all(g->w->to, buf, n);
	if (g->err < 0)
		return 0;
	sha256_update(&g->sum, buf, n);
	g->out->bytes += n;
	return n;
}

static int say(struct download_result *out, int err, const char *url, const char *words)
{
	snprintf(out->error, sizeof(out->error), "%.300s: %s", url, words);
	return err;
}

/* Where an answer leads, malloc'ed; NULL: nowhere that we go. */
static char *next_of(const char *asked, const char *location)
{
	char *next = web_location(asked, location);

	if (next && !strncasecmp(asked, "https:", 6) && strncasecmp(next, "https:", 6) != 0)
		free(take(next));
	return next;
}

/* What the answer means: as attempt(). */
static int answered(struct getter *g, char **url)
{
	char words[64], *next;

	if (g->status == 200)
		return 0;
	if (g->status < 301 || g->status > 308 || !g->location) {
		snprintf(words, sizeof(words), "the server answered %ld", g->status);
		return say(g->out, g->status == 404 ? -ENOENT : -EPROTO, *url, words);
	}
	next = next_of(*url, g->location);
	if (!next) {
		snprintf(g->out->error, sizeof(g->out->error), "redirect refused: %.300s", g->location);
		return -EPERM;
	}
	free(*url);
	*url = next;
	return 1;
}

static bool prepare(struct getter *g, const char *url, bool *denied)
{
	const struct web_trust trust = {.ca_fd = -1, .plain = true, .link_local = g->w->link_local};

	if (!web_options(g->c, &trust, denied) || !web_use_proxy(g->c, g->w->proxy, url))
		return false;
	curl_easy_setopt(g->c, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(g->c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(g->c, CURLOPT_HEADERDATA, g);
	curl_easy_setopt(g->c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(g->c, CURLOPT_WRITEDATA, g);
	return curl_easy_setopt(g->c, CURLOPT_URL, url) == CURLE_OK;
}

/* 0: got it; 1: *url is where to go on; or -errno. */
static int attempt(struct getter *g, char **url)
{
	bool denied = false;
	const char *words;
	long modified = -1;
	CURLcode code;

	g->err = 0;
	g->c = curl_easy_init();
	if (!g->c || !prepare(g, *url, &denied))
		return say(g->out, -ENOMEM, *url, strerror(ENOMEM));
	code = curl_easy_perform(g->c);
	curl_easy_getinfo(g->c, CURLINFO_RESPONSE_CODE, &g->status);
	curl_easy_getinfo(g->c, CURLINFO_FILETIME, &modified);
	words = web_words(g->c, code);
	curl_easy_cleanup(g->c);
	g->out->modified_s = modified;
	if (denied) {
		snprintf(g->out->error, sizeof(g->out->error), "a link-local address refused: %.300s", *url);
		return -EPERM;
	}
	if (code != CURLE_OK)
		return g->err < 0 ? say(g->out, g->err, *url, strerror(-g->err))
				  : say(g->out, -EHOSTUNREACH, *url, words);
	return answered(g, url);
}

struct answer {
	int32_t err;
	struct download_result result;
};

/*
 * What the caller has open is none of a server's business, and the file takes no more than it was to take, whoever writes
 * to it.
 */
static int leave_all_but(const struct download_wanted *w, int answer)
{
	const struct rlimit size = {w->bytes_max, w->bytes_max};
	int first = w->to < answer ? w->to : answer, keep[] = {STDERR_FILENO, first, w->to + answer - first};

	signal(SIGXFSZ, SIG_IGN); /* a write beyond it is EFBIG */
	if (setrlimit(RLIMIT_FSIZE, &size) < 0)
		return -errno;
	return sandbox_close_others(keep, array_len(keep));
}

static int child(const struct download_wanted *w, int answer)
{
	struct answer a = {0};
	struct getter g = {.w = w, .out = &a.result};
	char *at = strdup(w->url), words[64];
	int r = 1;

	if (!at || leave_all_but(w, answer) < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) ||
		sandbox_downloader() < 0)
		return 1;
	/* another user's process is nobody's to end, until it says so again */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sha256_init(&g.sum);
	for (int i = 0; r == 1 && i <= REDIRECTS_MAX; i++)
		r = attempt(&g, &at);
	if (r == 1) {
		snprintf(words, sizeof(words), "more than %d redirects", REDIRECTS_MAX);
		r = say(&a.result, -ELOOP, w->url, words);
	}
	a.err = r;
	sha256_final(&g.sum, a.result.sha256);
	return write(answer, &a, sizeof(a)) == sizeof(a) ? 0 : 1;
}

/* The child's answer, or its end; the clock is here, where no resolver and no library can hold it up. */
static int wait_for(int fd, unsigned seconds_max, struct answer *a)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + (int64_t)seconds_max * 1000, left_ms = -1;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;

	do {
		if (seconds_max) {
			left_ms = end_ms - clock_ms(CLOCK_MONOTONIC);
			left_ms = left_ms < 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : left_ms;
		}
		r = poll(&p, 1, (int)left_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	/* smaller than PIPE_BUF: whole, or not there */
	return read(fd, a, sizeof(*a)) == sizeof(*a) ? 0 : -EPROTO;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Bytes of a process that a server may have talked into anything. */
static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
}

static int without_answer(const struct download_wanted *w, struct download_result *out, int err)
{
	char words[64];

	if (err == -EPROTO)
		return say(out, err, w->url, "the downloader ended unexpectedly");
	if (err != -ETIMEDOUT)
		return say(out, err, w->url, strerror(-err));
	snprintf(words, sizeof(words), "not here after %u seconds", w->seconds_max);
	return say(out, err, w->url, words);
}

int download(const struct download_wanted *w, struct download_result *out)
{
	pid_t parent = getpid(), pid;
	struct answer a = {.err = -EPROTO};
	int result[2], r;

	assert(w->bytes_max);
	memset(out, 0, sizeof(*out));
	if (pipe2(result, O_CLOEXEC) < 0)
		return without_answer(w, out, -errno);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? child(w, result[1]) : 1);
	}
	r = pid < 0 ? -errno : 0;
	close(result[1]);
	if (r == 0) {
		r = wait_for(result[0], w->seconds_max, &a);
		end(pid);
	}
	close(result[0]);
	if (r < 0)
		return without_answer(w, out, r);
	make_printable(a.result.error, sizeof(a.result.error));
	*out = a.result;
	return a.err <= 0 && a.err > -4096 ? a.err : -EPROTO;
}
