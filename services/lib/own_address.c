/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/own_address.h"
#include "lib/util.h"

static bool for_containers(const char *name)
{
	static const char *const prefixes[] = {"veth", "docker", "br-"};

	for (size_t i = 0; i < array_len(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

bool own_address(char out[OWN_ADDRESS_MAX])
{
	struct ifaddrs *list;
	bool found = false;

	snprintf(out, OWN_ADDRESS_MAX, "127.0.0.1");
	if (getifaddrs(&list))
		return false;
	for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
			i->ifa_flags & IFF_LOOPBACK || for_containers(i->ifa_name))
			continue;
		found = inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, out,
			OWN_ADDRESS_MAX);
	}
	freeifaddrs(list);
	return found;
}
