/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The child answers with one struct and then the JSON text, over a pipe. What the parent reads is bounded,
 * and checked to be JSON before anybody else sees it.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <seccomp.h>
#include <yyjson.h>

#include "init/config/isolate.h"
#include "lib/log.h"

enum { JSON_SIZE_MAX = 4 * CONFIG_SIZE_MAX, CPU_SECONDS = 10, MEMORY_MAX = 256 << 20, WAIT_MS = 60 * 1000 };

struct answer {
	int rc;
	size_t json_len;
	struct config_error err;
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM) /* EPERM: had none to begin with */
			return -errno;
	if (syscall(SYS_capset, &head, none) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int limit(int what, rlim_t to) /* `what` is an enum in some C libraries, int in others */
{
	struct rlimit l = {to, to};

	return setrlimit(what, &l) < 0 ? -errno : 0;
}

/* Memory, the pipe, random numbers (to match a key with its certificate), the clock, and the end. */
static int filter(void)
{
	static const int allowed[] = {SCMP_SYS(write), SCMP_SYS(exit_group), SCMP_SYS(exit), SCMP_SYS(brk),
		SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(getrandom),
		SCMP_SYS(clock_gettime), SCMP_SYS(futex), SCMP_SYS(rt_sigprocmask)};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < array_len(allowed); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!rc) /* anonymous memory, never executable */
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
			SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0),
			SCMP_A4(SCMP_CMP_MASKED_EQ, 0xffffffff, 0xffffffff));
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

static int confine(int keep)
{
	int rc = 0;

	if (keep != 0 && dup2(keep, 0) < 0)
		return -errno;
	if (syscall(SYS_close_range, 1u, ~0u, 0u) < 0)
		return -errno;
	rc = drop_capabilities();
	if (!rc)
		rc = limit(RLIMIT_CPU, CPU_SECONDS);
	if (!rc)
		rc = limit(RLIMIT_CORE, 0);
	if (!rc && !SANITIZED) /* the sanitizer's shadow is terabytes of address space */
		rc = limit(RLIMIT_AS, MEMORY_MAX);
	return rc ? rc : filter();
}

static bool write_all(int fd, const void *buf, size_t len)
{
	for (const char *p = buf; len;) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void child(int out, const char *text, size_t len, const char *hostname)
{
	struct answer a = {0};
	char *json = NULL;

	a.rc = confine(out);
	if (!a.rc)
		a.rc = config_render(&json, text, len, hostname, &a.err);
	a.json_len = json ? strlen(json) : 0;
	_exit(write_all(0, &a, sizeof(a)) && write_all(0, json, a.json_len) ? 0 : 1);
}

/* 0, or -EIO when the pipe ends early or nothing comes for WAIT_MS. */
static int read_all(int fd, void *buf, size_t len)
{
	for (char *p = buf; len;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&pfd, 1, WAIT_MS) <= 0)
			return -EIO;
		n = read(fd, p, len);
		if (n <= 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive(int fd, char **json, struct config_error *err)
{
	cleanup(freep) char *text = NULL;
	struct answer a;
	yyjson_doc *doc;

	if (read_all(fd, &a, sizeof(a)) < 0 || a.json_len > JSON_SIZE_MAX)
		return -EIO;
	a.err.text[sizeof(a.err.text) - 1] = '\0';
	*err = a.err;
	if (a.rc)
		return a.rc;
	text = calloc(1, a.json_len + 1);
	if (!text)
		return -ENOMEM;
	if (read_all(fd, text, a.json_len) < 0 || strlen(text) != a.json_len)
		return -EIO;
	doc = yyjson_read(text, a.json_len, 0);
	if (!doc)
		return -EIO;
	yyjson_doc_free(doc);
	*json = take(text);
	return CONFIG_OK;
}

int config_render_isolated(
	char **json, const char *text, size_t len, const char *hostname, struct config_error *err)
{
	cleanup(closep) int in = -1;
	int p[2], rc, status;
	pid_t pid;

	memset(err, 0, sizeof(*err));
	if (pipe2(p, O_CLOEXEC) < 0)
		return log_errno(errno, "op=pipe");
	in = p[0];
	pid = fork();
	if (pid < 0) {
		rc = log_errno(errno, "op=fork");
		close(p[1]);
		return rc;
	}
	if (pid == 0)
		child(p[1], text, len, hostname);

	close(p[1]);
	rc = receive(in, json, err);
	if (rc == -EIO)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc == -EIO)
		log_error("msg=\"the configuration reader died\" status=0x%x", (unsigned)status);
	return rc;
}
