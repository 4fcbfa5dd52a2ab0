/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is in /run/config:
 *
 *   config.json      the configuration in force, all defaults filled in
 *   source           where it comes from
 *   error            why the newest one was refused; absent when it was not
 *   candidate.yaml   the text of a good one, for the second step to keep
 *   authorized_keys  ssh.authorized_keys, as sshd reads them
 *   cluster          empty; there while cluster.enabled is true; without it units of the cluster are skipped (`when`)
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <yyjson.h>

#include "init/config/apply.h"
#include "init/config/hostname.h"
#include "init/config/isolate.h"
#include "init/config/source.h"
#include "lib/console.h"
#include "lib/file.h"
#include "lib/log.h"

#define DEFAULTS "version: 1\n"

enum { JSON_MAX = 4 << 20 };

static void docp(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? log_errno(errno, "path=%s op=open", path) : fd;
}

static int put(int dir, const char *name, const char *text, size_t len, mode_t mode)
{
	int rc = file_replace(dir, name, text, len, mode);

	return rc < 0 ? log_errno(-rc, "file=%s op=write", name) : 0;
}

static int drop(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return log_errno(errno, "file=%s op=remove", name);
	return 0;
}

static int put_authorized_keys(int run, yyjson_val *config)
{
	yyjson_val *keys = yyjson_obj_get(yyjson_obj_get(config, "ssh"), "authorized_keys"), *key;
	cleanup(freep) char *text = NULL;
	size_t len = 0, size, i, max;
	FILE *f = open_memstream(&text, &size);
	int rc;

	if (!f)
		return -ENOMEM;
	yyjson_arr_foreach (keys, i, max, key) {
		fprintf(f, "%s\n", yyjson_get_str(key));
	}
	rc = ferror(f) ? -ENOMEM : 0;
	if (fclose(f) != 0 || rc)
		return -ENOMEM;
	len = size;
	return len ? put(run, "authorized_keys", text, len, 0600) : drop(run, "authorized_keys");
}

static int put_cluster(int run, yyjson_val *config)
{
	yyjson_val *enabled = yyjson_obj_get(yyjson_obj_get(config, "cluster"), "enabled");

	return yyjson_is_true(enabled) ? put(run, "cluster", "", 0, 0644) : drop(run, "cluster");
}

/* Puts a rendered configuration in force. */
static int enforce(int run, const char *json, const char *source)
{
	/* NOLINTNEXTLINE(*.NonNullParamChecker): what returns 0 to our callers gave them a text */
	cleanup(docp) yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
	yyjson_val *root = doc ? yyjson_doc_get_root(doc) : NULL;
	const char *hostname = yyjson_get_str(yyjson_obj_get(root, "hostname"));
	char line[256];
	int rc;

	if (!hostname)
		return log_errno(EINVAL, "op=read-back");
	rc = put(run, "config.json", json, strlen(json), 0600); /* holds the engine's key */
	snprintf(line, sizeof(line), "%s\n", source);
	if (!rc)
		rc = put(run, "source", line, strlen(line), 0644);
	if (!rc)
		rc = put_authorized_keys(run, root);
	if (!rc)
		rc = put_cluster(run, root);
	if (!rc && sethostname(hostname, strlen(hostname)) < 0 && errno != EPERM)
		rc = log_errno(errno, "op=sethostname name=%s", hostname);
	if (!rc)
		log_info("msg=\"configuration in force\" source=\"%s\" hostname=%s", source, hostname);
	return rc;
}

/* Tells everybody why; earlier reasons of this boot are kept in front. */
static int report(int run, const char *source, const char *what, const struct config_error *err)
{
	cleanup(freep) char *before = NULL;
	char place[256], text[4096];
	size_t len = 0;

	if (err->line)
		snprintf(place, sizeof(place), "%s:%u:%u", source, err->line, err->column);
	else
		snprintf(place, sizeof(place), "%s", source);
	log_warn("msg=\"configuration %s\" at=%s why=%s", what, place, err->text);
	console_say("configuration %s: %s: %s", what, place, err->text);

	if (file_read(run, "error", 2048, &before, &len) < 0)
		len = 0;
	snprintf(text, sizeof(text), "%.*s%s: %s\n", (int)len, before ? before : "", place, err->text);
	return put(run, "error", text, strlen(text), 0644);
}

/* Renders @s and puts it in force; @hostname is for one without. CONFIG_OK, CONFIG_REFUSED (reported), or -errno. */
static int apply(int run, const struct config_source *s, const char *hostname)
{
	cleanup(freep) char *json = NULL;
	struct config_error err;
	int rc;

	if (s->text)
		rc = config_render_isolated(&json, s->text, s->len, hostname, &err);
	else if (*s->why)
		rc = config_refuse(&err, 0, 0, "%s", s->why);
	else
		rc = config_refuse(&err, 0, 0, "larger than %d KiB", CONFIG_SIZE_MAX / 1024);
	if (rc == -EIO)
		rc = config_refuse(&err, 0, 0, "its reader used too much time or memory, or crashed");
	if (rc == CONFIG_REFUSED) {
		int failed = report(run, s->name, *s->why ? "not received" : "refused", &err);

		return failed ? failed : CONFIG_REFUSED;
	}
	return rc ? rc : enforce(run, json, s->name);
}

static int apply_defaults(int run, const char *hostname)
{
	struct config_source s = {.name = "defaults", .text = strdup(DEFAULTS), .len = strlen(DEFAULTS)};
	int rc = s.text ? apply(run, &s, hostname) : -ENOMEM;

	config_source_fini(&s);
	return rc == CONFIG_REFUSED ? -EINVAL : rc;
}

int config_apply_found(const struct config_dirs *d, const struct config_source *found)
{
	cleanup(closep) int run = -1;
	char hostname[HOSTNAME_SIZE];
	int rc;

	if (mkdir(d->run, 0755) < 0 && errno != EEXIST)
		return log_errno(errno, "path=%s op=mkdir", d->run);
	run = open_dir(d->run);
	if (run < 0)
		return run;
	rc = drop(run, "error");
	if (!rc)
		rc = drop(run, "candidate.yaml");
	if (rc)
		return rc;
	/* by now: a card may come between this and the next step */
	hostname_derive(d->sys, hostname);
	rc = put(run, "derived", hostname, strlen(hostname), 0644);
	if (rc)
		return rc;
	if (!found) {
		log_info("msg=\"no configuration found\"");
		return apply_defaults(run, hostname);
	}
	rc = apply(run, found, hostname);
	if (rc == CONFIG_OK)
		return put(run, "candidate.yaml", found->text, found->len, 0600);
	if (rc < 0)
		log_errno(-rc, "source=\"%s\" op=apply", found->name);
	return apply_defaults(run, hostname);
}

static int make_machine_id(int state)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[16];
	char text[34];
	int rc;

	if (faccessat(state, "machine-id", F_OK, 0) == 0)
		return 0;
	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return log_errno(errno, "op=getrandom");
	raw[6] = (raw[6] & 0x0f) | 0x40; /* a version 4 UUID, as machine-id(5) has it */
	raw[8] = (raw[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(raw); i++) {
		text[2 * i] = digits[raw[i] >> 4];
		text[2 * i + 1] = digits[raw[i] & 15];
	}
	text[32] = '\n';
	rc = put(state, "machine-id", text, 33, 0444);
	return rc;
}

/* Writes only what changed: a boot should not wear the disk. */
static int keep(int state, const char *text, size_t len)
{
	cleanup(freep) char *old = NULL;
	size_t old_len;

	if (file_read(state, "config.yaml", CONFIG_SIZE_MAX, &old, &old_len) == 0 && old_len == len &&
		!memcmp(old, text, len))
		return 0;
	return put(state, "config.yaml", text, len, 0600);
}

/* Does what is in force have this host name? */
static bool is_named(int run, const char *hostname)
{
	cleanup(freep) char *json = NULL;
	cleanup(docp) yyjson_doc *doc = NULL;
	size_t len;

	if (file_read(run, "config.json", JSON_MAX, &json, &len) == 0)
		doc = yyjson_read(json, len, 0);
	return yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(doc), "hostname"), hostname);
}

/* @text is in force already, but was rendered before the kept host name was known: with a derived one, unless it has its own. */
static int name_found(int run, char *text, size_t len, const char *hostname)
{
	cleanup(freep) char *source = NULL, *derived = NULL;
	struct config_source s = {.text = text, .len = len};
	size_t n;
	int rc;

	if (is_named(run, hostname) ||
		(file_read(run, "derived", HOSTNAME_SIZE, &derived, &n) == 0 && !is_named(run, derived)))
		return 0;
	rc = file_read(run, "source", sizeof(s.name) + 1, &source, &n);
	if (rc < 0)
		return log_errno(-rc, "file=source op=read");
	snprintf(s.name, sizeof(s.name), "%.*s", (int)strcspn(source, "\n"), source);
	rc = apply(run, &s, hostname);
	return rc == CONFIG_REFUSED ? -EINVAL : rc;
}

static int apply_kept(int run, int state, const char *hostname)
{
	struct config_source s = {.name = "saved"};
	int rc = file_read(state, "config.yaml", CONFIG_SIZE_MAX, &s.text, &s.len);

	if (rc == -ENOENT) /* the defaults stay */
		return is_named(run, hostname) ? 0 : apply_defaults(run, hostname);
	if (rc < 0) {
		log_errno(-rc, "file=config.yaml op=read");
		return (is_named(run, hostname) ? 0 : apply_defaults(run, hostname)) ?: rc;
	}
	rc = apply(run, &s, hostname);
	if (rc == CONFIG_REFUSED && !is_named(run, hostname))
		rc = apply_defaults(run, hostname);
	else if (rc == CONFIG_OK && faccessat(run, "error", F_OK, 0) == 0)
		console_say("the saved configuration stays in force");
	config_source_fini(&s);
	return rc == CONFIG_REFUSED ? 0 : rc;
}

int config_commit(const struct config_dirs *d)
{
	cleanup(closep) int run = open_dir(d->run), state = open_dir(d->state);
	cleanup(freep) char *text = NULL;
	char hostname[HOSTNAME_SIZE];
	size_t len;
	int rc, id, named;

	if (run < 0 || state < 0)
		return run < 0 ? run : state;
	id = make_machine_id(state);
	hostname_kept(state, d->sys, hostname);
	rc = file_read(run, "candidate.yaml", CONFIG_SIZE_MAX, &text, &len);
	if (rc == -ENOENT)
		return apply_kept(run, state, hostname) ?: id;
	if (rc < 0)
		return log_errno(-rc, "file=candidate.yaml op=read");
	/* what cannot be kept has the name all the same */
	rc = keep(state, text, len);
	named = name_found(run, text, len, hostname);
	return rc ?: named ?: id;
}
