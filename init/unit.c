/* SPDX-License-Identifier: Apache-2.0 */

/* A unit file: `key value` a line, `#` begins a comment line, values are words without quoting. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "init/unit.h"

struct key {
	const char *name;
	/* Sets what the key stands for. Return: NULL or the reason why not. */
	const char *(*set)(const struct key *k, struct unit *u, char *value);
	size_t offset;
	int64_t min, max;
	const char *const *words; /* of an enum, NULL at the end */
	bool many;		  /* may stand on several lines */
};

static const char *const types[] = {[UNIT_SERVICE] = "service", [UNIT_ONESHOT] = "oneshot", NULL};
static const char *const restarts[] = {
	[UNIT_ALWAYS] = "always", [UNIT_ON_FAILURE] = "on-failure", [UNIT_NEVER] = "never", NULL};
static const char *const outputs[] = {
	[UNIT_LOG] = "log", [UNIT_CONSOLE] = "console", [UNIT_KERNEL] = "kernel", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};

static const struct {
	const char *name;
	int number;
} signals[] = {{"TERM", SIGTERM}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"HUP", SIGHUP}, {"USR1", SIGUSR1},
	{"PWR", SIGPWR}, {"KILL", SIGKILL}};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *set_words(const struct key *k, struct unit *u, char *value)
{
	char **list = (char **)((char *)u + k->offset);
	size_t n = 0;

	while (list[n])
		n++;
	while (*value) {
		if (n == UNIT_WORDS_MAX)
			return "too many words";
		list[n++] = value;
		while (*value && !blank(*value))
			value++;
		while (blank(*value))
			*value++ = '\0';
	}
	return NULL;
}

/* The whole value is one entry: a variable's value may hold blanks. */
static const char *set_env(const struct key *k, struct unit *u, char *value)
{
	size_t n = 0;

	while (u->env[n])
		n++;
	if (n == UNIT_WORDS_MAX)
		return "too many variables";
	if (!strchr(value, '=') || *value == '=')
		return "a variable is written NAME=VALUE";
	u->env[n] = value;
	return NULL;
}

static const char *set_path(const struct key *k, struct unit *u, char *value)
{
	if (*value != '/' || strpbrk(value, " \t"))
		return "an absolute path is wanted";
	*(char **)((char *)u + k->offset) = value;
	return NULL;
}

static const char *set_word(const struct key *k, struct unit *u, char *value)
{
	for (int i = 0; k->words[i]; i++)
		if (!strcmp(k->words[i], value)) {
			if (k->words == yes_no)
				*(bool *)((char *)u + k->offset) = i;
			else
				*(int *)((char *)u + k->offset) = i; /* an enum */
			return NULL;
		}
	return "no such value";
}

_Static_assert(sizeof(enum unit_type) == sizeof(int), "set_word() stores an int");

/* Digits, no sign; -1 when there are none or too many. */
static int64_t digits(const char **p)
{
	int64_t n = 0;

	if (**p < '0' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		if (n > INT64_MAX / 100)
			return -1;
		n = n * 10 + (**p - '0');
	}
	return n;
}

static const char *store_number(const struct key *k, struct unit *u, int64_t n)
{
	if (n < k->min || n > k->max)
		return "number out of range";
	*(int64_t *)((char *)u + k->offset) = n;
	return NULL;
}

static const char *set_count(const struct key *k, struct unit *u, char *value)
{
	const char *p = value;
	int64_t n = digits(&p);

	return n < 0 || *p ? "a number is wanted" : store_number(k, u, n);
}

static const char *set_bytes(const struct key *k, struct unit *u, char *value)
{
	const char *p = value;
	int64_t n = digits(&p);
	int shift = *p == 'K' ? 10 : *p == 'M' ? 20 : *p == 'G' ? 30 : 0;

	if (shift)
		p++;
	if (n < 0 || *p || n > (INT64_MAX >> 31))
		return "a size is wanted: a number, then K, M, G or nothing";
	return store_number(k, u, n << shift);
}

static const char *set_duration(const struct key *k, struct unit *u, char *value)
{
	const char *p = value;
	int64_t n = digits(&p), unit = !strcmp(p, "s") ? 1000 : !strcmp(p, "ms") ? 1 : 0;

	if (n < 0 || !unit || n > 1000000)
		return "a time is wanted: a number, then s or ms";
	return store_number(k, u, n * unit);
}

static const char *set_adj(const struct key *k, struct unit *u, char *value)
{
	bool minus = *value == '-';
	const char *p = value + minus;
	int64_t n = digits(&p);

	if (n < 0 || n > 1000 || *p)
		return "a number from -1000 to 1000 is wanted";
	u->oom_score_adj = (int)(minus ? -n : n);
	return NULL;
}

/* Numbers: init reads no password file. */
static const char *set_user(const struct key *k, struct unit *u, char *value)
{
	const char *p = value;
	int64_t uid = digits(&p), gid = -1;

	if (*p == ':') {
		p++;
		gid = digits(&p);
	}
	if (uid < 0 || gid < 0 || *p || uid > 65534 || gid > 65534)
		return "a user is written UID:GID, in numbers";
	u->uid = (uid_t)uid;
	u->gid = (gid_t)gid;
	return NULL;
}

static const char *set_signal(const struct key *k, struct unit *u, char *value)
{
	for (size_t i = 0; i < array_len(signals); i++)
		if (!strcmp(signals[i].name, value)) {
			*(int *)((char *)u + k->offset) = signals[i].number;
			return NULL;
		}
	return "no such signal";
}

#define AT(member) .offset = offsetof(struct unit, member)

static const struct key keys[] = {
	{"exec", set_words, AT(exec)},
	{"type", set_word, AT(type), .words = types},
	{"after", set_words, AT(after), .many = true},
	{"when", set_path, AT(when)},
	{"ready", set_word, AT(ready), .words = yes_no},
	{"restart", set_word, AT(restart), .words = restarts},
	{"output", set_word, AT(output), .words = outputs},
	{"start-timeout", set_duration, AT(start_timeout_ms), .min = 100, .max = 600000},
	{"stop-timeout", set_duration, AT(stop_timeout_ms), .min = 100, .max = 120000},
	{"stop-signal", set_signal, AT(stop_signal)},
	{"shutdown-timeout", set_duration, AT(shutdown_timeout_ms), .min = 100, .max = 170000},
	{"shutdown-signal", set_signal, AT(shutdown_signal)},
	{"user", set_user},
	{"no-new-privileges", set_word, AT(no_new_privs), .words = yes_no},
	{"env", set_env, .many = true},
	{"oom-score-adj", set_adj},
	{"memory-min", set_bytes, AT(memory_min), .min = 0, .max = (int64_t)1 << 40},
	{"memory-max", set_bytes, AT(memory_max), .min = 1 << 20, .max = (int64_t)1 << 40},
	{"cpu-weight", set_count, AT(cpu_weight), .min = 1, .max = 10000},
	{"pids-max", set_count, AT(pids_max), .min = 1, .max = 4194304},
	{"nofile", set_count, AT(nofile), .min = 64, .max = 1048576},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < array_len(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static const char *parse_line(struct unit *u, char *line, uint32_t *seen)
{
	size_t len = strlen(line);
	char *value = line;

	while (len && blank(line[len - 1]))
		line[--len] = '\0';
	if (!*line || *line == '#')
		return NULL;
	if (blank(*line))
		return "a line begins with its key";
	while (*value && !blank(*value))
		value++;
	while (blank(*value))
		*value++ = '\0';

	const struct key *k = find_key(line);

	if (!k)
		return "no such key";
	uint32_t bit = UINT32_C(1) << (k - keys);

	if ((*seen & bit) && !k->many)
		return "the key stands here twice";
	*seen |= bit;
	return *value ? k->set(k, u, value) : "the value is missing";
}

_Static_assert(array_len(keys) <= 32, "one bit of `seen` a key");

bool unit_name_valid(const char *name)
{
	size_t len = strnlen(name, UNIT_NAME_MAX + 1);

	if (len > UNIT_NAME_MAX || *name < 'a' || *name > 'z')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
			name[i] != '-')
			return false;
	return true;
}

static const char *check(const struct unit *u, uint32_t seen)
{
	if (!u->exec[0])
		return "exec is missing";
	if (u->exec[0][0] != '/')
		return "exec begins with an absolute path";
	if (u->type == UNIT_ONESHOT && u->ready)
		return "a oneshot is ready when it has ended: it cannot have ready";
	if (u->type == UNIT_ONESHOT && u->restart == UNIT_ALWAYS)
		return "a oneshot cannot restart always";
	for (size_t i = 0; u->after[i]; i++)
		if (!unit_name_valid(u->after[i]) || !strcmp(u->after[i], u->name))
			return "after names other units";
	return NULL;
}

int unit_parse(struct unit *u, const char *name, const char *text, size_t len, struct unit_error *err)
{
	uint32_t seen = 0;

	*u = (struct unit){
		.stop_signal = SIGTERM,
		.start_timeout_ms = 30000,
		.stop_timeout_ms = 10000,
		.cpu_weight = 100,
		.pids_max = 4096,
		.nofile = 4096,
	};
	*err = (struct unit_error){0};
	if (!unit_name_valid(name)) {
		err->reason = "a unit's name is of a-z, 0-9 and -, and begins with a letter";
		return -EINVAL;
	}
	strcpy(u->name, name);
	if (len > UNIT_FILE_MAX || memchr(text, '\0', len)) {
		err->reason = len > UNIT_FILE_MAX ? "the file is too long" : "the file holds a NUL";
		return -EINVAL;
	}
	u->text = strndup(text, len);
	if (!u->text)
		return -ENOMEM;

	for (char *line = u->text, *next; line && !err->reason; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		err->line++;
		err->reason = parse_line(u, line, &seen);
	}
	if (!err->reason) {
		if (u->type == UNIT_ONESHOT && !(seen & UINT32_C(1) << (find_key("restart") - keys)))
			u->restart = UNIT_NEVER;
		if (!u->shutdown_signal)
			u->shutdown_signal = u->stop_signal;
		if (!u->shutdown_timeout_ms)
			u->shutdown_timeout_ms = u->stop_timeout_ms;
		err->line = 0;
		err->reason = check(u, seen);
	}
	if (err->reason) {
		unit_fini(u);
		return -EINVAL;
	}
	return 0;
}

int unit_load(struct unit *u, int dir, const char *name, struct unit_error *err)
{
	cleanup(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[UNIT_FILE_MAX + 1];
	size_t len = 0;
	ssize_t n = 1;

	*err = (struct unit_error){0};
	if (fd < 0)
		return -errno;
	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	return unit_parse(u, name, text, len, err);
}

void unit_fini(struct unit *u)
{
	free(u->text);
	u->text = NULL;
}
