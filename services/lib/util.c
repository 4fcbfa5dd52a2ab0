/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "lib/util.h"

void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}
