/* SPDX-License-Identifier: Apache-2.0 */

/* See unpack_worker.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "engine/image/image_int.h"
#include "engine/image/unpack_worker.h"
#include "lib/sandbox.h"

enum { ANSWER_MAX = 16 << 20 };

/* Followed by n_opaque times: 16 bits length, bytes. */
struct answer {
	int32_t err;
	uint32_t n_opaque;
	uint64_t size_bytes, entries;
	char diff_id[IMAGE_DIGEST_LEN + 1];
	char error[768];
};

static ssize_t read_stdin(void *buf, size_t len, void *arg)
{
	ssize_t n;

	do
		n = read(0, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static bool put(const void *p, size_t len)
{
	while (len) {
		ssize_t n = write(1, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p = (const char *)p + n;
		len -= (size_t)n;
	}
	return true;
}

/* In the child: 0 the stream, 1 the answer, 2 the log, 3 the root. */
static int work(const struct unpack_limits *limits)
{
	static const int keep[] = {0, 1, 2, 3};
	struct unpack_result res;
	struct answer a = {0};
	bool ok;

	if (sandbox_unpacker(3, keep, array_len(keep)) < 0)
		return 1;
	a.err = unpack(read_stdin, NULL, 3, limits, &res);
	a.size_bytes = res.size_bytes;
	a.entries = res.entries;
	a.n_opaque = (uint32_t)res.n_opaque;
	memcpy(a.diff_id, res.diff_id, sizeof(a.diff_id));
	memcpy(a.error, res.error, sizeof(a.error));
	ok = put(&a, sizeof(a));
	for (size_t i = 0; ok && i < res.n_opaque; i++) {
		uint16_t n = (uint16_t)strlen(res.opaque[i]);

		ok = put(&n, sizeof(n)) && put(res.opaque[i], n);
	}
	return ok ? 0 : 1;
}

static bool place(const int *from)
{
	int high[4];

	/* first out of the way of 0..3, then into place */
	for (int i = 0; i < 4; i++) {
		high[i] = fcntl(from[i], F_DUPFD, 10);
		if (high[i] < 0)
			return false;
	}
	for (int i = 0; i < 4; i++)
		if (dup2(high[i], i) < 0)
			return false;
	return true;
}

int unpack_worker_start(struct unpack_worker *w, int in, int root, const struct unpack_limits *limits)
{
	pid_t parent = getpid(), pid;
	int result[2];

	memset(w, 0, sizeof(*w));
	w->result = -1;
	if (pipe2(result, O_CLOEXEC) < 0) {
		closep(&in);
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || !place((int[]){in, result[1], 2, root}))
			_exit(1);
		_exit(work(limits));
	}
	closep(&in);
	close(result[1]);
	if (pid < 0) {
		close(result[0]);
		return -errno;
	}
	w->pid = pid;
	w->result = result[0];
	return 0;
}

int unpack_worker_read(struct unpack_worker *w)
{
	char buf[4096], *more;
	ssize_t n = read(w->result, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (w->len + (size_t)n > ANSWER_MAX)
		return -EMSGSIZE;
	more = realloc(w->buf, w->len + (size_t)n);
	if (!more)
		return -ENOMEM;
	w->buf = more;
	memcpy(more + w->len, buf, (size_t)n);
	w->len += (size_t)n;
	return 1;
}

int unpack_answer_parse(const char *buf, size_t len, struct unpack_result *out)
{
	struct answer a;
	size_t at = sizeof(a);

	memset(out, 0, sizeof(*out));
	if (len < sizeof(a))
		return -EPROTO;
	memcpy(&a, buf, sizeof(a));
	a.diff_id[sizeof(a.diff_id) - 1] = a.error[sizeof(a.error) - 1] = '\0';
	if (a.err > 0 || a.err < -4095)
		return -EPROTO;
	memcpy(out->error, a.error, sizeof(out->error));
	for (char *p = out->error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	out->entries = a.entries;
	if (a.err)
		return a.err;
	if (!image_digest_valid(a.diff_id) || a.n_opaque > (len - at) / sizeof(uint16_t))
		return -EPROTO;
	memcpy(out->diff_id, a.diff_id, sizeof(out->diff_id));
	out->size_bytes = a.size_bytes;
	out->opaque = calloc(a.n_opaque + 1, sizeof(char *));
	if (!out->opaque)
		return -ENOMEM;
	for (uint32_t i = 0; i < a.n_opaque; i++) {
		uint16_t n;

		if (len - at < sizeof(n))
			return -EPROTO;
		memcpy(&n, buf + at, sizeof(n));
		at += sizeof(n);
		if (n >= PATH_MAX || len - at < n || memchr(buf + at, '\0', n))
			return -EPROTO;
		out->opaque[i] = strndup(buf + at, n);
		if (!out->opaque[i])
			return -ENOMEM;
		out->n_opaque++;
		at += n;
	}
	return 0;
}

int unpack_worker_end(struct unpack_worker *w, struct unpack_result *out)
{
	int status = 0, r;

	closep(&w->result);
	w->result = -1;
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	r = unpack_answer_parse(w->buf, w->len, out);
	free(take(w->buf));
	if (!WIFEXITED(status) || WEXITSTATUS(status) || r == -EPROTO) {
		unpack_result_fini(out);
		if (WIFSIGNALED(status))
			snprintf(out->error, sizeof(out->error), "the unpacker was ended by signal %d",
				WTERMSIG(status));
		else
			snprintf(out->error, sizeof(out->error), "the unpacker failed");
		return -EPROTO;
	}
	return r;
}

void unpack_worker_kill(struct unpack_worker *w)
{
	if (w->pid <= 0)
		return;
	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	closep(&w->result);
	w->result = -1;
	free(take(w->buf));
}
