/* SPDX-License-Identifier: Apache-2.0 */

/* The places: made once, left alone afterwards, and each with its link in the image's root. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/file.h"
#include "lib/places.h"
#include "lib/tree.h"

static char data[] = "/tmp/places.XXXXXX";

static int setup(void **state)
{
	umask(022);
	return mkdtemp(data) ? 0 : -1;
}

static int teardown(void **state)
{
	return tree_remove(AT_FDCWD, data);
}

static unsigned mode_of(const char *place)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" PLACES_DIR "%s", data, place);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	return st.st_mode & 07777;
}

static void are_made_and_left_alone(void **state)
{
	char path[256];

	assert_int_equal(places_make(data), 0);
	for (const struct place *p = places; p->path; p++)
		assert_int_equal(mode_of(p->path), p->mode);
	snprintf(path, sizeof(path), "%s/" PLACES_DIR "/srv", data);
	assert_int_equal(chmod(path, 01777), 0);
	/* a cut in the middle of the first time: what is missing is made */
	snprintf(path, sizeof(path), "%s/" PLACES_DIR "/var/lib", data);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(places_make(data), 0);
	assert_int_equal(mode_of("/srv"), 01777);
	assert_int_equal(mode_of("/var/lib"), 0755);
}

static void one_that_cannot_be_made_keeps_no_other_from_it(void **state)
{
	char path[256];

	assert_int_equal(places_make(data), 0);
	snprintf(path, sizeof(path), "%s/" PLACES_DIR "/srv", data);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/" PLACES_DIR "/usr", data);
	assert_int_equal(tree_remove(AT_FDCWD, path), 0);
	assert_int_equal(symlink("nowhere/at/all", path), 0);
	assert_int_equal(places_make(data), -ENOENT);
	assert_int_equal(mode_of("/srv"), 0755);
	assert_int_equal(unlink(path), 0);
}

/* "link /var/lib - - ../data/host/var/lib" */
static void the_root_has_their_links(void **state)
{
	cleanup(freep) char *manifest = NULL;
	size_t len;

	assert_int_equal(file_read(AT_FDCWD, "rootfs/manifest", 1 << 20, &manifest, &len), 0);
	for (const struct place *p = places; p->path; p++) {
		char target[256], *line = manifest, *found = NULL;
		bool deep = strchr(p->path + 1, '/');

		snprintf(target, sizeof(target), "%sdata/" PLACES_DIR "%s", deep ? "../" : "", p->path);
		for (; !found && line; line = strchr(line, '\n')) {
			char path[128] = "", to[128] = "";

			line += *line == '\n';
			if (sscanf(line, "link %127s - - %127s", path, to) == 2 && !strcmp(path, p->path))
				found = strcmp(to, target) ? NULL : line;
		}
		if (!found)
			fail_msg("rootfs/manifest has no link %s to %s", p->path, target);
	}
}

static void the_advice_names_them(void **state)
{
	cleanup(freep) char *advice = places_advice();

	assert_non_null(advice);
	for (const struct place *p = places; p->path; p++)
		assert_non_null(strstr(advice, p->path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_made_and_left_alone),
		cmocka_unit_test(one_that_cannot_be_made_keeps_no_other_from_it),
		cmocka_unit_test(the_root_has_their_links),
		cmocka_unit_test(the_advice_names_them),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
