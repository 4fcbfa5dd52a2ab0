/* SPDX-License-Identifier: Apache-2.0 */

/* A pod and its numbers as the API shows them. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/inspect.h"
#include "engine/pod.h"
#include "lib/json.h"

yyjson_mut_val *pod_json(struct pod *p, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_val_mut_copy(doc, p->spec), *list = yyjson_mut_arr(doc);
	cleanup(freep) char *net = p->state == POD_READY ? pod_ns_path(p, "net") : NULL;
	char text[36];

	yyjson_mut_obj_add_str(doc, o, "State", p->state == POD_READY ? "ready" : "notready");
	yyjson_mut_obj_add_strcpy(doc, o, "Reason", p->reason);
	yyjson_mut_obj_add_uint(doc, o, "Attempt", p->attempt);
	yyjson_mut_obj_add_strcpy(doc, o, "Created", time_text(text, p->created_ns));
	yyjson_mut_obj_add_strcpy(doc, o, "NetworkNamespace", net ? net : "");
	yyjson_mut_obj_add_strcpy(doc, o, "Cgroup", p->cgroup);
	for (size_t i = 0; i < p->e->n_containers; i++) {
		struct container *c = p->e->containers[i];

		if (pod_of(c) != p)
			continue;
		yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, list);

		yyjson_mut_obj_add_strcpy(doc, v, "Id", c->id);
		yyjson_mut_obj_add_strcpy(doc, v, "Name", c->name);
		yyjson_mut_obj_add_str(doc, v, "State", container_public_state(c));
		yyjson_mut_obj_add_int(doc, v, "ExitCode", c->exit_code);
		yyjson_mut_obj_add_int(doc, v, "Pid", container_is_up(c) ? c->pid : 0);
	}
	yyjson_mut_obj_add_val(doc, o, "Containers", list);
	return o;
}

/* ---- numbers */

typedef char *reader(const void *of, const char *file);

static char *read_pod(const void *of, const char *file)
{
	return pod_cgroup_read(of, file);
}

static char *read_container(const void *of, const char *file)
{
	return container_cgroup_read(of, file);
}

static uint64_t number(const void *of, reader *read, const char *file)
{
	cleanup(freep) char *text = read(of, file);

	return text && strncmp(text, "max", 3) ? strtoull(text, NULL, 10) : 0;
}

static void add_group(const void *of, reader *read, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	cleanup(freep) char *cpu = read(of, "cpu.stat"), *mem = read(of, "memory.stat");
	yyjson_mut_val *c = yyjson_mut_obj_add_obj(doc, o, "Cpu"),
		       *m = yyjson_mut_obj_add_obj(doc, o, "Memory");
	uint64_t usage = number(of, read, "memory.current"),
		 inactive = container_cgroup_field(mem, "inactive_file");

	yyjson_mut_obj_add_uint(doc, c, "UsageNs", container_cgroup_field(cpu, "usage_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, c, "UserNs", container_cgroup_field(cpu, "user_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, c, "SystemNs", container_cgroup_field(cpu, "system_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, c, "ThrottledNs", container_cgroup_field(cpu, "throttled_usec") * 1000);
	yyjson_mut_obj_add_uint(doc, m, "UsageBytes", usage);
	yyjson_mut_obj_add_uint(doc, m, "WorkingSetBytes", usage > inactive ? usage - inactive : 0);
	yyjson_mut_obj_add_uint(doc, m, "RssBytes", container_cgroup_field(mem, "anon"));
	yyjson_mut_obj_add_uint(doc, m, "PageFaults", container_cgroup_field(mem, "pgfault"));
	yyjson_mut_obj_add_uint(doc, m, "MajorPageFaults", container_cgroup_field(mem, "pgmajfault"));
	yyjson_mut_obj_add_uint(doc, m, "LimitBytes", number(of, read, "memory.max"));
	yyjson_mut_obj_add_uint(doc, o, "Pids", number(of, read, "pids.current"));
}

/* "some avg10=1.23 avg60=...": the last ten seconds, in percent. */
static double pressure(struct pod *p, const char *file)
{
	cleanup(freep) char *text = pod_cgroup_read(p, file);
	const char *at = text ? strstr(text, "some avg10=") : NULL;

	return at ? strtod(at + strlen("some avg10="), NULL) : 0;
}

/* /proc/PID/net/dev: name, then eight counters received and eight sent. */
static yyjson_mut_val *interfaces(struct pod *p, yyjson_mut_doc *doc)
{
	static const struct {
		const char *name;
		unsigned column;
	} counters[] = {{"RxBytes", 0}, {"RxPackets", 1}, {"RxErrors", 2}, {"RxDropped", 3}, {"TxBytes", 8},
		{"TxPackets", 9}, {"TxErrors", 10}, {"TxDropped", 11}};
	cleanup(freep) char *text = NULL;
	yyjson_mut_val *list;
	char path[40];

	for (size_t i = 0; i < p->e->n_containers && !text; i++) {
		struct container *c = p->e->containers[i];

		if (p->host_network || pod_of(c) != p || !container_is_up(c))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/net/dev", c->pid);
		(void)!disk_read(path, 64 << 10, &text, NULL);
	}
	if (!text)
		return yyjson_mut_null(doc);
	list = yyjson_mut_arr(doc);
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':'), *at = colon;
		unsigned long long v[16] = {0};

		line += strspn(line, " ");
		if (!colon || !strncmp(line, "lo:", 3))
			continue;
		*colon = 0;
		at++;
		for (size_t k = 0; k < array_len(v); k++)
			v[k] = strtoull(at, &at, 10);

		yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);

		yyjson_mut_obj_add_strcpy(doc, o, "Name", line);
		for (size_t k = 0; k < array_len(counters); k++)
			yyjson_mut_obj_add_uint(doc, o, counters[k].name, v[counters[k].column]);
	}
	return list;
}

yyjson_mut_val *pod_stats_json(struct pod *p, yyjson_mut_doc *doc)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc), *list, *v;
	char text[36];

	yyjson_mut_obj_add_strcpy(doc, o, "UID", p->uid);
	yyjson_mut_obj_add_strcpy(doc, o, "Name", p->name);
	yyjson_mut_obj_add_strcpy(doc, o, "Namespace", p->namespace);
	yyjson_mut_obj_add_strcpy(doc, o, "Time", time_text(text, wall_ns()));
	add_group(p, read_pod, doc, o);
	v = yyjson_mut_obj_add_obj(doc, o, "Pressure");
	yyjson_mut_obj_add_real(doc, v, "CpuSome", pressure(p, "cpu.pressure"));
	yyjson_mut_obj_add_real(doc, v, "MemorySome", pressure(p, "memory.pressure"));
	yyjson_mut_obj_add_real(doc, v, "IoSome", pressure(p, "io.pressure"));
	yyjson_mut_obj_add_val(doc, o, "Network", interfaces(p, doc));
	list = yyjson_mut_obj_add_arr(doc, o, "Containers");
	for (size_t i = 0; i < p->e->n_containers; i++) {
		struct container *c = p->e->containers[i];

		if (pod_of(c) != p || !container_is_up(c))
			continue;
		v = yyjson_mut_arr_add_obj(doc, list);
		yyjson_mut_obj_add_strcpy(doc, v, "Id", c->id);
		yyjson_mut_obj_add_strcpy(doc, v, "Name", c->name);
		add_group(c, read_container, doc, v);
	}
	return o;
}
