/* SPDX-License-Identifier: Apache-2.0 */

/* The table of options against the API description: each member is supported or refused by name, and the page that
 * says so to users says the same. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/files.h"
#include "engine/options_int.h"
#include "lib/json.h"

/* ContainerConfig, and HostConfig with its Resources, of API 1.51. */
static const char config_members[] =
	"Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd "
	"Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled MacAddress OnBuild Labels StopSignal "
	"StopTimeout Shell";
static const char host_members[] =
	"CpuShares Memory CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps "
	"BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus "
	"CpusetMems Devices DeviceCgroupRules DeviceRequests KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness "
	"NanoCpus OomKillDisable Init PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth Binds "
	"ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom Mounts "
	"ConsoleSize Annotations CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup "
	"Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode "
	"UsernsMode ShmSize Sysctls Runtime Isolation MaskedPaths ReadonlyPaths";

/* The body of a create that has them; any may be NULL. */
static int checked(yyjson_val *config, yyjson_val *host, yyjson_val *networking, char **msg)
{
	cleanup(json_mut_docp) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = config ? yyjson_val_mut_copy(doc, config) : yyjson_mut_obj(doc);

	if (host)
		json_copy(doc, o, "HostConfig", host);
	if (networking)
		json_copy(doc, o, "NetworkingConfig", networking);
	yyjson_mut_doc_set_root(doc, o);

	cleanup(json_docp) yyjson_doc *body = yyjson_mut_doc_imut_copy(doc, NULL);

	return options_check(yyjson_doc_get_root(body), msg);
}

static bool in_table(bool host, const char *name)
{
	const char *member, *refusal;

	for (size_t i = 0; (member = options_member(host, i, &refusal)); i++)
		if (!strcmp(member, name))
			return true;
	return false;
}

static void every_member_has_a_verdict(void **state)
{
	for (int host = 0; host < 2; host++) {
		cleanup(freep) char *names = strdup(host ? host_members : config_members);

		for (char *save = NULL, *n = strtok_r(names, " ", &save); n; n = strtok_r(NULL, " ", &save))
			if (!in_table(host, n))
				fail_msg("%s is not in the table", n);
	}
}

/* Whatever the verdict: it is not ignored. A refused one fails when it is set to something. */
static void refused_members_fail_by_name(void **state)
{
	static const char *const values[] = {"\"x\"", "true", "7", "[\"x\"]", "{\"a\":\"b\"}", "[{}]"};
	const char *member, *refusal;

	for (int host = 0; host < 2; host++)
		for (size_t i = 0; (member = options_member(host, i, &refusal)); i++)
			for (size_t v = 0; v < array_len(values); v++) {
				cleanup(freep) char *text = text_make("{\"%s\":%s}", member, values[v]),
						    *msg = NULL;
				cleanup(json_docp) yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
				yyjson_val *o = yyjson_doc_get_root(doc);
				int err = checked(host ? NULL : o, host ? o : NULL, NULL, &msg);

				if (refusal && (err != -EINVAL || !strstr(msg, member)))
					fail_msg("%s is not refused by its name", text);
			}
}

static void unknown_members_are_refused(void **state)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read("{\"Nonsense\":1}", 14, 0);
	cleanup(freep) char *msg = NULL, *again = NULL;

	assert_int_equal(checked(yyjson_doc_get_root(doc), NULL, NULL, &msg), -EINVAL);
	assert_non_null(strstr(msg, "Nonsense"));
	assert_int_equal(checked(NULL, yyjson_doc_get_root(doc), NULL, &again), -EINVAL);
	assert_non_null(strstr(again, "HostConfig.Nonsense"));
}

static void the_page_says_the_same(void **state)
{
	cleanup(freep) char *page = NULL;
	const char *member, *refusal;
	size_t len;

	assert_int_equal(file_read(AT_FDCWD, "services/engine/OPTIONS.md", 1 << 20, &page, &len), 0);
	for (int host = 0; host < 2; host++)
		for (size_t i = 0; (member = options_member(host, i, &refusal)); i++) {
			bool gone = host && options_discarded(member);
			cleanup(freep) char *line = text_make(refusal ? "| `%s` | refused: %s |"
							      : gone  ? "| `%s` | discarded with a warning%s"
								      : "| `%s` | supported%s",
				member, refusal ? refusal : "");

			if (!strstr(page, line))
				fail_msg("OPTIONS.md has no line %s", line);
		}
}

static void changes_fit_what_is_there(void **state)
{
	static const char mem[] = "{\"Memory\":300,\"MemorySwap\":600}", half[] = "{\"NanoCpus\":500000000}",
			  quota[] = "{\"CpuQuota\":5000,\"CpuPeriod\":0}",
			  without[] = "{\"Memory\":0,\"MemorySwap\":0}",
			  unlimited[] = "{\"Memory\":300,\"MemorySwap\":-1}";
	static const struct {
		const char *update, *host, *words; /* NULL: accepted */
	} rows[] = {
		{"{\"Memory\":500}", mem, NULL},
		{"{\"Memory\":700}", mem,
			"Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"},
		{"{\"Memory\":700,\"MemorySwap\":800}", mem, NULL},
		{"{\"Memory\":700,\"MemorySwap\":-1}", mem, NULL},
		{"{\"Memory\":700}", without, NULL},
		{"{\"Memory\":700}", unlimited, NULL},
		{"{\"MemorySwap\":800}", mem, NULL},
		{"{\"MemorySwap\":200}", mem, "should be larger than memory limit"},
		{"{\"MemorySwap\":800}", without, "always set the Memory limit"},
		{"{\"NanoCpus\":800000000}", half, NULL},
		{"{\"CpuQuota\":80000}", half,
			"Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"},
		{"{\"CpuPeriod\":80000}", half, "CPU Period cannot be updated as NanoCPUs"},
		{"{\"NanoCpus\":800000000}", quota, "Nano CPUs cannot be updated as CPU Quota"},
		{"{\"CpuQuota\":80000,\"CpuPeriod\":100000}", quota, NULL},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *update =
						      yyjson_read(rows[i].update, strlen(rows[i].update), 0),
					      *host = yyjson_read(rows[i].host, strlen(rows[i].host), 0);
		cleanup(freep) char *msg = NULL;
		int err = options_check_change(yyjson_doc_get_root(update), yyjson_doc_get_root(host), &msg);

		if (err != (rows[i].words ? -EBUSY : 0) || (rows[i].words && !strstr(msg, rows[i].words)))
			fail_msg("%s of %s: %s", rows[i].update, rows[i].host, msg ? msg : "accepted");
	}
}

/* On its own a swap may be changed, and memory brings some. */
static void swap_and_memory(void **state)
{
	static const char alone[] = "{\"MemorySwap\":629145600}";
	static const struct {
		const char *host;
		int64_t swap;
	} rows[] = {{"{\"Memory\":300}", 600}, {"{\"Memory\":300,\"MemorySwap\":0}", 600},
		{"{\"Memory\":300,\"MemorySwap\":-1}", -1}, {"{\"Memory\":300,\"MemorySwap\":300}", 300},
		{"{\"Memory\":0}", 0}, {"{\"Memory\":9223372036854775807}", 0}};
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(alone, strlen(alone), 0);
	cleanup(freep) char *msg = NULL, *again = NULL;

	assert_int_equal(options_check_update(yyjson_doc_get_root(doc), &msg), 0);
	assert_int_equal(checked(NULL, yyjson_doc_get_root(doc), NULL, &again), -EINVAL);
	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *host = yyjson_read(rows[i].host, strlen(rows[i].host), 0);
		cleanup(json_mut_docp) yyjson_mut_doc *copy = yyjson_doc_mut_copy(host, NULL);
		yyjson_mut_val *o = yyjson_mut_doc_get_root(copy);

		options_default_swap(copy, o);
		assert_int_equal(yyjson_mut_get_sint(yyjson_mut_obj_get(o, "MemorySwap")), rows[i].swap);
	}
}

/* Docker's SDK for Python names the runtime beside the members of Config. */
static void a_runtime_beside_config(void **state)
{
	static const struct {
		const char *config;
		int err;
	} rows[] = {{"{\"Runtime\":\"runc\"}", 0}, {"{\"Runtime\":null}", 0},
		{"{\"Runtime\":\"kata\"}", -EINVAL}, {"{\"Runtime\":7}", -EINVAL}};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(rows[i].config, strlen(rows[i].config), 0);
		cleanup(freep) char *msg = NULL;

		assert_int_equal(options_check(yyjson_doc_get_root(doc), &msg), rows[i].err);
	}

	cleanup(json_mut_docp) yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *config = yyjson_mut_obj(out);

	options_fill(out, config, false);
	assert_null(yyjson_mut_obj_get(config, "Runtime"));
	assert_null(yyjson_mut_obj_get(config, "HostConfig"));
	assert_non_null(yyjson_mut_obj_get(config, "Image"));
}

static int check(const char *host_json, char **msg)
{
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(host_json, strlen(host_json), 0);

	assert_non_null(doc);
	*msg = NULL;
	return checked(NULL, yyjson_doc_get_root(doc), NULL, msg);
}

static void sets_of_processors(void **state)
{
	static const struct {
		const char *wanted, *online, *words;
	} rows[] = {
		{"0", "0", NULL},
		{"0-2,5", "0-7", NULL},
		{"5,0-2,1", "0-2,5", NULL},
		{"0-3", "0-2,5", "Requested CPUs are not available - requested 0-3, available: 0-2,5"},
		{"one", "0", "Invalid value one for cpuset cpus"},
		{"0,", "0", "Invalid value 0, for cpuset cpus"},
		{"1-0", "0-1", "Invalid value"},
		{"-1", "0-1", "Invalid value"},
		{"0-", "0-1", "Invalid value"},
		{"0--1", "0-1", "Invalid value"},
		{"0 ,1", "0-1", "Invalid value"},
		{"8193", "0-1", "Invalid value"},
		{"99999999999999999999", "0-1", "Invalid value"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *msg = NULL;
		int err = options_set_check(rows[i].wanted, rows[i].online, "cpus", "CPUs", &msg);

		if (err != (rows[i].words ? -EINVAL : 0) || (msg && !strstr(msg, rows[i].words)))
			fail_msg("%s of %s: %s", rows[i].wanted, rows[i].online, msg ? msg : "taken");
	}
}

static void variables_have_names(void **state)
{
	static const struct {
		const char *env, *words;
	} rows[] = {{"A=b", NULL}, {"A=", NULL}, {"A", NULL}, {"", "invalid environment variable: "},
		{"=", "invalid environment variable: ="}, {"=foo", "invalid environment variable: =foo"}};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *text = text_make("{\"Env\":[\"B=c\",\"%s\"]}", rows[i].env), *msg = NULL;
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
		int err = checked(yyjson_doc_get_root(doc), NULL, NULL, &msg);

		if (err != (rows[i].words ? -EINVAL : 0) || (msg && strcmp(msg, rows[i].words) != 0))
			fail_msg("%s: %s", text, msg ? msg : "taken");
	}
}

static void values_are_checked(void **state)
{
	static const struct {
		const char *host, *words; /* NULL: accepted */
	} cases[] = {
		{"{\"DeviceCgroupRules\":[\"c 1:3 rwm\",\"b *:* r\"]}", NULL},
		{"{\"DeviceCgroupRules\":[\"x 1:3 rwm\"]}", "device cgroup rule"},
		{"{\"DeviceCgroupRules\":[\"c 1:3\"]}", "device cgroup rule"},
		{"{\"BlkioWeight\":500}", NULL},
		{"{\"BlkioWeight\":5}", "from 10 to 1000"},
		{"{\"BlkioDeviceReadBps\":[{\"Path\":\"/dev/vda\",\"Rate\":1}]}", NULL},
		{"{\"BlkioDeviceReadBps\":[{\"Rate\":1}]}", "BlkioDeviceReadBps"},
		{"{\"CgroupParent\":\"/a/b\"}", NULL},
		{"{\"CgroupParent\":\"/a/../../b\"}", "CgroupParent"},
		{"{\"CgroupParent\":\"/services/engine\"}", "the node's own"},
		{"{\"CgroupParent\":\"/\"}", "CgroupParent"},
		{"{\"LogConfig\":{\"Type\":\"none\"}}", NULL},
		{"{\"LogConfig\":{\"Type\":\"none\",\"Config\":{\"max-size\":\"1m\"}}}", "driver none"},
		{"{\"LogConfig\":{\"Type\":\"syslog\"}}",
			"logger: no log driver named 'syslog' is registered: this engine keeps logs in files"},
		{"{\"LogConfig\":{\"Config\":{\"tag\":\"a{{ .Name }}b{{.ID}}\",\"compress\":\"false\"}}}",
			NULL},
		{"{\"LogConfig\":{\"Config\":{\"tag\":\"{{.Name\"}}}", "log option tag"},
		{"{\"LogConfig\":{\"Config\":{\"tag\":\"{{Name}}\"}}}", "log option tag"},
		{"{\"LogConfig\":{\"Config\":{\"compress\":\"true\"}}}", NULL},
		{"{\"LogConfig\":{\"Config\":{\"compress\":\"yes\"}}}", "true or false"},
		{"{\"LogConfig\":{\"Config\":{\"compress\":\"T\",\"max-file\":\"1\"}}}", "max-file of 2"},
		{"{\"LogConfig\":{\"Type\":\"local\",\"Config\":{\"max-file\":\"1\"}}}", NULL},
		{"{\"LogConfig\":{\"Config\":{\"labels-regex\":\"x\"}}}", "the option labels"},
		{"{\"LogConfig\":{\"Config\":{\"max-size\":7}}}", "log option max-size"},
		{"{\"LogConfig\":{\"Config\":{\"mode\":\"non-blocking\"}}}", NULL},
		{"{\"LogConfig\":{\"Config\":{\"mode\":\"non-blocking\",\"max-buffer-size\":\"4m\"}}}", NULL},
		{"{\"LogConfig\":{\"Config\":{\"mode\":\"blocking\",\"max-buffer-size\":\"4m\"}}}",
			"needs mode=non-blocking"},
		{"{\"LogConfig\":{\"Config\":{\"mode\":\"non-blocking\",\"max-buffer-size\":\"1g\"}}}",
			"from 4k to 64m"},
		{"{\"LogConfig\":{\"Config\":{\"mode\":\"sometimes\"}}}", "blocking or non-blocking"},
		{"{\"SecurityOpt\":[\"apparmor=docker-default\"]}", "AppArmor"},
		{"{\"SecurityOpt\":[\"label=type:x\"]}", "SELinux"},
		{"{\"SecurityOpt\":[\"unknown=yes\"]}", "invalid --security-opt 2: \"unknown=yes\""},
		{"{\"SecurityOpt\":[\"unknown\"]}", "invalid --security-opt 1: \"unknown\""},
		{"{\"SecurityOpt\":[\"seccomp={\\\"defaultAction\\\":\\\"SCMP_ACT_ALLOW\\\"}\"]}", NULL},
		{"{\"SecurityOpt\":[\"seccomp={}\"]}", "defaultAction"},
		{"{\"SecurityOpt\":[\"seccomp=nonsense\"]}", "seccomp profile"},
		{"{\"IpcMode\":\"container:x\",\"PidMode\":\"container:y\",\"CgroupnsMode\":\"host\"}", NULL},
		{"{\"IpcMode\":\"invalid\"}", "invalid IPC mode: invalid"},
		{"{\"PidMode\":\"container\"}", "invalid PID mode: container"},
		{"{\"PidMode\":\"container:\"}", "invalid PID mode: container:"},
		{"{\"PidMode\":\"none\"}", "invalid PID mode: none"},
		{"{\"UTSMode\":\"container:x\"}", "invalid UTS mode: container:x"},
		{"{\"CgroupnsMode\":\"invalid\"}", "invalid cgroup namespace mode: invalid"},
		{"{\"UsernsMode\":\"private\"}", NULL},
		{"{\"UsernsMode\":\"keep-id\"}", "host or private"},
		{"{\"Annotations\":{\"a\":\"b\"}}", NULL},
		{"{\"Annotations\":{\"a\":\"b\",\"\":\"c\"}}",
			"invalid Annotations: the empty string is not permitted as an annotation key"},
		{"{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}}", NULL},
		{"{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":3}}",
			"invalid restart policy: maximum retry count can only be used with 'on-failure'"},
		{"{\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":-3}}",
			"maximum retry count can only be used with 'on-failure' and cannot be negative"},
		{"{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":-3}}",
			"invalid restart policy: maximum retry count cannot be negative"},
		{"{\"RestartPolicy\":{\"Name\":\"never\"}}",
			"invalid restart policy: unknown policy 'never'; use one of 'no', 'always', 'on-failure', or "
			"'unless-stopped'"},
		{"{\"CpuShares\":-1}", "invalid CPU shares (-1): value must be a positive integer"},
		{"{\"CpuPeriod\":1000,\"CpuQuota\":-1}", NULL},
		{"{\"CpuPeriod\":999}",
			"CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s"},
		{"{\"CpuPeriod\":1000001}", "or larger than 1s (i.e. 1000000)"},
		{"{\"CpuQuota\":999}", "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
		{"{\"NanoCpus\":500000000,\"CpuPeriod\":100000}",
			"Conflicting options: Nano CPUs and CPU Period cannot both be set"},
		{"{\"NanoCpus\":500000000,\"CpuQuota\":100000}",
			"Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
		{"{\"NanoCpus\":-1}", "range of CPUs is from 0.01"},
		{"{\"MemoryReservation\":6291456}", NULL},
		{"{\"MemoryReservation\":6291455}", "Minimum memory reservation allowed is 6MB"},
		{"{\"OomScoreAdj\":1001}", "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
		{"{\"Sysctls\":{\"kernel.panic\":\"1\"}}", "sysctl"},
		{"{\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":9,\"Hard\":1}]}", "ulimit"},
		{"{\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":\"9\"}]}", "HostConfig.Ulimits.Soft must be"},
		{"{\"Mounts\":[{\"Type\":\"bind\",\"ReadOnly\":\"true\"}]}",
			"HostConfig.Mounts.ReadOnly must be true or false"},
		{"{\"Mounts\":[{\"BindOptions\":{\"Nonsense\":1}}]}",
			"Mounts.BindOptions.Nonsense is no option"},
		{"{\"Mounts\":[\"/a:/b\"]}", "HostConfig.Mounts is not an object"},
		{"{\"Mounts\":[{\"ClusterOptions\":{\"a\":1}}]}",
			"ClusterOptions are for volumes of a swarm"},
		{"{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":8080}]}}",
			"PortBindings.HostPort must be a string"},
		{"{\"PortBindings\":{\"80/tcp\":{\"HostPort\":\"8080\"}}}",
			"PortBindings.80/tcp must be a list"},
		{"{\"PortBindings\":{\"80/tcp\":null}}", NULL},
		{"{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":\"3\"}}",
			"MaximumRetryCount"},
		{"{\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"Mode\":\"r\"}]}",
			"Devices.Mode is no option"},
		{"{\"LogConfig\":{\"Driver\":\"none\"}}", "LogConfig.Driver is no option"},
		{"{\"MemorySwappiness\":10,\"OomKillDisable\":true,\"KernelMemory\":7,\"KernelMemoryTCP\":7}",
			NULL},
		{"{\"MemorySwappiness\":\"10\"}", "MemorySwappiness must be a whole number"},
		{"{\"CpuRealtimePeriod\":1000}", "CpuRealtimePeriod is an option of cgroup v1"},
		{"{\"NanoCpus\":500000000,\"CpusetCpus\":\"0\",\"CpusetMems\":\"0\"}", NULL},
		{"{\"NanoCpus\":900000000000000}", "CPUs available"},
		{"{\"CpusetCpus\":\"0,8192\"}",
			"Requested CPUs are not available - requested 0,8192, available: 0"},
		{"{\"CpusetMems\":\"8192\"}",
			"Requested memory nodes are not available - requested 8192, available: 0"},
		{"{\"CpusetCpus\":\"1-42,,\"}", "Invalid value 1-42,, for cpuset cpus"},
		{"{\"CpusetMems\":\"42-3,1--\"}", "Invalid value 42-3,1-- for cpuset mems"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *msg = NULL;
		int err = check(cases[i].host, &msg);

		if (err != (cases[i].words ? -EINVAL : 0) || (cases[i].words && !strstr(msg, cases[i].words)))
			fail_msg("%s: %d %s", cases[i].host, err, msg ? msg : "");
	}
}

/* What API 1.51 has inside of its members; none of them may be taken for one that is not known. */
static void members_inside_are_known(void **state)
{
	static const char host[] =
		"{\"Mounts\":[{\"Target\":\"/a\",\"Source\":\"v\",\"Type\":\"volume\",\"ReadOnly\":true,"
		"\"Consistency\":\"default\",\"BindOptions\":{\"Propagation\":\"shared\",\"NonRecursive\":true,"
		"\"CreateMountpoint\":true,\"ReadOnlyNonRecursive\":true,\"ReadOnlyForceRecursive\":true},"
		"\"VolumeOptions\":{\"NoCopy\":true,\"Labels\":{\"a\":\"b\"},\"DriverConfig\":{\"Name\":\"local\","
		"\"Options\":{\"size\":\"1m\"}},\"Subpath\":\"s\"},\"ImageOptions\":{\"Subpath\":\"s\"},"
		"\"TmpfsOptions\":{\"SizeBytes\":1,\"Mode\":1,\"Options\":[[\"exec\"]]}}],"
		"\"Ulimits\":[{\"Name\":\"core\",\"Soft\":1,\"Hard\":1}],"
		"\"Devices\":[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/x\",\"CgroupPermissions\":\"r\"}],"
		"\"BlkioWeightDevice\":[{\"Path\":\"/dev/vda\",\"Weight\":100}],"
		"\"BlkioDeviceReadIOps\":[{\"Path\":\"/dev/vda\",\"Rate\":100}],"
		"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"80\"}]},"
		"\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":2},"
		"\"LogConfig\":{\"Type\":\"local\",\"Config\":{\"max-file\":\"2\"}}}";
	static const char config[] =
		"{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\"],\"Interval\":1000000,\"Timeout\":"
		"1000000,\"Retries\":1,\"StartPeriod\":1000000,\"StartInterval\":1000000}}";
	static const char networking[] =
		"{\"EndpointsConfig\":{\"n\":{\"IPAMConfig\":{\"IPv4Address\":\"\",\"IPv6Address\":\"\",\"LinkLocalIPs\":[\"169.254.1.1\"]},"
		"\"Links\":null,\"MacAddress\":\"\",\"Aliases\":[\"a\"],\"DriverOpts\":{\"a\":\"b\"},\"GwPriority\":1,"
		"\"NetworkID\":\"x\",\"EndpointID\":\"x\",\"Gateway\":\"x\",\"IPAddress\":\"x\",\"IPPrefixLen\":1,"
		"\"IPv6Gateway\":\"x\",\"GlobalIPv6Address\":\"x\",\"GlobalIPv6PrefixLen\":1,\"DNSNames\":[\"x\"]},\"m\":null}}";
	cleanup(json_docp) yyjson_doc *h = yyjson_read(host, sizeof(host) - 1, 0),
				      *c = yyjson_read(config, sizeof(config) - 1, 0),
				      *n = yyjson_read(networking, sizeof(networking) - 1, 0);
	cleanup(freep) char *msg = NULL;

	if (!h || !c || !n ||
		checked(yyjson_doc_get_root(c), yyjson_doc_get_root(h), yyjson_doc_get_root(n), &msg))
		fail_msg("%s", msg ? msg : "the JSON of this test");
}

static void endpoints_are_checked(void **state)
{
	static const struct {
		const char *endpoint, *words;
	} cases[] = {
		{"{\"IPAMConfig\":{\"LinkLocalIPs\":\"169.254.1.1\"}}",
			"IPAMConfig.LinkLocalIPs must be a list of strings"},
		{"{\"Links\":\"a:b\"}", "Links must be a list of strings"},
		{"{\"IPAMConfig\":{\"IPv4Address\":7}}", "IPv4Address must be a string"},
		{"{\"Aliases\":\"a\"}", "Aliases must be a list of strings"},
		{"{\"IPAddres\":\"10.0.0.1\"}", "IPAddres is no option"},
		{"[]", "EndpointsConfig is not an object"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *text = text_make("{\"EndpointsConfig\":{\"n\":%s}}", cases[i].endpoint),
				    *msg = NULL;
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(text, strlen(text), 0);

		assert_int_equal(checked(NULL, NULL, yyjson_doc_get_root(doc), &msg), -EINVAL);
		if (!strstr(msg, cases[i].words))
			fail_msg("%s: %s", text, msg);
	}
}

static void what_is_discarded_is_said(void **state)
{
	static const struct {
		const char *host;
		size_t warnings;
	} cases[] = {
		{"{}", 0},
		{"{\"OomKillDisable\":false,\"MemorySwappiness\":-1,\"KernelMemory\":0,\"KernelMemoryTCP\":0}",
			0},
		{"{\"OomKillDisable\":null,\"MemorySwappiness\":null}", 0},
		{"{\"OomKillDisable\":true}", 1},
		{"{\"MemorySwappiness\":0}", 1},
		{"{\"OomKillDisable\":true,\"MemorySwappiness\":60,\"KernelMemory\":1,\"KernelMemoryTCP\":1}",
			4},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(json_docp) yyjson_doc *doc = yyjson_read(cases[i].host, strlen(cases[i].host), 0);
		cleanup(json_mut_docp) yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
		yyjson_mut_val *host = yyjson_mut_doc_get_root(copy), *warnings = yyjson_mut_arr(copy);

		options_discard(copy, host, warnings);
		assert_int_equal(yyjson_mut_arr_size(warnings), cases[i].warnings);
		assert_int_equal(yyjson_mut_obj_size(host), 0);
	}
}

/* What the client did not say is shown as Docker shows it; what it did say stays. */
static void every_member_is_shown(void **state)
{
	static const char given[] =
		"{\"Binds\":[\"/a:/b\"],\"Memory\":7,\"Privileged\":true,\"CpuShares\":null}";
	static const char *const absent[] = {"Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Mounts",
		"Init", "KernelMemory", "KernelMemoryTCP", "Pod"};
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(given, sizeof(given) - 1, 0);
	cleanup(json_mut_docp) yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
	yyjson_mut_val *host = yyjson_mut_doc_get_root(copy);
	const char *member, *refusal;

	options_fill(copy, host, true);
	for (size_t i = 0; (member = options_member(true, i, &refusal)); i++) {
		bool left_out = false;

		for (size_t k = 0; k < array_len(absent); k++)
			left_out = left_out || !strcmp(absent[k], member);
		if (!yyjson_mut_obj_get(host, member) != left_out)
			fail_msg("%s is %sthere", member, left_out ? "" : "not ");
	}
	assert_int_equal(yyjson_mut_arr_size(yyjson_mut_obj_get(host, "Binds")), 1);
	assert_int_equal(yyjson_mut_get_sint(yyjson_mut_obj_get(host, "Memory")), 7);
	assert_true(yyjson_mut_is_true(yyjson_mut_obj_get(host, "Privileged")));
	assert_true(yyjson_mut_is_int(yyjson_mut_obj_get(host, "CpuShares")));
	assert_true(yyjson_mut_is_null(yyjson_mut_obj_get(host, "PidsLimit")));
	assert_true(yyjson_mut_is_arr(yyjson_mut_obj_get(host, "Dns")));
	assert_true(yyjson_mut_is_obj(yyjson_mut_obj_get(host, "PortBindings")));
	assert_true(yyjson_mut_equals_str(yyjson_mut_obj_get(host, "UTSMode"), ""));
	assert_int_equal(yyjson_mut_arr_size(yyjson_mut_obj_get(host, "ConsoleSize")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_has_a_verdict),
		cmocka_unit_test(refused_members_fail_by_name),
		cmocka_unit_test(unknown_members_are_refused),
		cmocka_unit_test(the_page_says_the_same),
		cmocka_unit_test(a_runtime_beside_config),
		cmocka_unit_test(changes_fit_what_is_there),
		cmocka_unit_test(swap_and_memory),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(sets_of_processors),
		cmocka_unit_test(variables_have_names),
		cmocka_unit_test(members_inside_are_known),
		cmocka_unit_test(endpoints_are_checked),
		cmocka_unit_test(what_is_discarded_is_said),
		cmocka_unit_test(every_member_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
