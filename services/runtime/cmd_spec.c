/* SPDX-License-Identifier: Apache-2.0 */

/* spec and features: what a configuration can look like, and what this runtime makes of it. */

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cmd.h"
#include "runtime/fail.h"
#include "runtime/mountopts.h"
#include "runtime/spec.h"

static const char sample[] =
	"{\n"
	"\t\"ociVersion\": \"1.2.0\",\n"
	"\t\"process\": {\n"
	"\t\t\"terminal\": true,\n"
	"\t\t\"user\": {\"uid\": 0, \"gid\": 0},\n"
	"\t\t\"args\": [\"sh\"],\n"
	"\t\t\"env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"TERM=xterm\"],\n"
	"\t\t\"cwd\": \"/\",\n"
	"\t\t\"capabilities\": {\n"
	"\t\t\t\"bounding\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n"
	"\t\t\t\"effective\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"],\n"
	"\t\t\t\"permitted\": [\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]\n"
	"\t\t},\n"
	"\t\t\"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024}],\n"
	"\t\t\"noNewPrivileges\": true\n"
	"\t},\n"
	"\t\"root\": {\"path\": \"rootfs\", \"readonly\": true},\n"
	"\t\"hostname\": \"container\",\n"
	"\t\"mounts\": [\n"
	"\t\t{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
	"\t\t{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
	"\t\t \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},\n"
	"\t\t{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
	"\t\t \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\", \"gid=5\"]},\n"
	"\t\t{\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
	"\t\t \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]},\n"
	"\t\t{\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
	"\t\t \"options\": [\"nosuid\", \"noexec\", \"nodev\"]},\n"
	"\t\t{\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
	"\t\t \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]},\n"
	"\t\t{\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
	"\t\t \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]}\n"
	"\t],\n"
	"\t\"linux\": {\n"
	"\t\t\"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}]},\n"
	"\t\t\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"}, {\"type\": \"ipc\"}, {\"type\": \"uts\"},\n"
	"\t\t\t{\"type\": \"mount\"}, {\"type\": \"cgroup\"}],\n"
	"\t\t\"maskedPaths\": [\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\", \"/proc/latency_stats\",\n"
	"\t\t\t\"/proc/timer_list\", \"/proc/timer_stats\", \"/proc/sched_debug\", \"/proc/scsi\", \"/sys/firmware\"],\n"
	"\t\t\"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"]\n"
	"\t}\n"
	"}\n";

int rt_cmd_spec(const struct rt_global *g, struct rt_args *a)
{
	static const char usage[] = "spec [--bundle DIR]";
	const char *bundle = ".";
	bool rootless = false;
	const struct rt_opt opts[] = {{"bundle", "b", OPT_STRING, &bundle, "where to write config.json"},
		{"rootless", NULL, OPT_FLAG, &rootless, "refused: this runtime runs as root"}};
	char path[4096];
	int r = rt_options(a, opts, array_len(opts), usage);

	if (r == 0)
		r = rt_operands(a, 0, 0, usage);
	if (r == 0 && rootless)
		r = rt_refuse(
			"--rootless: this runtime runs as root; linux.uidMappings give a container ids of its own");
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	if (snprintf(path, sizeof(path), "%s/config.json", bundle) >= (int)sizeof(path))
		return rt_refuse("--bundle is too long");
	cleanup(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return rt_fail(errno, "make %s", path);
	return write(fd, sample, sizeof(sample) - 1) < 0 ? rt_fail(errno, "write %s", path) : 0;
}

static void add_list(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *const *v, size_t n)
{
	yyjson_mut_val *arr = yyjson_mut_obj_add_arr(doc, o, key);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_add_str(doc, arr, v[i]);
}

static void add_seccomp(yyjson_mut_doc *doc, yyjson_mut_val *lin)
{
	static const char *const actions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
		"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY",
		"SCMP_ACT_TRACE", "SCMP_ACT_TRAP"};
	static const char *const operators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE",
		"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"};
	static const char *const arches[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_LOONGARCH64",
		"SCMP_ARCH_M68K", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
		"SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",
		"SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
		"SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
		"SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"};
	static const char *const flags[] = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
		"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, lin, "seccomp");

	yyjson_mut_obj_add_bool(doc, o, "enabled", true);
	add_list(doc, o, "actions", actions, array_len(actions));
	add_list(doc, o, "operators", operators, array_len(operators));
	add_list(doc, o, "archs", arches, array_len(arches));
	add_list(doc, o, "knownFlags", flags, array_len(flags));
	add_list(doc, o, "supportedFlags", flags, array_len(flags));
}

static void add_flag(yyjson_mut_doc *doc, yyjson_mut_val *lin, const char *key, bool on)
{
	yyjson_mut_obj_add_bool(doc, yyjson_mut_obj_add_obj(doc, lin, key), "enabled", on);
}

static char *features(void)
{
	static const char *const hooks[] = {
		"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
	static const char *const ns[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL, *lin, *arr, *cg;
	char *text;

	if (!o) {
		yyjson_mut_doc_free(doc);
		return NULL;
	}
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "ociVersionMin", "1.0.0");
	yyjson_mut_obj_add_str(doc, o, "ociVersionMax", "1.2.1");
	yyjson_mut_obj_add_arr(
		doc, o, "potentiallyUnsafeConfigAnnotations"); /* no annotation changes anything */
	add_list(doc, o, "hooks", hooks, array_len(hooks));
	arr = yyjson_mut_obj_add_arr(doc, o, "mountOptions");
	for (size_t i = 0; rt_mountopt_name(i); i++)
		yyjson_mut_arr_add_str(doc, arr, rt_mountopt_name(i));
	lin = yyjson_mut_obj_add_obj(doc, o, "linux");
	add_list(doc, lin, "namespaces", ns, array_len(ns));
	arr = yyjson_mut_obj_add_arr(doc, lin, "capabilities");
	for (unsigned i = 0; rt_capability_name(i); i++)
		yyjson_mut_arr_add_str(doc, arr, rt_capability_name(i));
	cg = yyjson_mut_obj_add_obj(doc, lin, "cgroup");
	yyjson_mut_obj_add_bool(doc, cg, "v1", false);
	yyjson_mut_obj_add_bool(doc, cg, "v2", true);
	yyjson_mut_obj_add_bool(doc, cg, "systemd", false);
	yyjson_mut_obj_add_bool(doc, cg, "systemdUser", false);
	yyjson_mut_obj_add_bool(doc, cg, "rdma", true);
	add_seccomp(doc, lin);
	add_flag(doc, lin, "apparmor", false);
	add_flag(doc, lin, "selinux", false);
	add_flag(doc, lin, "intelRdt", false);
	add_flag(doc, yyjson_mut_obj_add_obj(doc, lin, "mountExtensions"), "idmap", true);
	add_flag(doc, lin, "netDevices", false);
	text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

int rt_cmd_features(const struct rt_global *g, struct rt_args *a)
{
	int r = rt_options(a, NULL, 0, "features");

	if (r == 0)
		r = rt_operands(a, 0, 0, "features");
	if (r != 0)
		return r == RT_HELP ? 0 : r;
	cleanup(freep) char *text = features();

	if (!text)
		return rt_fail(ENOMEM, "features");
	puts(text);
	return 0;
}
