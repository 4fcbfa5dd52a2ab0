/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The whole of init as PID 1 of a PID namespace with a root of its own, and clients that do to it what
 * services do, rightly and wrongly. What needs cgroups, mounts or devices is tested in a virtual machine
 * (tests/vm).
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "init/init.h"
#include "lib/initctl.h"
#include "lib/initctl_wire.h"

enum { WAIT_MS = 10000, DESCRIPTORS = 200 };

/* The leak checker stops a process by a thread of its own, which cannot be across PID namespaces. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static char root[] = "/tmp/init_test.XXXXXX";
static char socket_path[128];
static pid_t init_pid;

static void sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static int connect_init(void)
{
	int fd = initctl_open_at(socket_path);

	assert_true(fd >= 0);
	return fd;
}

static int pidfd_open_(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void write_text(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void write_unit(const char *name, const char *fmt, ...) printf_like(2, 3);
static void write_unit(const char *name, const char *fmt, ...)
{
	char path[64], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "etc/units/%s", name);
	write_text(path, text);
}

static void command(const char *words, char *out, size_t size, int expect)
{
	char *reply = NULL;
	int fd = connect_init();

	assert_int_equal(initctl_command(fd, words, &reply), expect);
	snprintf(out, size, "%s", reply);
	free(reply);
	close(fd);
}

/* Until init's answer to @words holds @text. */
static void wait_for(const char *words, const char *text)
{
	char out[16384] = "";

	for (int ms = 0; ms < WAIT_MS; ms += 20) {
		command(words, out, sizeof(out), 0);
		if (strstr(out, text))
			return;
		sleep_ms(20);
	}
	fail_msg("\"%s\" never said \"%s\" but:\n%s", words, text, out);
}

static pid_t pid_of(const char *service)
{
	char words[64], out[1024];
	int pid = 0;

	snprintf(words, sizeof(words), "service %s", service);
	command(words, out, sizeof(out), 0);
	const char *p = strstr(out, "pid ");

	if (p)
		sscanf(p, "pid %d", &pid);
	return pid;
}

/* ---- the namespace */

static void write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		ssize_t n = write(fd, text, strlen(text));

		(void)n; /* setgroups is not there in old kernels; without a map unshare shows it */
		close(fd);
	}
}

/* A PID namespace: as root, or as anybody in a user namespace. */
static int enter_namespace(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (!unshare(CLONE_NEWPID | CLONE_NEWNS))
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) < 0)
		return -errno;
	write_proc("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
	write_proc("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
	write_proc("/proc/self/gid_map", map);
	return 0;
}

static _Noreturn void be_init(void)
{
	struct rlimit files;

	/* What is mounted over stays here: /proc alone, for in a chroot / is no mount point. */
	if (mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("proc", "/proc", "proc", 0, NULL) < 0) {
		perror("/proc");
		_exit(77);
	}
	/* Few, so that a test can use them up; services may still have theirs. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &files);
	_exit(init_run(root));
}

static int make_root(void)
{
	static const char *const dirs[] = {"etc", "etc/units", "run"};
	char path[256];

	if (!mkdtemp(root))
		return -errno;
	for (size_t i = 0; i < array_len(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		if (mkdir(path, 0755) < 0)
			return -errno;
	}
	snprintf(socket_path, sizeof(socket_path), "%s" INITCTL_SOCKET, root);
	return 0;
}

static void wait_for_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (int ms = 0; ms < WAIT_MS; ms += 20) {
		if (!access(path, F_OK))
			return;
		sleep_ms(20);
	}
	fail_msg("%s never appeared", path);
}

static void make_units(void)
{
	write_text("etc/issue", "Wherry under test\n");
	/* Says whether `first` was ready and `work` done when it started, and when it stopped. */
	write_text("first.sh", "sleep 0.2\ntrap 'echo first >>$ROOT/stopped; exit 0' TERM\necho >&$READY_FD\n"
			       "while :; do sleep 0.05; done\n");
	/* Takes its time to stop: whoever does not wait for it is first. */
	write_text("last.sh",
		"trap 'sleep 0.3; echo last >>$ROOT/stopped; exit 0' TERM\n: >$ROOT/trapped\nls $ROOT/worked >$ROOT/order 2>&1\n"
		"while :; do sleep 0.05; done\n");
	write_text("crash.sh", "echo x >>$ROOT/crashed\nexit 5\n");
	write_text("deaf.sh", "trap '' TERM\nwhile :; do sleep 0.05; done\n");
	write_unit("first", "exec /bin/sh %s/first.sh\nready yes\nenv ROOT=%s\n", root, root);
	write_unit("work", "exec /bin/touch %s/worked\ntype oneshot\nafter first\n", root);
	write_unit("last", "exec /bin/sh %s/last.sh\nafter work\nenv ROOT=%s\n", root, root);
	/* Only the way down of the machine is told by PWR, and it takes longer than a stop may. */
	write_text("told.sh",
		"trap 'echo TERM >>$ROOT/told; exit 0' TERM\ntrap 'sleep 1; echo PWR >>$ROOT/told; exit 0' PWR\n"
		": >$ROOT/listens\nwhile :; do sleep 0.05; done\n");
	write_unit("told",
		"exec /bin/sh %s/told.sh\nstop-timeout 500ms\nshutdown-signal PWR\nshutdown-timeout 10s\nenv ROOT=%s\n",
		root, root);
	write_unit("crash", "exec /bin/sh %s/crash.sh\nafter first\nenv ROOT=%s\n", root, root);
	write_unit("once", "exec /bin/sh %s/crash.sh\ntype oneshot\nenv ROOT=%s\n", root, root);
	write_unit("late", "exec /bin/sleep 1000\nready yes\nstart-timeout 300ms\nrestart never\n");
	write_unit("deaf", "exec /bin/sh %s/deaf.sh\nstop-timeout 200ms\n", root);
	write_unit("absent", "exec /nowhere/program\n");
	write_unit("skipped", "exec /bin/sleep 1000\nwhen /no/such/file\n");
	write_unit("round", "exec /bin/sleep 1000\nafter trip\n");
	write_unit("trip", "exec /bin/sleep 1000\nafter round unknown\n");
	write_unit("broken", "exec /bin/sleep 1000\ncolour red\n");
}

static int setup(void **state)
{
	int err = make_root();

	if (err) {
		print_error("no root to test in: %s\n", strerror(-err));
		return -1;
	}
	make_units();
	err = enter_namespace();
	if (err) {
		print_message("SKIPPED: no PID namespace can be made here: %s\n", strerror(-err));
		exit(0);
	}
	init_pid = fork();
	if (!init_pid)
		be_init();
	for (int ms = 0; ms < WAIT_MS; ms += 10) {
		int fd = initctl_open_at(socket_path);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
		sleep_ms(10);
	}
	return -1;
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	kill(init_pid, SIGKILL);
	nftw(root, rm, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* ---- services */

static void test_comes_up_in_order(void **state)
{
	char path[256], text[256] = "";

	wait_for("service work", "done");
	wait_for("service last", " up ");
	wait_for("status", "state    degraded"); /* crash, late, once, absent */
	wait_for("status", "problem  absent: cannot run /nowhere/program");
	wait_for("service skipped", "skipped");
	snprintf(path, sizeof(path), "%s/order", root);
	for (int ms = 0; ms < WAIT_MS && !strstr(text, "worked\n"); ms += 20) {
		FILE *f = fopen(path, "r");

		if (f) {
			if (!fgets(text, sizeof(text), f))
				text[0] = '\0';
			fclose(f);
		}
		sleep_ms(20);
	}
	assert_non_null(strstr(text, "/worked\n"));
	assert_null(strstr(text, "cannot"));
}

static void test_bad_units_hold_up_nothing(void **state)
{
	char out[16384];

	wait_for("service round", " up ");
	wait_for("service trip", " up ");
	command("services", out, sizeof(out), 0);
	assert_null(strstr(out, "broken"));
	wait_for("service late", "was not ready within");
	wait_for("service late", "failed");
	wait_for("service once", "failed");
	assert_int_equal(pid_of("late"), 0);
}

static void test_restart_with_back_off(void **state)
{
	wait_for("service crash", "restarts 4");
	wait_for("service crash", "ended with status 5");
	pid_t was = pid_of("last");
	char out[1024];

	assert_true(was > 0);
	command("restart last", out, sizeof(out), 0);
	for (int ms = 0; ms < WAIT_MS && (pid_of("last") == was || !pid_of("last")); ms += 20)
		sleep_ms(20);
	assert_int_not_equal(pid_of("last"), was);
	command("stop last", out, sizeof(out), 0);
	wait_for("service last", " off ");
	command("start last", out, sizeof(out), 0);
	wait_for("service last", " up ");
}

static void test_deaf_service_is_killed(void **state)
{
	char out[1024];

	wait_for("service deaf", " up ");
	sleep_ms(100); /* let it set its trap */
	command("stop deaf", out, sizeof(out), 0);
	wait_for("service deaf", " off ");
}

static void test_words(void **state)
{
	char out[1024];

	command("dance", out, sizeof(out), -EINVAL);
	assert_string_equal(out, "no such verb: dance\n");
	command("stop", out, sizeof(out), -EINVAL);
	command("stop a b", out, sizeof(out), -EINVAL);
	command("status now", out, sizeof(out), -EINVAL);
	command("start nobody", out, sizeof(out), -ENOENT);
	assert_string_equal(out, "no such service: nobody\n");
	command("", out, sizeof(out), -EINVAL);
}

/* ---- exits */

/*
 * What runtime does: make a process, have it watched, and leave it to init. The process waits for @hold_ms
 * after its gate opened. @parent_last: it dies first, as a zombie of its parent, which then ends without
 * having waited.
 */
static void hand_over(const char *name, int code, int hold_ms, bool parent_last, int expect)
{
	int gate[2], status;
	pid_t runtime;

	assert_int_equal(pipe(gate), 0);
	runtime = fork();
	if (!runtime) {
		pid_t pid = fork();
		char c;

		if (!pid) {
			close(gate[1]);
			if (read(gate[0], &c, 1) < 0)
				_exit(99);
			sleep_ms(hold_ms);
			_exit(code);
		}
		int fd = initctl_open_at(socket_path), pidfd = pidfd_open_(pid);
		int r = initctl_watch(fd, name, pidfd);

		if (parent_last) {
			struct pollfd p = {pidfd, POLLIN, 0};

			close(gate[1]);
			poll(&p, 1, WAIT_MS);
			sleep_ms(30);
		}
		_exit(r == expect ? 0 : 1);
	}
	close(gate[0]);
	if (parent_last)
		close(gate[1]);
	assert_int_equal(waitpid(runtime, &status, 0), runtime);
	assert_int_equal(status, 0);
	if (!parent_last)
		close(gate[1]);
}

static int subscribe(const char *prefix)
{
	int fd = connect_init();

	assert_int_equal(initctl_subscribe(fd, prefix), 0);
	return fd;
}

static bool next_exit(int fd, struct initctl_exit *e, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	int r = initctl_next(fd, e);

	if (!r && poll(&p, 1, ms) == 1)
		r = initctl_next(fd, e);
	assert_true(r >= 0);
	return r;
}

static void ack(uint64_t seq)
{
	int fd = connect_init();

	assert_int_equal(initctl_ack(fd, seq), 0);
	assert_int_equal(initctl_ack(fd, seq), -ENOENT);
	close(fd);
}

static void test_exit_is_delivered_and_replayed(void **state)
{
	struct initctl_exit e, again;
	int sub = subscribe("container/");

	hand_over("container/a", 23, 10, false, 0);
	hand_over("exec/other", 1, 0, false, 0);
	assert_true(next_exit(sub, &e, WAIT_MS));
	assert_string_equal(e.name, "container/a");
	assert_true(WIFEXITED(e.status));
	assert_int_equal(WEXITSTATUS(e.status), 23);
	assert_true(e.pid > 0 && e.start_ticks > 0 && e.exit_realtime_ns > 0);
	close(sub);

	sub = subscribe("container/"); /* the subscriber came back before it had acknowledged */
	assert_true(next_exit(sub, &again, WAIT_MS));
	assert_int_equal(again.seq, e.seq);
	assert_int_equal(again.pid, e.pid);
	hand_over("container/a", 0, 0, false, -EEXIST);
	ack(e.seq);
	assert_false(next_exit(sub, &again, 50));
	close(sub);

	sub = subscribe("exec/");
	assert_true(next_exit(sub, &e, WAIT_MS));
	assert_string_equal(e.name, "exec/other");
	ack(e.seq);
	close(sub);
}

static void test_dead_before_its_parent(void **state)
{
	struct initctl_exit e;
	int sub = subscribe("container/");

	hand_over("container/zombie", 9, 0, true, 0);
	assert_true(next_exit(sub, &e, WAIT_MS));
	assert_string_equal(e.name, "container/zombie");
	assert_int_equal(WEXITSTATUS(e.status), 9);
	ack(e.seq);
	close(sub);
}

static void test_killed_by_signal(void **state)
{
	struct initctl_exit e, *all;
	int sub = subscribe("container/"), fd = connect_init();

	hand_over("container/k", 0, 60000, false, 0);
	assert_int_equal(initctl_running(fd, "container/", &all), 1);
	assert_string_equal(all[0].name, "container/k");
	assert_true(all[0].pid > 0 && all[0].seq == 0);
	free(all);
	/* Only a process inside can name it: let one be run there. */
	pid_t killer = fork();

	if (!killer) {
		struct initctl_exit *list;
		int c = initctl_open_at(socket_path);

		_exit(initctl_running(c, "container/k", &list) == 1 && !kill(list[0].pid, SIGKILL) ? 0 : 1);
	}
	int status;

	assert_int_equal(waitpid(killer, &status, 0), killer);
	assert_int_equal(status, 0);
	assert_true(next_exit(sub, &e, WAIT_MS));
	assert_true(WIFSIGNALED(e.status));
	assert_int_equal(WTERMSIG(e.status), SIGKILL);
	assert_int_equal(initctl_running(fd, "container/", &all), 0);
	free(all);
	ack(e.seq);
	close(sub);
	close(fd);
}

/* The parent took the status itself: there is nothing to keep, and the name is free again. */
static void test_reaped_by_its_parent(void **state)
{
	int fd = connect_init(), pidfd, r = -1;
	struct initctl_exit *all;
	pid_t pid = fork();

	if (!pid) {
		sleep_ms(50);
		_exit(0);
	}
	pidfd = pidfd_open_(pid);
	assert_int_equal(initctl_watch(fd, "container/mine", pidfd), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int ms = 0; ms < WAIT_MS && r; ms += 20) {
		r = (int)initctl_running(fd, "container/mine", &all);
		assert_true(r >= 0);
		free(all);
		sleep_ms(20);
	}
	assert_int_equal(r, 0);
	assert_int_equal(initctl_watch(fd, "container/mine", pidfd), -ESRCH);
	assert_int_equal(initctl_watch(fd, "container/mine", fd), -EINVAL); /* no pidfd at all */
	assert_int_equal(initctl_unwatch(fd, "container/mine"), -ENOENT);
	close(pidfd);
	close(fd);
}

static void test_orphan_is_recorded(void **state)
{
	struct initctl_exit e = {0};
	int sub = subscribe("");
	pid_t pid = fork();

	if (!pid) {
		if (!fork()) {
			sleep_ms(50);
			_exit(42);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	while (next_exit(sub, &e, WAIT_MS) && (e.name[0] || WEXITSTATUS(e.status) != 42))
		;
	assert_string_equal(e.name, "");
	assert_int_equal(WEXITSTATUS(e.status), 42);
	close(sub);
}

static void test_many_at_once(void **state)
{
	enum { MANY = 60 };
	int sub = subscribe("container/many");
	struct initctl_exit e;
	bool seen[MANY] = {false};

	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "container/many%d", i);
		hand_over(name, i, 0, i % 7 == 0, 0);
	}
	for (int i = 0; i < MANY; i++) {
		int n;

		assert_true(next_exit(sub, &e, WAIT_MS));
		assert_int_equal(sscanf(e.name, "container/many%d", &n), 1);
		assert_int_equal(WEXITSTATUS(e.status), n);
		assert_false(seen[n]);
		seen[n] = true;
		ack(e.seq);
	}
	close(sub);
}

/* ---- descriptors */

static void test_store(void **state)
{
	int fd = connect_init(), p[2], got[4];
	char *list, c = 'x';

	assert_int_equal(pipe(p), 0);
	assert_int_equal(initctl_store_put(fd, "container/s", p, 2), 0);
	close(p[0]);
	close(p[1]);
	assert_int_equal(initctl_store_get(fd, "container/s", got, 4), 2);
	assert_int_equal(write(got[1], &c, 1), 1);
	assert_int_equal(read(got[0], &c, 1), 1);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
	assert_int_equal(initctl_store_list(fd, "container/", &list), 0);
	assert_string_equal(list, "container/s\n");
	free(list);
	assert_int_equal(initctl_store_drop(fd, "container/s"), 0);
	assert_int_equal(initctl_store_get(fd, "container/s", got, 4), -ENOENT);
	assert_int_equal(initctl_store_drop(fd, "container/s"), -ENOENT);
	assert_int_equal(
		initctl_store_put(fd, "bad name", p, 1), -EBADF); /* p is closed: it is not even sent */
	assert_int_equal(initctl_store_put(fd, "bad name", &fd, 1), -EINVAL);
	close(fd);
}

/* Until init has no descriptor left it takes; then it refuses, and after they are dropped it is as before. */
static void test_out_of_descriptors(void **state)
{
	int fd = connect_init(), n = 0, r = 0, null = open("/dev/null", O_RDONLY);
	char name[32], *reply;

	for (; n < 2 * DESCRIPTORS && !r; n++) {
		snprintf(name, sizeof(name), "fill/%d", n);
		r = initctl_store_put(fd, name, &null, 1);
	}
	assert_int_equal(r, -EMFILE);
	assert_int_equal(initctl_command(fd, "status", &reply), 0);
	free(reply);
	int refused = initctl_open_at(socket_path); /* waits in the backlog: nothing can accept it now */

	for (int i = 0; i < n - 1; i++) {
		snprintf(name, sizeof(name), "fill/%d", i);
		assert_int_equal(initctl_store_drop(fd, name), 0);
	}
	assert_true(refused >= 0);
	assert_int_equal(initctl_command(refused, "status", &reply), 0);
	free(reply);
	close(refused);
	close(null);
	close(fd);
}

/* ---- clients that misbehave */

static void test_garbage(void **state)
{
	static const char garbage[4096] = {1, 0, 99, 7};
	struct wire_request r = {.version = WIRE_VERSION, .op = WIRE_DROP};
	char out[1024];

	for (size_t len = 1; len < sizeof(garbage); len = len * 2 + 3) {
		int fd = connect_init();

		assert_int_equal(send(fd, garbage, len, MSG_NOSIGNAL), (ssize_t)len);
		/* Told, then hung up on. */
		assert_true(recv(fd, out, sizeof(out), 0) >= (ssize_t)sizeof(struct wire_reply));
		assert_int_equal(recv(fd, out, sizeof(out), 0), 0);
		close(fd);
	}
	memset(r.name, 'a', sizeof(r.name)); /* a name without end */
	int fd = connect_init();

	assert_int_equal(send(fd, &r, sizeof(r), 0), (ssize_t)sizeof(r));
	assert_true(recv(fd, out, sizeof(out), 0) > 0);
	assert_int_equal(((struct wire_reply *)(void *)out)->result, -EBADMSG);
	close(fd);
	wait_for("status", "Wherry under test");
}

static void test_client_that_never_reads(void **state)
{
	struct wire_request r = {.version = WIRE_VERSION, .op = WIRE_COMMAND, .text_len = 8};
	char packet[sizeof(r) + 8];
	int fd = connect_init(), n = 0;

	memcpy(packet, &r, sizeof(r));
	memcpy(packet + sizeof(r), "services", 8);
	while (n < 100000 && send(fd, packet, sizeof(packet), MSG_NOSIGNAL) > 0)
		n++;
	assert_true(n < 100000); /* it was hung up on */
	close(fd);
	wait_for("status", "Wherry under test");
}

static void test_too_many_clients(void **state)
{
	int fds[DESCRIPTORS + 50];
	size_t n = 0;

	for (; n < array_len(fds); n++) {
		fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		close(fds[n]);
		fds[n] = -1;
		int fd = initctl_open_at(socket_path);

		if (fd < 0)
			break;
		fds[n] = fd;
		if (n > DESCRIPTORS - 60)
			break; /* beyond, a connect would wait in the backlog */
	}
	for (size_t i = 0; i < array_len(fds) && i <= n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	wait_for("status", "Wherry under test");
}

/* ---- the end */

static void test_powers_off_in_reverse_order(void **state)
{
	char path[256], line[2][32] = {"", ""}, out[256];
	int status;

	wait_for("service first", " up ");
	snprintf(path, sizeof(path), "%s/trapped", root);
	unlink(path);
	command("restart last", out, sizeof(out), 0);
	snprintf(path, sizeof(path), "%s/listens", root);
	wait_for_file("listens");
	unlink(path);
	command("restart told", out, sizeof(out), 0);
	wait_for_file("listens");
	wait_for_file("trapped"); /* last's; it says so itself, as it has no readiness */
	wait_for("service last", " up ");
	command("poweroff", out, sizeof(out), 0);
	assert_int_equal(waitpid(init_pid, &status, 0), init_pid);
	assert_int_equal(status, 0);
	snprintf(path, sizeof(path), "%s/stopped", root);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	/*
	 * `last` was stopped before, too: the end of the file counts. Between the two is only `work`, a oneshot that
	 * is over: order goes through it.
	 */
	while (fgets(out, sizeof(out), f)) {
		strcpy(line[0], line[1]);
		snprintf(line[1], sizeof(line[1]), "%.31s", out);
	}
	fclose(f);
	assert_string_equal(line[0], "last\n");
	assert_string_equal(line[1], "first\n");

	snprintf(path, sizeof(path), "%s/told", root);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(out, 1, sizeof(out), f), 9);
	fclose(f);
	assert_memory_equal(out, "TERM\nPWR\n", 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_up_in_order),
		cmocka_unit_test(test_bad_units_hold_up_nothing),
		cmocka_unit_test(test_restart_with_back_off),
		cmocka_unit_test(test_deaf_service_is_killed),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_exit_is_delivered_and_replayed),
		cmocka_unit_test(test_dead_before_its_parent),
		cmocka_unit_test(test_killed_by_signal),
		cmocka_unit_test(test_reaped_by_its_parent),
		cmocka_unit_test(test_orphan_is_recorded),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_client_that_never_reads),
		cmocka_unit_test(test_too_many_clients),
		cmocka_unit_test(test_powers_off_in_reverse_order),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
