/* SPDX-License-Identifier: Apache-2.0 */

/* The parent's side; remote_int.h says what the two processes are. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/config/remote.h"
#include "init/config/remote_int.h"
#include "init/config/render.h"
#include "lib/cmdline.h"
#include "lib/file.h"
#include "lib/log.h"

struct remote {
	int sock;  /* owned; -1: it cannot be asked, as why says */
	pid_t pid; /* while there is a socket */
	bool by_word;
	char name[CONFIG_SOURCE_NAME_MAX];
	char why[CONFIG_SOURCE_WHY_MAX];
};

static void make_child(struct remote *r, const char *url)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		snprintf(r->why, sizeof(r->why), "cannot be asked for: %s", strerror(errno));
		return;
	}
	r->pid = fork();
	if (r->pid == 0) {
		close(pair[0]);
		_exit(remote_child(pair[1], url));
	}
	close(pair[1]);
	r->sock = pair[0];
	if (r->pid < 0) {
		snprintf(r->why, sizeof(r->why), "cannot be asked for: %s", strerror(errno));
		closep(&r->sock);
	}
}

struct remote *remote_start(bool set_up)
{
	char url[CMDLINE_VALUE_MAX] = "";
	int rc = cmdline_get(REMOTE_WORD, url);
	struct remote *r;

	if (rc == -ENOENT ? set_up : !rc && !strcmp(url, REMOTE_NONE))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r) {
		log_errno(ENOMEM, "op=ask-for-configuration");
		return NULL;
	}
	r->sock = -1;
	r->by_word = rc != -ENOENT;
	snprintf(r->name, sizeof(r->name), REMOTE_WORD " of the command line");
	if (rc == -E2BIG)
		snprintf(r->why, sizeof(r->why), "longer than %d bytes", CMDLINE_VALUE_MAX - 1);
	else if (!r->by_word || remote_judge(url, r->why, sizeof(r->why)))
		make_child(r, r->by_word ? url : "");
	return r;
}

void remote_stop(struct remote *r)
{
	if (!r)
		return;
	if (r->sock >= 0) {
		close(r->sock);
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(r);
}

/* 0 with an outcome, or -errno. */
static int receive(struct remote *r, char past, struct remote_answer *a, struct config_source *out)
{
	cleanup(freep) char *text = NULL;

	/* one that could not begin has answered and is gone */
	if (send(r->sock, &past, 1, MSG_NOSIGNAL) != 1 && errno != EPIPE)
		return -errno;
	if (file_fill(r->sock, a, sizeof(*a)) != sizeof(*a) || a->len > CONFIG_SIZE_MAX)
		return -EPROTO;
	if (a->has_text) {
		text = malloc(a->len + 1);
		if (!text)
			return -ENOMEM;
		if (file_fill(r->sock, text, a->len) != (ssize_t)a->len)
			return -EPROTO;
		text[a->len] = '\0';
		out->len = a->len;
		out->text = take(text);
	}
	snprintf(out->name, sizeof(out->name), "%.*s", (int)sizeof(a->name) - 1, a->name);
	snprintf(out->why, sizeof(out->why), "%.*s", (int)sizeof(a->why) - 1, a->why);
	return 0;
}

int remote_ask(struct remote *r, enum disk_past past, struct config_source *out)
{
	struct remote_answer a = {.outcome = CONFIG_NONE};
	int rc = 0;

	if (!r)
		return CONFIG_NONE;
	if (r->sock >= 0 && (r->by_word || past == DISK_PAST_NONE))
		rc = receive(r, (char)past, &a, out);
	if (rc < 0) {
		log_errno(-rc, "op=receive-configuration");
		snprintf(r->why, sizeof(r->why), "the process that asks for it ended");
	}
	/* a disk may have come meanwhile */
	if (!r->by_word && a.outcome == CONFIG_FOUND && disk_past() != DISK_PAST_NONE) {
		config_source_fini(out);
		a.outcome = CONFIG_NONE;
	}
	/* whoever named a URL is told when nothing came of it */
	if (r->by_word && (rc < 0 || r->sock < 0)) {
		snprintf(out->name, sizeof(out->name), "%s", r->name);
		snprintf(out->why, sizeof(out->why), "%s", r->why);
		a.outcome = CONFIG_FOUND;
	}
	remote_stop(r);
	return a.outcome == CONFIG_FOUND ? CONFIG_FOUND : CONFIG_NONE;
}
