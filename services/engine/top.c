/* SPDX-License-Identifier: Apache-2.0 */

/* See top.h. */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "engine/api.h"
#include "engine/cgroup.h"
#include "engine/container.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/top.h"
#include "lib/json.h"

enum { TOP_PROCESSES_MAX = 8192, TOP_ARGS_MAX = 4096, TOP_FILE_MAX = 64 << 10, TOP_TEXT_MAX = 4200 };

/* What one process is asked for, once. */
struct process {
	int pid, ppid, pgid, sid, tty, nice, priority, threads;
	char state;
	char comm[64];
	uint64_t utime, stime, start_ticks, vsize_bytes, rss_pages;
	unsigned uid, gid;
	char *args; /* owned */
};

/* What they share. */
struct moment {
	int64_t now_s, boot_s;
	uint64_t total_kib;
	long hz, page;
};

struct top_column {
	const char *name, *title;
	void (*put)(const struct process *p, const struct moment *m, char *out, size_t size);
};

/* ---- reading /proc */

static char *proc_file(int pid, const char *what, size_t *len)
{
	char path[64];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return disk_read(path, TOP_FILE_MAX, &text, len) ? NULL : text;
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool read_stat(int pid, struct process *p)
{
	cleanup(freep) char *text = proc_file(pid, "stat", NULL);
	const char *open = text ? strchr(text, '(') : NULL, *close = text ? strrchr(text, ')') : NULL;

	if (!open || !close || close < open)
		return false;
	snprintf(p->comm, sizeof(p->comm), "%.*s", (int)(close - open - 1), open + 1);
	return sscanf(close + 1,
		       " %c %d %d %d %d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %d %d %d %*d %lu %lu %lu",
		       &p->state, &p->ppid, &p->pgid, &p->sid, &p->tty, &p->utime, &p->stime, &p->priority,
		       &p->nice, &p->threads, &p->start_ticks, &p->vsize_bytes, &p->rss_pages) == 13;
}

/* One line: blanks between the arguments, no control characters. */
static char *read_args(int pid, const char *comm)
{
	size_t len = 0;
	char *text = proc_file(pid, "cmdline", &len);

	if (!text || !len) {
		free(text);
		return text_make("[%s]", comm);
	}
	if (len > TOP_ARGS_MAX)
		len = TOP_ARGS_MAX;
	while (len && !text[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	text[len] = 0;
	return text;
}

static bool read_process(int pid, struct process *p)
{
	*p = (struct process){.pid = pid};
	if (!read_stat(pid, p))
		return false;

	cleanup(freep) char *status = proc_file(pid, "status", NULL);

	p->uid = (unsigned)number_after(status, "\nUid:");
	p->gid = (unsigned)number_after(status, "\nGid:");
	p->args = read_args(pid, p->comm);
	return p->args;
}

static void read_moment(struct moment *m)
{
	struct sysinfo si;
	struct timespec ts;

	sysinfo(&si);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	m->now_s = wall_ns() / 1000000000;
	m->boot_s = m->now_s - ts.tv_sec;
	m->total_kib = (uint64_t)si.totalram * si.mem_unit / 1024;
	m->hz = sysconf(_SC_CLK_TCK);
	m->page = sysconf(_SC_PAGESIZE);
}

/* ---- columns */

#define COLUMN(name) static void name(const struct process *p, const struct moment *m, char *out, size_t size)

COLUMN(put_user)
{
	struct passwd *pw = getpwuid(p->uid);

	if (pw)
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "%u", p->uid);
}

COLUMN(put_uid)
{
	snprintf(out, size, "%u", p->uid);
}

COLUMN(put_gid)
{
	snprintf(out, size, "%u", p->gid);
}

COLUMN(put_pid)
{
	snprintf(out, size, "%d", p->pid);
}

COLUMN(put_ppid)
{
	snprintf(out, size, "%d", p->ppid);
}

COLUMN(put_pgid)
{
	snprintf(out, size, "%d", p->pgid);
}

COLUMN(put_sid)
{
	snprintf(out, size, "%d", p->sid);
}

COLUMN(put_nice)
{
	snprintf(out, size, "%d", p->nice);
}

COLUMN(put_priority)
{
	snprintf(out, size, "%d", 19 - p->nice);
}

COLUMN(put_threads)
{
	snprintf(out, size, "%d", p->threads);
}

/* Percent of one CPU since it was started. */
static double cpu_share(const struct process *p, const struct moment *m)
{
	double age = (double)(m->now_s - m->boot_s) - (double)p->start_ticks / (double)m->hz;
	double used = (double)(p->utime + p->stime) / (double)m->hz;

	return age > 0 ? 100 * used / age : 0;
}

COLUMN(put_c)
{
	double c = cpu_share(p, m);

	snprintf(out, size, "%d", c > 99 ? 99 : (int)c);
}

COLUMN(put_cpu)
{
	snprintf(out, size, "%.1f", cpu_share(p, m));
}

COLUMN(put_mem)
{
	uint64_t kib = p->rss_pages * (uint64_t)m->page / 1024;

	snprintf(out, size, "%.1f", m->total_kib ? 100.0 * (double)kib / (double)m->total_kib : 0);
}

COLUMN(put_vsz)
{
	snprintf(out, size, "%llu", (unsigned long long)(p->vsize_bytes / 1024));
}

COLUMN(put_rss)
{
	snprintf(out, size, "%llu", (unsigned long long)(p->rss_pages * (uint64_t)m->page / 1024));
}

COLUMN(put_tty)
{
	unsigned major_ = major((dev_t)p->tty), minor_ = minor((dev_t)p->tty);

	if (!p->tty)
		snprintf(out, size, "?");
	else if (major_ >= 136 && major_ <= 143)
		snprintf(out, size, "pts/%u", minor_ + 256 * (major_ - 136));
	else
		snprintf(out, size, "tty%u", minor_);
}

COLUMN(put_state)
{
	snprintf(out, size, "%c", p->state);
}

COLUMN(put_stat)
{
	snprintf(out, size, "%c%s%s%s", p->state,
		p->nice < 0   ? "<"
		: p->nice > 0 ? "N"
			      : "",
		p->sid == p->pid ? "s" : "", p->threads > 1 ? "l" : "");
}

static bool started(const struct process *p, const struct moment *m, struct tm *tm)
{
	time_t at = m->boot_s + (int64_t)(p->start_ticks / (uint64_t)m->hz);

	return gmtime_r(&at, tm) != NULL;
}

/* The hour today, the day before. */
COLUMN(put_start)
{
	int64_t age = m->now_s - m->boot_s - (int64_t)(p->start_ticks / (uint64_t)m->hz);
	struct tm tm;

	if (!started(p, m, &tm) ||
		!(age < 86400 ? strftime(out, size, "%H:%M", &tm) : strftime(out, size, "%b%d", &tm)))
		snprintf(out, size, "?");
}

COLUMN(put_lstart)
{
	struct tm tm;

	if (!started(p, m, &tm) || !strftime(out, size, "%a %b %e %H:%M:%S %Y", &tm))
		snprintf(out, size, "?");
}

COLUMN(put_time)
{
	uint64_t s = (p->utime + p->stime) / (uint64_t)m->hz;

	snprintf(out, size, "%02llu:%02llu:%02llu", (unsigned long long)(s / 3600),
		(unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
}

COLUMN(put_bsd_time)
{
	uint64_t s = (p->utime + p->stime) / (uint64_t)m->hz;

	snprintf(out, size, "%llu:%02llu", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
}

COLUMN(put_etimes)
{
	snprintf(out, size, "%lld",
		(long long)(m->now_s - m->boot_s - (int64_t)(p->start_ticks / (uint64_t)m->hz)));
}

COLUMN(put_etime)
{
	long long s = (long long)(m->now_s - m->boot_s - (int64_t)(p->start_ticks / (uint64_t)m->hz));

	s = s < 0 ? 0 : s;
	if (s >= 86400)
		snprintf(out, size, "%lld-%02lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60,
			s % 60);
	else if (s >= 3600)
		snprintf(out, size, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%02lld:%02lld", s / 60, s % 60);
}

COLUMN(put_comm)
{
	snprintf(out, size, "%s", p->comm);
}

COLUMN(put_args)
{
	snprintf(out, size, "%s", p->args);
}

static const struct top_column columns[] = {
	{"user", "USER", put_user},
	{"euser", "EUSER", put_user},
	{"uname", "USER", put_user},
	{"uid", "UID", put_uid},
	{"euid", "EUID", put_uid},
	{"gid", "GID", put_gid},
	{"egid", "EGID", put_gid},
	{"pid", "PID", put_pid},
	{"ppid", "PPID", put_ppid},
	{"pgid", "PGID", put_pgid},
	{"pgrp", "PGRP", put_pgid},
	{"sid", "SID", put_sid},
	{"sess", "SESS", put_sid},
	{"ni", "NI", put_nice},
	{"nice", "NI", put_nice},
	{"pri", "PRI", put_priority},
	{"nlwp", "NLWP", put_threads},
	{"thcount", "THCNT", put_threads},
	{"c", "C", put_c},
	{"pcpu", "%CPU", put_cpu},
	{"%cpu", "%CPU", put_cpu},
	{"pmem", "%MEM", put_mem},
	{"%mem", "%MEM", put_mem},
	{"vsz", "VSZ", put_vsz},
	{"vsize", "VSZ", put_vsz},
	{"rss", "RSS", put_rss},
	{"rssize", "RSS", put_rss},
	{"tty", "TT", put_tty},
	{"tt", "TT", put_tty},
	{"tname", "TTY", put_tty},
	{"s", "S", put_state},
	{"state", "S", put_state},
	{"stat", "STAT", put_stat},
	{"stime", "STIME", put_start},
	{"start", "STARTED", put_start},
	{"start_time", "START", put_start},
	{"lstart", "STARTED", put_lstart},
	{"time", "TIME", put_time},
	{"cputime", "TIME", put_time},
	{"bsdtime", "TIME", put_bsd_time},
	{"etime", "ELAPSED", put_etime},
	{"etimes", "ELAPSED", put_etimes},
	{"comm", "COMMAND", put_comm},
	{"ucmd", "CMD", put_comm},
	{"args", "COMMAND", put_args},
	{"cmd", "CMD", put_args},
	{"command", "COMMAND", put_args},
};

/* ---- arguments */

static int add_columns(struct top_columns *out, const char *list, char **msg)
{
	while (*list) {
		size_t len = strcspn(list, ", "), name_len = strcspn(list, ",= ");
		const struct top_column *found = NULL;

		for (size_t i = 0; i < array_len(columns); i++)
			if (strlen(columns[i].name) == name_len && !strncmp(columns[i].name, list, name_len))
				found = &columns[i];
		if (!found || out->n == TOP_COLUMNS_MAX) {
			*msg = found ? text_make("ps: more than %d columns", TOP_COLUMNS_MAX)
				     : text_make("ps: no column \"%.*s\" is known", (int)name_len, list);
			return -EINVAL;
		}
		out->column[out->n] = found;
		if (name_len < len)
			snprintf(out->title[out->n], TOP_TITLE_MAX, "%.*s", (int)(len - name_len - 1),
				list + name_len + 1);
		else
			snprintf(out->title[out->n], TOP_TITLE_MAX, "%s", found->title);
		out->n++;
		list += len + (list[len] == ',');
	}
	return 0;
}

int top_parse(const char *args, struct top_columns *out, char **msg)
{
	static const char full[] = "user=UID,pid,ppid,c,stime,tname,time,cmd",
			  users[] = "user,pid,%cpu,%mem,vsz,rss,tname,stat,start_time,bsdtime,command",
			  plain[] = "pid,tname,time,ucmd";
	cleanup(freep) char *copy = strdup(args ? args : "");
	const char *format = plain;

	*out = (struct top_columns){0};
	if (!copy)
		return -ENOMEM;
	for (char *save = NULL, *word = strtok_r(copy, " \t", &save); word;
		word = strtok_r(NULL, " \t", &save)) {
		for (const char *c = *word == '-' ? word + 1 : word; *c; c++) {
			if (*c == 'o' || *c == 'O') {
				const char *list = c[1] ? c + 1 : strtok_r(NULL, " \t", &save);

				if (!list) {
					*msg = text_make("ps: -o names no columns");
					return -EINVAL;
				}
				int err = add_columns(out, list, msg);

				if (err)
					return err;
				break;
			}
			/* Which processes is not asked here: all of the container's. */
			if (*c == 'f')
				format = full;
			else if (*c == 'u')
				format = users;
			else if (!strchr("eAaxw", *c)) {
				*msg = text_make("ps: option %c is not known (-ef, aux, -o COLUMN,...)", *c);
				return -EINVAL;
			}
		}
	}
	if (!out->n)
		return add_columns(out, format, msg);
	for (size_t i = 0; i < out->n; i++)
		if (out->column[i]->put == put_pid)
			return 0;
	*msg = text_make("Couldn't find PID field in ps output");
	return -EINVAL;
}

/* ---- the endpoint */

/* The processes of a control group and of those below it. */
static size_t collect(const struct container *c, int *pids, size_t max)
{
	cleanup(freep) char *text = container_cgroup_pids(c);
	size_t n = 0;

	for (char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL; line && n < max;
		line = strtok_r(NULL, "\n", &save))
		pids[n++] = atoi(line);
	return n;
}

static void answer(struct http_req *r, struct container *c, const struct top_columns *cols)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *titles = yyjson_mut_arr(doc), *rows = yyjson_mut_arr(doc);
	cleanup(freep) int *pids = calloc(TOP_PROCESSES_MAX, sizeof(*pids));
	size_t n = pids ? collect(c, pids, TOP_PROCESSES_MAX) : 0;
	char text[TOP_TEXT_MAX];
	struct moment m;

	read_moment(&m);
	yyjson_mut_doc_set_root(doc, o);
	for (size_t i = 0; i < cols->n; i++)
		yyjson_mut_arr_add_strcpy(doc, titles, cols->title[i]);
	for (size_t i = 0; i < n; i++) {
		struct process p;
		yyjson_mut_val *row;

		if (!read_process(pids[i], &p)) {
			free(p.args);
			continue;
		}
		row = yyjson_mut_arr_add_arr(doc, rows);
		for (size_t k = 0; k < cols->n; k++) {
			cols->column[k]->put(&p, &m, text, sizeof(text));
			yyjson_mut_arr_add_strcpy(doc, row, text);
		}
		free(p.args);
	}
	yyjson_mut_obj_add_val(doc, o, "Titles", titles);
	yyjson_mut_obj_add_val(doc, o, "Processes", rows);
	api_json(r, 200, doc);
}

void top_handle(struct engine *e, struct http_req *r, const char *name)
{
	struct container *c = container_or_404(e, r, name);
	const char *args = http_query(r, "ps_args");
	cleanup(freep) char *msg = NULL;
	struct top_columns cols;

	if (!c)
		return;
	if (top_parse(args && *args ? args : "-ef", &cols, &msg)) {
		api_error(r, 400, "%s", msg ? msg : "out of memory");
		return;
	}
	if (!container_is_up(c)) {
		api_error(r, 409, "container %s is not running", c->id);
		return;
	}
	answer(r, c, &cols);
	events_container(c, "top", NULL);
}
