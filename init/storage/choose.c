/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "init/config/check.h"
#include "init/storage/choose.h"
#include "init/storage/prepare.h"
#include "lib/cmdline.h"

enum { DISK_WAIT_MS = 30 * 1000, DEVICES_UNTIL_MS = 5 * 1000 };

int disk_problem(struct disk_choice *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->problem, sizeof(c->problem), fmt, ap);
	va_end(ap);
	return -ENODEV;
}

/* Whether the disk has a STATE and a DATA that were formatted. */
static bool set_up(const char *name)
{
	struct gpt_guid state, data;

	return gpt_guid_parse(&state, STATE_TYPE) == 0 && gpt_guid_parse(&data, DATA_TYPE) == 0 &&
	       disk_has_type(name, &state, ATTR_FORMATTED) && disk_has_type(name, &data, ATTR_FORMATTED);
}

/* One that is told as /dev/NAME or serial:TEXT; @where: what tells it. */
static int choose_named(struct disk_choice *c, const char *disk, const char *where)
{
	struct disk_wanted w = {.configured = disk};
	struct gpt_guid guid;
	int rc = disk_wait(&w, DISK_WAIT_MS, c->name);

	if (rc != DISK_FOUND)
		return disk_problem(c, "%s disk %s, which %s names", rc == DISK_NONE ? "no" : "more than one",
			disk, where);
	c->booted = disk_booted_guid(&guid) == 0 && disk_has_partition(c->name, &guid);
	return 0;
}

/* The command line names @disk. It may be the configured one by another name. */
static int choose_by_word(struct disk_choice *c, const char *disk, const char *configured)
{
	struct disk_wanted w = {.configured = configured};
	char name[DISK_NAME_MAX];
	int rc;

	c->how = "as the command line says";
	if (!check_disk(disk))
		return disk_problem(c,
			DISK_WORD "=%.100s of the command line is neither /dev/NAME nor serial:TEXT", disk);
	rc = choose_named(c, disk, DISK_WORD " of the command line");
	c->configured = !rc && *configured && disk_find(&w, name) == DISK_FOUND && !strcmp(name, c->name);
	return rc;
}

/*
 * The disk booted from. Until it is set up its GUID is that of the image, which another disk may carry too,
 * maybe one that is found later; so the first boot waits for those.
 */
static int choose_booted(struct disk_choice *c, const struct gpt_guid *guid)
{
	struct disk_wanted w = {.booted = guid};
	struct gpt_guid state;
	int rc = disk_wait(&w, DISK_WAIT_MS, c->name);

	c->how = "booted from";
	c->booted = true;
	if (gpt_guid_parse(&state, STATE_TYPE) < 0)
		return -EINVAL;
	if (rc == DISK_FOUND && !disk_has_type(c->name, &state, 0))
		rc = disk_settle(&w, DEVICES_UNTIL_MS, c->name);
	if (rc == DISK_SEVERAL)
		return disk_problem(c,
			"several disks carry the partition that was booted, so none is written; storage.disk must name one, or " DISK_WORD
			" on the command line");
	return rc == DISK_FOUND ? 0 : disk_problem(c, "no disk carries the partition that was booted");
}

struct survey {
	char name[DISK_NAME_MAX];
	unsigned found;
};

static bool survey_one(const char *name, void *arg)
{
	struct survey *v = arg;

	if (set_up(name) && v->found++ == 0)
		snprintf(v->name, sizeof(v->name), "%s", name);
	return true;
}

/*
 * A machine whose disk is named by its configuration, and whose newest configuration was refused or is
 * missing, still has the one kept on that disk. So a disk with our partitions, formatted, is used if it is
 * the only one; it is never formatted here.
 */
static int choose_known(struct disk_choice *c)
{
	struct survey v = {.found = 0};

	disk_each(survey_one, &v);
	if (v.found > 1)
		return disk_problem(c,
			"several disks have a STATE and a DATA; storage.disk must name one, or " DISK_WORD
			" on the command line");
	if (v.found == 0)
		return disk_problem(c, "no disk: not booted from one, and neither storage.disk nor " DISK_WORD
				       " on the command line names one");
	snprintf(c->name, sizeof(c->name), "%s", v.name);
	c->how = "the only one with STATE and DATA";
	return 0;
}

int disk_choose(const char *configured, struct disk_choice *c)
{
	struct disk_wanted by_tag = {.tagged = true};
	char word[CMDLINE_VALUE_MAX];
	struct gpt_guid guid;
	int rc = cmdline_get(DISK_WORD, word);

	*c = (struct disk_choice){.how = ""};
	if (rc == -E2BIG)
		return disk_problem(c, DISK_WORD " of the command line is too long for the name of a disk");
	if (!rc)
		return choose_by_word(c, word, configured);
	if (*configured) {
		c->how = "as configured";
		c->configured = true;
		return choose_named(c, configured, "storage.disk");
	}
	if (disk_booted_guid(&guid) == 0)
		return choose_booted(c, &guid);
	c->how = "tagged wherry-data";
	return disk_find(&by_tag, c->name) == DISK_FOUND ? 0 : choose_known(c);
}

static enum disk_past past_of(const struct disk_wanted *w)
{
	char name[DISK_NAME_MAX];

	if (disk_find(w, name) != DISK_FOUND)
		return DISK_PAST_UNKNOWN;
	return set_up(name) ? DISK_PAST_SET_UP : DISK_PAST_NONE;
}

enum disk_past disk_past(void)
{
	char word[CMDLINE_VALUE_MAX];
	struct survey v = {.found = 0};
	struct gpt_guid guid;
	int rc = cmdline_get(DISK_WORD, word);

	if (rc != -ENOENT)
		return rc || !check_disk(word) ? DISK_PAST_UNKNOWN
					       : past_of(&(struct disk_wanted){.configured = word});
	if (disk_booted_guid(&guid) == 0)
		return past_of(&(struct disk_wanted){.booted = &guid});
	disk_each(survey_one, &v);
	return v.found ? DISK_PAST_SET_UP : DISK_PAST_NONE;
}
