/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "init/config/apply.h"
#include "init/config/hostname.h"
#include "init/config/render.h"
#include "init/config/source.h"
#include "init/config/testdata.h"
#include "lib/file.h"

struct place {
	char top[64], run[96], state[96], sys[96];
	struct config_dirs dirs;
};

static int place_make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->top, "/tmp/apply-test.XXXXXX");
	if (!mkdtemp(p->top))
		return -1;
	snprintf(p->run, sizeof(p->run), "%s/run", p->top);
	snprintf(p->state, sizeof(p->state), "%s/state", p->top);
	snprintf(p->sys, sizeof(p->sys), "%s/sys", p->top);
	p->dirs = (struct config_dirs){p->run, p->state, p->sys};
	*state = p;
	return mkdir(p->state, 0755) || mkdir(p->sys, 0755);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int place_remove(void **state)
{
	struct place *p = *state;
	int rc = nftw(p->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);

	free(p);
	return rc;
}

/* The text of a file under @dir, or NULL; malloc'ed. */
static char *text_of(const char *dir, const char *name)
{
	char path[256];
	char *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_read(AT_FDCWD, path, CONFIG_SIZE_MAX, &text, &len) == 0 ? text : NULL;
}

static void assert_says(const char *dir, const char *name, const char *words)
{
	cleanup(freep) char *text = text_of(dir, name);

	if (!text || !strstr(text, words))
		fail_msg("%s/%s: expected \"%s\" in: %s", dir, name, words, text ? text : "(no file)");
}

static void assert_absent(const char *dir, const char *name)
{
	cleanup(freep) char *text = text_of(dir, name);

	assert_null(text);
}

/* A boot with @yaml in fw_cfg, or nothing anywhere. */
static void boot(struct place *p, const char *yaml)
{
	struct config_source s = {.name = "fw_cfg/test"};

	if (yaml) {
		s.text = strdup(yaml);
		s.len = strlen(yaml);
	}
	assert_int_equal(config_apply_found(&p->dirs, yaml ? &s : NULL), 0);
	config_source_fini(&s);
}

static void nothing_found(void **state)
{
	struct place *p = *state;

	boot(p, NULL);
	assert_says(p->run, "source", "defaults");
	assert_says(p->run, "config.json", "\"hostname\": \"wherry\"");
	assert_absent(p->run, "error");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_absent(p->state, "config.yaml");
	assert_says(p->run, "source", "defaults");
}

static void a_good_one_is_kept(void **state)
{
	struct place *p = *state;
	char path[160];
	struct stat st;

	boot(p, "version: 1\nhostname: good\nssh: {authorized_keys: [" TEST_SSH_KEY "]}\n");
	assert_says(p->run, "source", "fw_cfg/test");
	assert_says(p->run, "authorized_keys", TEST_SSH_KEY "\n");
	snprintf(path, sizeof(path), "%s/config.json", p->run);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_absent(p->state, "config.yaml");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_says(p->state, "config.yaml", "hostname: good");

	/* The stick was taken out: what it said still holds. */
	boot(p, NULL);
	assert_absent(p->run, "authorized_keys");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_says(p->run, "config.json", "\"hostname\": \"good\"");
	assert_says(p->run, "authorized_keys", "ssh-ed25519");
}

static void a_refused_one_leaves_the_kept(void **state)
{
	struct place *p = *state;

	boot(p, "version: 1\nhostname: good\n");
	assert_int_equal(config_commit(&p->dirs), 0);
	boot(p, "version: 1\nhostnam: bad\n");
	assert_says(p->run, "source", "defaults");
	assert_says(p->run, "error", "fw_cfg/test:2:1: unknown key \"hostnam\"");
	assert_absent(p->run, "candidate.yaml");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_says(p->run, "source", "saved");
	assert_says(p->run, "config.json", "\"hostname\": \"good\"");
	assert_says(p->run, "error", "hostnam");
	assert_says(p->state, "config.yaml", "hostname: good");

	/* The mistake is mended: nothing is left of it. */
	boot(p, "version: 1\nhostname: better\n");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_absent(p->run, "error");
	assert_says(p->state, "config.yaml", "better");
}

static void a_refused_one_and_a_kept_one_that_is_bad(void **state)
{
	struct place *p = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/config.yaml", p->state);
	assert_int_equal(file_replace(AT_FDCWD, path, "version: 9\n", 11, 0600), 0);
	boot(p, "nonsense\n");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_says(p->run, "source", "defaults");
	assert_says(p->run, "error", "fw_cfg/test:1:1: ");
	assert_says(p->run, "error", "saved:1:10: version: expected 1");
}

static void one_that_is_too_large(void **state)
{
	struct place *p = *state;
	struct config_source s = {.name = "fw_cfg/test"};

	assert_int_equal(config_apply_found(&p->dirs, &s), 0);
	assert_says(p->run, "error", "fw_cfg/test: larger than 512 KiB");
	assert_says(p->run, "source", "defaults");
}

static void the_machine_id_is_made_once(void **state)
{
	struct place *p = *state;
	cleanup(freep) char *first = NULL, *second = NULL;

	boot(p, NULL);
	assert_int_equal(config_commit(&p->dirs), 0);
	first = text_of(p->state, "machine-id");
	assert_non_null(first);
	assert_int_equal(strlen(first), 33);
	assert_int_equal(strspn(first, "0123456789abcdef"), 32);
	assert_int_equal(config_commit(&p->dirs), 0);
	second = text_of(p->state, "machine-id");
	assert_string_equal(first, second);
}

static void add_device(const struct place *p, const char *name, const char *type, const char *index,
	const char *mac, bool real)
{
	const char *const files[][2] = {{"type", type}, {"ifindex", index}, {"address", mac}};
	char path[256];

	for (const char *dir = "/class\0/class/net\0"; *dir; dir += strlen(dir) + 1) {
		snprintf(path, sizeof(path), "%s%s", p->sys, dir);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s/class/net/%s", p->sys, name);
	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < array_len(files); i++) {
		char line[64];

		snprintf(path, sizeof(path), "%s/class/net/%s/%s", p->sys, name, files[i][0]);
		snprintf(line, sizeof(line), "%s\n", files[i][1]);
		assert_int_equal(file_replace(AT_FDCWD, path, line, strlen(line), 0444), 0);
	}
	snprintf(path, sizeof(path), "%s/class/net/%s/device", p->sys, name);
	if (real)
		assert_int_equal(mkdir(path, 0755), 0);
}

static void the_name_comes_from_the_first_real_device(void **state)
{
	struct place *p = *state;
	char name[HOSTNAME_SIZE];

	hostname_derive(p->sys, name);
	assert_string_equal(name, "wherry");
	add_device(p, "lo", "772", "1", "00:00:00:00:00:00", false);
	add_device(p, "br0", "1", "2", "aa:aa:aa:aa:aa:aa", false);
	add_device(p, "eth1", "1", "4", "52:54:00:00:00:02", true);
	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	hostname_derive(p->sys, name);
	assert_string_equal(name, "wherry-3a12f0");
}

static void remove_device(const struct place *p, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/class/net/%s", p->sys, name);
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void commit(const struct place *p, const char *hostname)
{
	char json[100];

	snprintf(json, sizeof(json), "\"hostname\": \"%s\"", hostname);
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_says(p->run, "config.json", json);
}

/* Units of the cluster go by it, and the saved configuration may say otherwise than the first. */
static void the_cluster_has_a_file_while_it_is_enabled(void **state)
{
	struct place *p = *state;

	boot(p, NULL);
	assert_says(p->run, "cluster", "");
	boot(p, "version: 1\ncluster: {enabled: false}\n");
	assert_absent(p->run, "cluster");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_absent(p->run, "cluster");

	boot(p, NULL);
	assert_says(p->run, "cluster", "");
	assert_int_equal(config_commit(&p->dirs), 0);
	assert_absent(p->run, "cluster");
}

/* Pods and local volumes are bound to it. */
static void the_name_stays_when_the_card_does_not(void **state)
{
	struct place *p = *state;

	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	boot(p, NULL);
	commit(p, "wherry-3a12f0");
	assert_says(p->state, "hostname", "wherry-3a12f0\n");

	remove_device(p, "eth0");
	add_device(p, "eth1", "1", "2", "52:54:00:00:00:02", true);
	boot(p, NULL);
	assert_says(p->run, "config.json", "wherry-000002"); /* STATE is not there yet */
	commit(p, "wherry-3a12f0");
	assert_says(p->run, "source", "defaults");

	boot(p, "version: 1\ncluster: {enabled: false}\n");
	commit(p, "wherry-3a12f0");
	assert_says(p->run, "source", "fw_cfg/test");
	assert_says(p->run, "config.json", "\"enabled\": false");
	assert_absent(p->run, "error");

	boot(p, NULL); /* the saved one */
	commit(p, "wherry-3a12f0");
	assert_says(p->run, "source", "saved");

	remove_device(p, "eth1");
	boot(p, "nonsense\n");
	commit(p, "wherry-3a12f0");
}

static void a_configured_name_wins(void **state)
{
	struct place *p = *state;

	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	boot(p, "version: 1\nhostname: good\n");
	commit(p, "good");
	assert_says(p->state, "hostname", "wherry-3a12f0\n");
	remove_device(p, "eth0");
	boot(p, "version: 1\nhostname: good\n");
	commit(p, "good");
	boot(p, NULL);
	commit(p, "good");

	/* Taken away, it is the first one again. */
	boot(p, "version: 1\n");
	commit(p, "wherry-3a12f0");
}

static void a_card_that_is_late_at_the_first_boot(void **state)
{
	struct place *p = *state;

	/* there is none at all: nobody is called so for good */
	boot(p, NULL);
	commit(p, "wherry");
	assert_absent(p->state, "hostname");
	boot(p, "version: 1\n");
	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	commit(p, "wherry-3a12f0");
	assert_says(p->state, "hostname", "wherry-3a12f0\n");
}

/* What cannot be kept, and what cannot be read, has the name all the same. */
static void a_name_where_nothing_else_is_kept(void **state)
{
	struct place *p = *state;
	char path[160];

	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	snprintf(path, sizeof(path), "%s/hostname", p->state);
	assert_int_equal(file_replace(AT_FDCWD, path, "mine\n", 5, 0644), 0);
	snprintf(path, sizeof(path), "%s/config.yaml.new", p->state);
	assert_int_equal(mkdir(path, 0755), 0);
	boot(p, "version: 1\n");
	assert_true(config_commit(&p->dirs) < 0);
	assert_says(p->run, "config.json", "\"hostname\": \"mine\"");
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/config.yaml", p->state);
	assert_int_equal(mkdir(path, 0755), 0);
	boot(p, NULL);
	assert_true(config_commit(&p->dirs) < 0);
	assert_says(p->run, "config.json", "\"hostname\": \"mine\"");
}

static void a_name_that_cannot_be_read(void **state)
{
	struct place *p = *state;
	char path[160];

	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	snprintf(path, sizeof(path), "%s/hostname", p->state);
	assert_int_equal(mkdir(path, 0755), 0);
	boot(p, NULL);
	commit(p, "wherry-3a12f0");
	assert_int_equal(rmdir(path), 0); /* it is as it was */
}

static void a_name_that_is_spoilt_or_cannot_be_kept(void **state)
{
	struct place *p = *state;
	char path[160];

	add_device(p, "eth0", "1", "3", "52:54:00:3a:12:f0", true);
	snprintf(path, sizeof(path), "%s/hostname", p->state);
	assert_int_equal(file_replace(AT_FDCWD, path, "-a\n", 3, 0644), 0);
	boot(p, NULL);
	commit(p, "wherry-3a12f0");
	assert_says(p->state, "hostname", "wherry-3a12f0\n");

	assert_int_equal(remove(path), 0);
	snprintf(path, sizeof(path), "%s/hostname.new", p->state);
	assert_int_equal(mkdir(path, 0755), 0); /* nothing can be written there */
	boot(p, NULL);
	commit(p, "wherry-3a12f0");
	assert_absent(p->state, "hostname");
}

int main(void)
{
#define t(fn) cmocka_unit_test_setup_teardown(fn, place_make, place_remove)
	static const struct CMUnitTest tests[] = {
		t(nothing_found),
		t(a_good_one_is_kept),
		t(a_refused_one_leaves_the_kept),
		t(a_refused_one_and_a_kept_one_that_is_bad),
		t(one_that_is_too_large),
		t(the_machine_id_is_made_once),
		t(the_name_comes_from_the_first_real_device),
		t(the_name_stays_when_the_card_does_not),
		t(the_cluster_has_a_file_while_it_is_enabled),
		t(a_configured_name_wins),
		t(a_card_that_is_late_at_the_first_boot),
		t(a_name_where_nothing_else_is_kept),
		t(a_name_that_cannot_be_read),
		t(a_name_that_is_spoilt_or_cannot_be_kept),
	};

	/* The host name of the machine that runs the tests is not ours to change. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0 && unshare(CLONE_NEWUTS) < 0)
		fputs("no UTS namespace here; as an ordinary user, sethostname is refused and the tests go on\n",
			stderr);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
