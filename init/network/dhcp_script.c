/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The applet network_dhcp: udhcpc's script. It decides nothing; it sends what it was given to the network
 * service, over the socket that udhcpc inherited from it.
 */

#include <errno.h>
#include <sys/socket.h>

#include "applets.h"
#include "init/network/dhcp.h"
#include "lib/log.h"

extern char **environ;

int network_dhcp_main(int argc, char **argv)
{
	char msg[LEASE_MESSAGE_MAX];
	ssize_t len;

	if (argc != 2) {
		log_error("msg=\"network_dhcp is run by udhcpc, with the name of an event\"");
		return 2;
	}
	len = lease_message(argv[1], (const char *const *)environ, msg);
	if (len < 0) {
		log_errno((int)-len, "op=lease event=%s", argv[1]);
		return 1;
	}
	if (send(DHCP_SCRIPT_FD, msg, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len) {
		log_errno(errno, "op=send event=%s", argv[1]);
		return 1;
	}
	return 0;
}
