/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_FDPASS_H
#define RUNTIME_FDPASS_H

#include <sys/types.h>

#include "lib/util.h"

/* Connects to a Unix stream socket. @what names it in the failure. A descriptor or -errno. */
must_check int rt_unix_connect(const char *path, const char *what);

/* Sends @len bytes with one descriptor (SCM_RIGHTS). 0 or -errno. */
must_check int rt_fd_send(int sock, int fd, const void *data, size_t len);
must_check int rt_fd_recv(int sock); /* a descriptor or -errno */

/* To --pidfd-socket, as runc has it: @made tells how the process came to be ("standard", "setns"). 0 or -errno. */
must_check int rt_pidfd_send(int sock, int pidfd, const char *made);

#endif
