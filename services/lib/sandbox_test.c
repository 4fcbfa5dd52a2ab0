/* SPDX-License-Identifier: Apache-2.0 */

/* What a worker that has given away what it does not need can no longer do: start a program, load code, talk. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sandbox.h"

enum { PAGE = 4096 };

static bool refused(long r)
{
	return r == -1 && errno == EPERM;
}

/* Each that succeeds has a number of its own; none is 0, nor is what a program that is started ends with. */
static int what_is_left(void)
{
	static char *const argv[] = {(char *)(uintptr_t)"false", NULL};
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 1; /* that one is wanted */
	if (!refused(execve("/bin/false", argv, argv + 1)))
		return 2;
	if (!refused(syscall(SYS_execveat, AT_FDCWD, "/bin/false", argv, argv + 1, 0)))
		return 3;
	if (mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
		errno != EPERM)
		return 4;
	if (!refused(mprotect(page, PAGE, PROT_READ | PROT_EXEC)))
		return 5;
	if (mprotect(page, PAGE, PROT_READ) < 0)
		return 6; /* wanted, too */
	if (!refused(syscall(SYS_clone, 0UL, 0, 0, 0, 0)))
		return 7;
	if (!refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 8;
	return 0;
}

static void no_program_and_no_library(void **state)
{
	int (*const walls[])(int root, const int *keep, size_t n_keep) = {
		sandbox_unpacker, sandbox_packer, sandbox_copier};

	for (size_t i = 0; i < array_len(walls); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			const int keep[] = {0, 1, 2, root};

			/* Nothing of this process' own that runs at the end: it may do little now. */
			syscall(SYS_exit_group, walls[i](root, keep, array_len(keep)) ? 99 : what_is_left());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {cmocka_unit_test(no_program_and_no_library)};

	return cmocka_run_group_tests(t, NULL, NULL);
}
