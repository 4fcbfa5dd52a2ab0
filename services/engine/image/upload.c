/* SPDX-License-Identifier: Apache-2.0 */

/*
 * See upload.h. A blob is asked for first (HEAD), then mounted from a repository that has it, then sent whole
 * (POST, PUT). What breaks is begun anew after a growing pause.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <time.h>

#include "engine/image/fetch_int.h"
#include "engine/image/upload.h"
#include "lib/clock.h"
#include "lib/sandbox.h"

enum { ATTEMPTS = 5, ERROR_BODY_MAX = 16 << 10, PROGRESS_MS = 100, ANSWER_S = 300 };

struct uploader {
	struct fetcher f; /* its tokens; no transfers */
	const struct upload *u;
	int events;
	size_t endpoint;
	uint64_t sent;
	int64_t told_ms;

	/* the last answer */
	long status;
	char *location; /* owned */
	char www_authenticate[2048];
	unsigned retry_after_s;
	char body[ERROR_BODY_MAX];
	size_t body_len;
	char why[512];
	bool denied;
};

static void tell(struct uploader *p, enum upload_outcome type, int err, unsigned seconds)
{
	struct upload_event e = {
		.id = p->u->id, .type = type, .err = err, .seconds = seconds, .bytes = p->sent};

	snprintf(e.text, sizeof(e.text), "%s", p->why);
	/* smaller than PIPE_BUF: whole, whoever else writes */
	if (write(p->events, &e, sizeof(e)) < 0)
		_exit(1);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct uploader *p = arg;
	size_t len = web_header_len(line, n);

	if (len >= 5 && !strncmp(line, "HTTP/", 5)) {
		*p->www_authenticate = '\0';
		p->retry_after_s = 0;
		free(take(p->location));
	} else if (len > 17 && !strncasecmp(line, "WWW-Authenticate:", 17)) {
		size_t have = strlen(p->www_authenticate);

		snprintf(p->www_authenticate + have, sizeof(p->www_authenticate) - have, "%s%.*s",
			have ? ", " : "", (int)len - 17, line + 17);
	} else if (web_header_location(line, len, &p->location)) {
		; /* kept */
	} else if (len > 12 && !strncasecmp(line, "Retry-After:", 12)) {
		p->retry_after_s = (unsigned)strtoul(line + 12, NULL, 10);
	}
	return n;
}

static size_t on_body(char *buf, size_t size, size_t n, void *arg)
{
	struct uploader *p = arg;
	size_t room = sizeof(p->body) - p->body_len, some = n < room ? n : room;

	memcpy(p->body + p->body_len, buf, some);
	p->body_len += some;
	return n;
}

static size_t on_read(char *buf, size_t size, size_t n, void *arg)
{
	struct uploader *p = arg;
	ssize_t got = pread(p->u->fd, buf, size * n, (off_t)p->sent);

	if (got < 0)
		return CURL_READFUNC_ABORT;
	p->sent += (uint64_t)got;
	if (clock_ms(CLOCK_MONOTONIC) - p->told_ms >= PROGRESS_MS) {
		p->told_ms = clock_ms(CLOCK_MONOTONIC);
		tell(p, UPLOAD_PROGRESS, 0, 0);
	}
	return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct uploader *p = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	p->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static char *own_url(struct uploader *p, const char *kind, const char *what)
{
	char base[IMAGE_DOMAIN_MAX + 16], *out;

	if (asprintf(&out, "%s/v2/%s/%s/%s", fetch_base(&p->f, p->endpoint, base), p->f.setup->path, kind,
		    what) < 0)
		return NULL;
	return out;
}

/* One request; 0 with p->status, or -errno with p->why. @body: send the upload's bytes. */
static int request(struct uploader *p, const char *method, const char *url, bool body)
{
	const struct registry_endpoint *e = &p->f.setup->endpoints->list[p->endpoint];
	char base[IMAGE_DOMAIN_MAX + 16], type[160];
	bool home = web_same_origin(url, fetch_base(&p->f, p->endpoint, base));
	struct curl_slist *headers = NULL;
	CURL *c = curl_easy_init();
	const char *words;
	CURLcode code;
	bool ok;

	p->status = 0;
	p->body_len = 0;
	p->sent = 0;
	p->denied = false;
	ok = c && fetch_options(c, e, url, home, &p->denied) &&
	     curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	     (!home || fetch_credentials(&p->f, p->endpoint, c));
	if (ok) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
		curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(c, CURLOPT_HEADERDATA, p);
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
		if (!strcmp(method, "HEAD"))
			curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
		if (body) {
			snprintf(type, sizeof(type), "Content-Type: %s",
				p->u->media_type ? p->u->media_type : "application/octet-stream");
			headers = curl_slist_append(headers, type);
			/* a registry answers when it has checked and stored the whole */
			curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)ANSWER_S);
			curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
			curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
			curl_easy_setopt(c, CURLOPT_READDATA, p);
			curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
			curl_easy_setopt(c, CURLOPT_SEEKDATA, p);
			curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)p->u->size_bytes);
		} else if (!strcmp(method, "POST")) {
			curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
			curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
		}
		headers = curl_slist_append(headers, "Expect:");
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		code = curl_easy_perform(c);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &p->status);
	} else {
		code = CURLE_OUT_OF_MEMORY;
	}
	words = web_words(c, code);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		return 0;
	if (p->denied) {
		snprintf(p->why, sizeof(p->why), "a link-local address refused: %.300s", url);
		return -EPERM;
	}
	if (e->insecure && !p->f.plain[p->endpoint] && home &&
		(code == CURLE_SSL_CONNECT_ERROR || code == CURLE_COULDNT_CONNECT)) {
		p->f.plain[p->endpoint] = true;
		return -EAGAIN;
	}
	snprintf(p->why, sizeof(p->why), "%.200s: %s", e->host, words);
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_COULDNT_RESOLVE_HOST ? -EACCES
											    : -EHOSTUNREACH;
}

/* What the registry wants to see. 0: ask again. */
static int authenticate(struct uploader *p)
{
	struct auth_challenge ch;
	char scope[600], more[600];

	fetch_registry_words(p->body, p->body_len, p->why, sizeof(p->why));
	if (!*p->why)
		snprintf(p->why, sizeof(p->why), "unauthorized: authentication required");
	if (auth_challenge_parse(p->www_authenticate, &ch) < 0)
		return -EACCES;
	if (ch.scheme == AUTH_BASIC) {
		if (p->f.basic[p->endpoint] || !p->f.setup->credentials->username)
			return -EACCES;
		p->f.basic[p->endpoint] = true;
		return 0;
	}
	/* a HEAD is often challenged for less than what comes next */
	snprintf(scope, sizeof(scope), "repository:%s:pull,push", p->f.setup->path);
	*ch.scope = '\0';
	if (p->u->from)
		snprintf(more, sizeof(more), "repository:%s:pull", p->u->from);
	return fetch_token(&p->f, p->endpoint, &ch, scope, p->u->from ? more : NULL, p->why, sizeof(p->why));
}

/* Until it is not about who we are. 0 or -errno. */
static int ask(struct uploader *p, const char *method, const char *url, bool body)
{
	for (int tries = 0; tries < 3; tries++) {
		int r = request(p, method, url, body);

		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return r;
		if (p->status != 401)
			return 0;
		r = authenticate(p);
		if (r < 0)
			return r;
	}
	return -EACCES;
}

/* A status that nobody wanted. */
static int refused(struct uploader *p, const char *what)
{
	char words[300];

	fetch_registry_words(p->body, p->body_len, words, sizeof(words));
	snprintf(p->why, sizeof(p->why), "%s: the registry answered %ld%s%s", what, p->status,
		*words ? ": " : "", words);
	if (p->status == 403 || p->status == 401)
		return -EACCES;
	return p->status == 408 || p->status == 429 || p->status >= 500 ? -EHOSTUNREACH : -EPROTO;
}

static int push_blob(struct uploader *p)
{
	cleanup(freep) char *url = own_url(p, "blobs", p->u->what), *start = NULL, *to = NULL, *put = NULL;
	char query[700] = "";
	int r = url ? ask(p, "HEAD", url, false) : -ENOMEM;

	if (r < 0)
		return r;
	/* a redirect leads to where it is kept: it is there */
	if (p->status == 200 || p->status == 302 || p->status == 307)
		return UPLOAD_EXISTS;
	if (p->u->from)
		snprintf(query, sizeof(query), "?mount=%s&from=%s", p->u->what, p->u->from);
	start = own_url(p, "blobs", "uploads/");
	if (start && *query) {
		char *longer;

		if (asprintf(&longer, "%s%s", start, query) < 0)
			return -ENOMEM;
		free(start);
		start = longer;
	}
	r = start ? ask(p, "POST", start, false) : -ENOMEM;
	if (r < 0)
		return r;
	if (p->status == 201 && p->u->from)
		return UPLOAD_MOUNTED;
	if (p->status != 202)
		return refused(p, "upload");
	to = web_location(start, p->location);
	if (!to || (!strncmp(start, "https:", 6) && strncmp(to, "https:", 6) != 0)) {
		snprintf(p->why, sizeof(p->why), "the registry names no usable place for the upload");
		return -EPROTO;
	}
	if (asprintf(&put, "%s%cdigest=%s", to, strchr(to, '?') ? '&' : '?', p->u->what) < 0)
		return -ENOMEM;
	r = ask(p, "PUT", put, true);
	if (r < 0)
		return r;
	return p->status == 201 || p->status == 204 ? UPLOAD_DONE : refused(p, "upload");
}

static int push_manifest(struct uploader *p)
{
	cleanup(freep) char *url = own_url(p, "manifests", p->u->what);
	int r = url ? ask(p, "PUT", url, true) : -ENOMEM;

	if (r < 0)
		return r;
	return p->status == 201 || p->status == 200 ? UPLOAD_DONE : refused(p, "manifest");
}

static int work(const struct upload *u, const struct fetch_setup *setup, int events)
{
	static struct uploader p;
	int r;

	p.f.setup = setup;
	p.u = u;
	p.events = events;
	/* mirrors are for reading */
	p.endpoint = setup->endpoints->n - 1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || sandbox_downloader() < 0)
		return 1;
	for (unsigned attempt = 1;; attempt++) {
		unsigned pause = 1U << (attempt - 1);

		do
			r = u->kind == UPLOAD_BLOB ? push_blob(&p) : push_manifest(&p);
		while (r == -EAGAIN);
		if (r != -EHOSTUNREACH || attempt == ATTEMPTS)
			break;
		if (pause < p.retry_after_s)
			pause = p.retry_after_s < 60 ? p.retry_after_s : 60;
		tell(&p, UPLOAD_RETRY, r, pause);
		nanosleep(&(struct timespec){.tv_sec = (time_t)pause}, NULL);
	}
	if (r < 0)
		tell(&p, UPLOAD_FAILED, r, 0);
	else
		tell(&p, (enum upload_outcome)r, 0, 0);
	return 0;
}

pid_t upload_start(const struct upload *u, const struct fetch_setup *setup, int events)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* the engine's ear is not its business */
		close(0);
		close(1);
		if (getppid() != parent || open("/dev/null", O_RDWR) != 0 || dup2(0, 1) != 1)
			_exit(1);
		_exit(work(u, setup, events));
	}
	return pid < 0 ? -errno : pid;
}
