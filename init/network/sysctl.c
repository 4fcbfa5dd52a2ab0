/* SPDX-License-Identifier: Apache-2.0 */

/* Kernel settings for networking. Only what differs from the kernel's own choice, each for a reason. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "init/network/sysctl.h"
#include "lib/log.h"

static const struct setting {
	const char *path, *value, *why;
} settings[] = {
	{"net/ipv4/ip_forward", "1", "containers and pods are behind the node: it routes for them"},
	{"net/ipv6/conf/all/forwarding", "1", "the same for IPv6"},
	{"net/ipv4/conf/all/accept_redirects", "0", "nobody on the wire moves the node's routes"},
	{"net/ipv4/conf/default/accept_redirects", "0", "the same for devices to come"},
	{"net/ipv6/conf/all/accept_redirects", "0", "the same for IPv6"},
	{"net/ipv6/conf/default/accept_redirects", "0", "the same for IPv6 devices to come"},
	{"net/ipv4/conf/all/send_redirects", "0", "a container told to go round the node would miss its NAT"},
	{"net/ipv4/conf/default/send_redirects", "0", "the same for devices to come"},
	{"net/ipv4/conf/all/accept_source_route", "0",
		"a sender does not choose the way past the node's rules"},
	{"net/ipv4/neigh/default/gc_thresh1", "1024", "a node has hundreds of containers as neighbours"},
	{"net/ipv4/neigh/default/gc_thresh2", "4096", "the same"},
	{"net/ipv4/neigh/default/gc_thresh3", "8192", "the same; at the kernel's 1024 new ones fail"},
};

static void put(const char *path, const char *value)
{
	char full[128];
	cleanup(closep) int fd = -1;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; /* a kernel without IPv6, or a device that has just gone */
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		log_errno(errno, "op=sysctl path=%s value=%s", full, value);
}

void sysctl_node(void)
{
	for (size_t i = 0; i < array_len(settings); i++)
		put(settings[i].path, settings[i].value);
}

void sysctl_ipv6(const char *ifname, bool on)
{
	char path[96];

	/* 2: also on a machine that forwards, which this one does. */
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", ifname);
	put(path, on ? "2" : "0");
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", ifname);
	put(path, on ? "0" : "1");
}
