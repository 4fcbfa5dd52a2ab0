/* SPDX-License-Identifier: Apache-2.0 */

/* What is removed is what lies there, whatever it names, and whoever exchanges it meanwhile. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/tree.h"

enum { EXCHANGE = 2 /* RENAME_EXCHANGE */ };

struct fix {
	char top[32];
	int dir; /* in it: "outside" with "canary", and what a test makes */
};

static void make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->top, "/tmp/tree-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	f->dir = open(f->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->dir, "outside", 0700), 0);
	make_file(f->dir, "outside/canary");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	close(f->dir);
	assert_int_equal(tree_remove(AT_FDCWD, f->top), 0);
	free(f);
	return 0;
}

static void links_are_removed_and_not_followed(void **state)
{
	struct fix *f = *state;

	assert_int_equal(mkdirat(f->dir, "tree", 0700), 0);
	assert_int_equal(mkdirat(f->dir, "tree/sub", 0700), 0);
	assert_int_equal(symlinkat("../outside", f->dir, "tree/link"), 0);
	assert_int_equal(symlinkat("../../outside", f->dir, "tree/sub/link"), 0);
	assert_int_equal(symlinkat("../../outside/canary", f->dir, "tree/sub/file"), 0);
	assert_int_equal(linkat(f->dir, "outside/canary", f->dir, "tree/sub/hard", 0), 0);
	assert_int_equal(tree_remove(f->dir, "tree"), 0);
	assert_false(there(f->dir, "tree"));
	assert_true(there(f->dir, "outside/canary"));

	assert_int_equal(symlinkat("outside", f->dir, "tree"), 0);
	assert_int_equal(tree_remove(f->dir, "tree"), 0);
	assert_false(there(f->dir, "tree"));
	assert_true(there(f->dir, "outside/canary"));
	assert_int_equal(tree_remove(f->dir, "tree"), 0);
}

struct swapper {
	int dir;
	const char *a, *b;
	atomic_bool over;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!s->over)
		(void)!renameat2(s->dir, s->a, s->dir, s->b, EXCHANGE);
	return NULL;
}

/*
 * CVE-2024-23652: a directory that is about to be emptied becomes a link to another one. @a and @b are the two that are
 * exchanged; tree_remove() may fail, but must not reach what the link names.
 */
static void swapped(struct fix *f, const char *a, const char *b)
{
	struct swapper s = {.dir = f->dir, .a = a, .b = b};
	struct timespec began, now;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		(void)!mkdirat(f->dir, "tree", 0700);
		(void)!mkdirat(f->dir, a, 0700);
		(void)!symlinkat(f->top, f->dir, b); /* absolute, so that it leads there from everywhere */
		for (int i = 0; i < 4; i++) {
			char name[40];
			int fd;

			snprintf(name, sizeof(name), "%s/f%d", a, i);
			fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
			closep(&fd);
		}
		(void)!tree_remove(f->dir, "tree");
		(void)!tree_remove(f->dir, b); /* what of the two was left under this name */
		if (!there(f->dir, "outside/canary"))
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec < 3);
	s.over = true;
	pthread_join(thread, NULL);
	assert_true(there(f->dir, "outside/canary"));
}

static void directories_inside_are_exchanged_for_links(void **state)
{
	swapped(*state, "tree/a", "tree/b");
}

static void the_tree_itself_is_exchanged_for_a_link(void **state)
{
	swapped(*state, "tree", "link");
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(links_are_removed_and_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(directories_inside_are_exchanged_for_links, setup, teardown),
		cmocka_unit_test_setup_teardown(the_tree_itself_is_exchanged_for_a_link, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
