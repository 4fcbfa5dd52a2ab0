/* SPDX-License-Identifier: Apache-2.0 */

/* The small parsers: signals, users, homes, cgroup paths, identifiers, sysctl names, options. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include <cmocka.h>

#include "runtime/cgroup.h"
#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/home.h"
#include "runtime/mountopts.h"
#include "runtime/state.h"
#include "runtime/sysctl.h"

static void signals(void **state)
{
	assert_int_equal(rt_signal_number("KILL"), 9);
	assert_int_equal(rt_signal_number("SIGTERM"), 15);
	assert_int_equal(rt_signal_number("sighup"), 1);
	assert_int_equal(rt_signal_number("15"), 15);
	assert_int_equal(rt_signal_number("0"), 0);
	assert_int_equal(rt_signal_number("RTMIN+3"), 37);
	assert_int_equal(rt_signal_number("SIGRTMAX-1"), 63);
	assert_int_equal(rt_signal_number("65"), -EINVAL);
	assert_int_equal(rt_signal_number("-9"), -EINVAL);
	assert_int_equal(rt_signal_number(""), -EINVAL);
	assert_int_equal(rt_signal_number("RTMIN+31"), -EINVAL);
}

static void ps_lines(void **state)
{
	static const struct {
		const char *from, *to; /* NULL: refused */
	} cases[] = {
		{"  PID CMD\n    1 init\n   12 PID\n  123 sleep 12\n", "  PID CMD\n   12 PID\n"},
		{"USER  PID COMMAND\nroot  12  sh\nroot  7   12\n12\n",
			"USER  PID COMMAND\nroot  12  sh\nroot  7   12\n"},
		{"PID\n120\n12\n", "PID\n12\n"},
		{"PPID PIDS\n12 12\n", NULL},
		{"", NULL},
	};
	const pid_t pids[] = {12, 7};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *text = strdup(cases[i].from), *seen = NULL;
		size_t len;
		FILE *f = open_memstream(&seen, &len);
		int r = rt_ps_filter(text, pids, 2, f);

		fclose(f);
		assert_int_equal(r, cases[i].to ? 0 : -EINVAL);
		assert_string_equal(seen, cases[i].to ? cases[i].to : "");
	}
}

/* CVE-2026-30892: what is no plain number is refused, never read as 0. */
static void users(void **state)
{
	static const char *const wrong[] = {"", ":", "root", "0x0", "-1", "+1", " 1", "1 ", "1:", ":1",
		"1:1:1", "1:x", "4294967295", "4294967296", "99999999999", "1\n"};
	uint32_t uid = 1, gid = 2;

	assert_int_equal(rt_user_parse("1000:100", &uid, &gid), 0);
	assert_int_equal(uid, 1000);
	assert_int_equal(gid, 100);
	assert_int_equal(rt_user_parse("4294967294", &uid, &gid), 0);
	assert_int_equal(gid, 100);
	for (size_t i = 0; i < array_len(wrong); i++)
		if (rt_user_parse(wrong[i], &uid, &gid) != -EINVAL)
			fail_msg("accepted: %s", wrong[i]);
}

static void homes(void **state)
{
	static const char text[] =
		"root:x:0:0:r:/root:/bin/sh\nshort:x:5\nu:x:07:7::/seven:\nno:x:8:8::rel:/s\nlast:x:9:9::/nine";
	char out[32];

	assert_true(rt_home_in(text, sizeof(text) - 1, 0, out, sizeof(out)));
	assert_string_equal(out, "/root");
	assert_true(rt_home_in(text, sizeof(text) - 1, 7, out, sizeof(out)));
	assert_string_equal(out, "/seven");
	assert_true(rt_home_in(text, sizeof(text) - 1, 9, out, sizeof(out)));
	assert_string_equal(out, "/nine");
	assert_false(rt_home_in(text, sizeof(text) - 1, 5, out, sizeof(out)));
	assert_false(rt_home_in(text, sizeof(text) - 1, 8, out, sizeof(out)));
	assert_false(rt_home_in(text, sizeof(text) - 1, 0, out, 5));
	assert_false(rt_home_in("", 0, 0, out, sizeof(out)));
}

static void cgroup_paths(void **state)
{
	char out[RT_CGROUP_PATH_MAX], huge[2000];

	assert_int_equal(rt_cgroup_path(out, "//docker/./x/", "id"), 0);
	assert_string_equal(out, "docker/x");
	assert_int_equal(rt_cgroup_path(out, "", "id"), 0);
	assert_string_equal(out, "id");
	assert_int_equal(rt_cgroup_path(out, "/", "id"), -EINVAL);
	assert_int_equal(rt_cgroup_path(out, "/a/../b", "id"), -EINVAL);
	assert_int_equal(rt_cgroup_path(out, "/a/..b", "id"), 0);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(rt_cgroup_path(out, huge, "id"), -EINVAL);
}

static void ids(void **state)
{
	assert_int_equal(rt_id_check("a_B-1.2+"), 0);
	assert_int_equal(rt_id_check(""), -EINVAL);
	assert_int_equal(rt_id_check("."), -EINVAL);
	assert_int_equal(rt_id_check(".seccomp"), -EINVAL);
	assert_int_equal(rt_id_check("a/b"), -EINVAL);
	assert_int_equal(rt_id_check("a b"), -EINVAL);
}

static void sysctls(void **state)
{
	assert_int_equal(rt_sysctl_owner("net.ipv4.ip_forward"), CLONE_NEWNET);
	assert_int_equal(rt_sysctl_owner("net/ipv4/conf/eth0.1/forwarding"), CLONE_NEWNET);
	assert_int_equal(rt_sysctl_owner("fs.mqueue.msg_max"), CLONE_NEWIPC);
	assert_int_equal(rt_sysctl_owner("kernel.shmmax"), CLONE_NEWIPC);
	assert_int_equal(rt_sysctl_owner("kernel.panic"), 0);
	assert_int_equal(rt_sysctl_owner("netx.y"), 0);
}

static void mount_options(void **state)
{
	const char *bind[] = {"rbind", "ro", "noatime", "rprivate"}, *late[] = {"ro", "rw", "nosuid", "suid"};
	struct oci_mount m = {.destination = "/x", .type = "bind", .options = bind, .n_options = 4};
	struct rt_mountopts o;

	assert_int_equal(rt_mountopts_parse(&o, &m), 0);
	assert_true(o.bind && o.bind_rec && o.propagation_rec);
	assert_int_equal(o.propagation, MS_PRIVATE);
	assert_int_equal(o.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
	assert_int_equal(o.attr_clear, MOUNT_ATTR__ATIME);
	m.options = late;
	assert_int_equal(rt_mountopts_parse(&o, &m), 0);
	assert_int_equal(o.attr_set, 0);
	assert_int_equal(o.attr_clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
}

static void options(void **state)
{
	const char *words[] = {"--name", "x", "-l=a", "--list", "b", "-f", "--number=12", "--", "-rest"};
	const char *name = NULL;
	bool flag = false;
	unsigned number = 0;
	struct rt_list list = {0};
	const struct rt_opt opts[] = {{"name", NULL, OPT_STRING, &name, ""},
		{"list", "l", OPT_LIST, &list, ""}, {"flag", "f", OPT_FLAG, &flag, ""},
		{"number", NULL, OPT_UINT, &number, ""}};
	struct rt_args a = {array_len(words), (char **)(uintptr_t)words};

	assert_int_equal(rt_options(&a, opts, array_len(opts), "u"), 0);
	assert_string_equal(name, "x");
	assert_int_equal(list.n, 2);
	assert_true(flag);
	assert_int_equal(number, 12);
	assert_int_equal(a.argc, 1);
	assert_string_equal(a.argv[0], "-rest");

	const char *bad[] = {"--nope"}, *missing[] = {"--name"}, *nan[] = {"--number", "1x"};

	a = (struct rt_args){1, (char **)(uintptr_t)bad};
	assert_int_equal(rt_options(&a, opts, array_len(opts), "u"), -EINVAL);
	a = (struct rt_args){1, (char **)(uintptr_t)missing};
	assert_int_equal(rt_options(&a, opts, array_len(opts), "u"), -EINVAL);
	a = (struct rt_args){2, (char **)(uintptr_t)nan};
	assert_int_equal(rt_options(&a, opts, array_len(opts), "u"), -EINVAL);
}

static void reasons(void **state)
{
	char longer[3000];

	assert_int_equal(rt_fail(ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(rt_reason(), "open x: no such file or directory");
	assert_int_equal(rt_while(-5, "doing"), -5);
	assert_string_equal(rt_reason(), "doing: open x: no such file or directory");
	memset(longer, 'z', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(rt_refuse("%s", longer), -EINVAL);
	assert_int_equal(rt_while(-1, "%s", longer), -1);
	assert_true(strlen(rt_reason()) < RT_FAIL_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(signals), cmocka_unit_test(ps_lines),
		cmocka_unit_test(users), cmocka_unit_test(homes), cmocka_unit_test(cgroup_paths),
		cmocka_unit_test(ids), cmocka_unit_test(sysctls), cmocka_unit_test(mount_options),
		cmocka_unit_test(options), cmocka_unit_test(reasons)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
