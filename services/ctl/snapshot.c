/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cluster's store as one file, and back. Saving asks the API server, which goes on serving meanwhile. Restoring is done by
 * the cluster's own program while the service is stopped: it looks at the file before anything is stopped, and keeps the old
 * store until the new one was opened. "-" is stdin or stdout, so that a file on the operator's machine will do:
 *
 *	ssh root@NODE wherryctl snapshot save - >FILE
 *	ssh root@NODE wherryctl snapshot restore - <FILE
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/node.h"
#include "lib/file.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/spawn.h"
#include "lib/tls.h"

#define PKI	"/run/cluster/pki/"
#define CLUSTER "/sbin/cluster"
#define GIVEN	"/data/cluster/snapshot.given"

enum { PORT = 6443, STOP_S = 60, ERROR_MAX = 2048, CHUNK = 64 * 1024 };

/* ---- saving */

struct saving {
	struct loop *loop;
	int fd;
	int err; /* of a write, told */
	char refusal[ERROR_MAX];
	size_t refused;
	bool whole;
};

static void on_data(struct http_call *call, const void *buf, size_t len, void *arg)
{
	struct saving *s = arg;

	if (http_call_status(call) != 200) {
		size_t room = sizeof(s->refusal) - 1 - s->refused, n = len < room ? len : room;

		memcpy(s->refusal + s->refused, buf, n);
		s->refused += n;
	} else if (!s->err) {
		s->err = file_write_all(s->fd, buf, len);
	}
}

static void on_done(struct http_call *call, int err, const char *why, void *arg)
{
	struct saving *s = arg;

	s->whole = !err && http_call_status(call) == 200 && !s->err;
	if (s->err)
		fprintf(stderr, "wherryctl: the snapshot cannot be written: %s\n", strerror(-s->err));
	else if (err)
		fprintf(stderr, "wherryctl: %s\n", why);
	else if (!s->whole)
		fprintf(stderr, "wherryctl: the cluster refuses: %s\n", s->refusal);
	loop_quit(s->loop, 0);
}

/* The snapshot into @fd. 0, or -errno that was told. */
static int fetch(int fd)
{
	static const struct http_call_events events = {.data = on_data, .done = on_done};
	struct tls_files files = {
		.ca = PKI "ca.crt", .cert = PKI "kubelet-client.crt", .key = PKI "kubelet-client.key"};
	struct http_request rq = {.method = "GET", .target = "/wherry/v1/snapshot", .timeout_ms = -1};
	struct http_peer peer = {.address = "127.0.0.1", .port = PORT, .host = "127.0.0.1"};
	struct http_client *client = NULL;
	struct tls_config *tls = NULL;
	struct saving s = {.fd = fd};
	int err = loop_new(&s.loop);

	if (!err)
		err = tls_client_new(&tls, &files, "127.0.0.1");
	peer.tls = tls;
	if (!err)
		err = http_client_new(&client, s.loop, &peer);
	if (!err)
		err = http_call_start(NULL, client, &rq, &events, &s);
	if (err)
		fprintf(stderr, "wherryctl: cannot ask this node's cluster: %s\n", strerror(-err));
	else
		err = loop_run(s.loop) < 0 || !s.whole ? -EIO : 0;
	http_client_free(client);
	tls_config_free(tls);
	loop_free(s.loop);
	return err;
}

/* Under another name until it is whole and on the disk. */
static int save(const char *file)
{
	char path[1024];
	cleanup(closep) int fd = -1;
	int err;

	if (!strcmp(file, "-"))
		return fetch(STDOUT_FILENO) ? 1 : 0;
	if (snprintf(path, sizeof(path), "%s.new", file) >= (int)sizeof(path)) {
		fputs("wherryctl: the file's name is too long\n", stderr);
		return 2;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		fprintf(stderr, "wherryctl: %s: %s\n", path, strerror(errno));
		return 1;
	}
	err = fetch(fd);
	if (!err && (fsync(fd) < 0 || rename(path, file) < 0)) {
		err = -errno;
		fprintf(stderr, "wherryctl: %s: %s\n", file, strerror(-err));
	}
	if (err)
		unlink(path);
	return err ? 1 : 0;
}

/* ---- restoring */

/* The cluster's own program on the file; it says itself what is wrong. */
static int run_cluster(const char *option, const char *file)
{
	char *const argv[] = {(char[]){"cluster"}, (char *)(uintptr_t)option, (char *)(uintptr_t)file, NULL};
	int fds[] = {-1, STDERR_FILENO, STDERR_FILENO}, status = 0;
	cleanup(closep) int pidfd = -1;
	pid_t pid =
		spawn(&(struct spawn){.path = CLUSTER, .argv = argv, .fds = fds, .n_fds = 3, .cgroup_fd = -1},
			&pidfd);

	if (pid < 0) {
		fprintf(stderr, "wherryctl: " CLUSTER ": %s\n", strerror((int)-pid));
		return (int)pid;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

static int verb(const char *words)
{
	cleanup(freep) char *reply = NULL;
	int err = node_command(words, &reply);

	if (err && reply)
		fputs(reply, stderr);
	return err;
}

static bool is_stopped(void)
{
	cleanup(freep) char *reply = NULL;
	char state[16];

	return !node_command("service cluster", &reply) && reply && sscanf(reply, "%*s %15s", state) == 1 &&
	       !strcmp(state, "off");
}

/* init says at once that it stops a service; that it has, shows. */
static int stop_cluster(void)
{
	int err = verb("stop cluster");

	for (int i = 0; !err && i < STOP_S * 10; i++) {
		if (is_stopped())
			return 0;
		poll(NULL, 0, 100);
	}
	if (!err)
		fputs("wherryctl: the cluster does not stop\n", stderr);
	return err ? err : -ETIMEDOUT;
}

static int take_stdin(void)
{
	cleanup(closep) int fd = open(GIVEN, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cleanup(freep) char *chunk = malloc(CHUNK);
	int err = fd < 0 ? -errno : chunk ? 0 : -ENOMEM;
	ssize_t n = 0;

	while (!err && (n = read(STDIN_FILENO, chunk, CHUNK))) {
		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno : file_write_all(fd, chunk, (size_t)n);
	}
	if (err)
		fprintf(stderr, "wherryctl: " GIVEN ": %s\n", strerror(-err));
	return err;
}

static int restore(const char *given)
{
	bool from_stdin = !strcmp(given, "-");
	const char *file = from_stdin ? GIVEN : given;
	int err = from_stdin ? take_stdin() : 0;

	if (!err)
		err = run_cluster("--check", file);
	if (!err)
		err = stop_cluster();
	if (!err) {
		err = run_cluster("--restore", file);
		/* with the old store, or the new one */
		if (verb("start cluster") && !err)
			err = -EIO;
	}
	if (from_stdin)
		unlink(GIVEN);
	if (!err)
		puts("the cluster starts with the snapshot");
	return err ? 1 : 0;
}

int ctl_snapshot(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "save"))
		return save(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "restore"))
		return restore(argv[2]);
	fputs("usage: wherryctl snapshot save|restore FILE    (-: stdout, stdin)\n"
	      "the cluster's keys are not in a snapshot: they are the machine configuration's, or in /data/cluster\n",
		stderr);
	return 2;
}
