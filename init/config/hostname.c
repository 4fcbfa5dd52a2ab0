/* SPDX-License-Identifier: Apache-2.0 */

#include <dirent.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "init/config/check.h"
#include "init/config/hostname.h"
#include "lib/file.h"
#include "lib/log.h"

#define KEPT "hostname"

/* The first line of a small file; "" when there is none. */
static void read_attr(int dir, const char *name, const char *attr, char *out, size_t size)
{
	cleanup(freep) char *text = NULL;
	char path[512];
	size_t len;

	*out = '\0';
	snprintf(path, sizeof(path), "%s/%s", name, attr);
	if (file_read(dir, path, 256, &text, &len) == 0)
		snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Real devices only: a bridge or tunnel has no device link, and its address is made up. */
static bool is_ethernet(int dir, const char *name)
{
	char type[16], path[512];

	snprintf(path, sizeof(path), "%s/device", name);
	read_attr(dir, name, "type", type, sizeof(type));
	return atoi(type) == ARPHRD_ETHER && faccessat(dir, path, F_OK, 0) == 0;
}

bool hostname_derive(const char *sys, char out[static HOSTNAME_SIZE])
{
	char path[512], best_mac[32] = "", mac[32], index[16];
	long best = -1;
	struct dirent *e;
	DIR *net;

	strcpy(out, "wherry");
	snprintf(path, sizeof(path), "%s/class/net", sys);
	net = opendir(path);
	if (!net)
		return false;
	while ((e = readdir(net))) {
		if (e->d_name[0] == '.' || !is_ethernet(dirfd(net), e->d_name))
			continue;
		read_attr(dirfd(net), e->d_name, "ifindex", index, sizeof(index));
		read_attr(dirfd(net), e->d_name, "address", mac, sizeof(mac));
		if (strlen(mac) != 17 || (best >= 0 && atol(index) >= best))
			continue;
		best = atol(index);
		memcpy(best_mac, mac, sizeof(mac));
	}
	closedir(net);
	if (best < 0)
		return false;
	/* the last three bytes: the first three name the maker */
	sprintf(out, "wherry-%.2s%.2s%.2s", best_mac + 9, best_mac + 12, best_mac + 15);
	return true;
}

/* 0, -ENOENT for none or none that is a name, or -errno. */
static int read_kept(int state, char out[static HOSTNAME_SIZE])
{
	cleanup(freep) char *text = NULL;
	size_t len;
	int rc = file_read(state, KEPT, 256, &text, &len);

	if (rc < 0)
		return rc;
	len = strcspn(text, "\n");
	text[len] = '\0';
	if (len >= HOSTNAME_SIZE || !check_hostname(text))
		return -ENOENT;
	memcpy(out, text, len + 1);
	return 0;
}

void hostname_kept(int state, const char *sys, char out[static HOSTNAME_SIZE])
{
	char line[HOSTNAME_SIZE + 1];
	int rc = read_kept(state, out);

	if (!rc)
		return;
	if (!hostname_derive(sys, out))
		return; /* what every machine without a card is called is no machine's name */
	/* what cannot be read may be there */
	if (rc == -ENOENT) {
		snprintf(line, sizeof(line), "%s\n", out);
		rc = file_replace(state, KEPT, line, strlen(line), 0644);
	}
	if (rc < 0)
		log_errno(-rc, "file=" KEPT " msg=\"the name %s is derived anew at each boot\"", out);
	else
		log_info("msg=\"this is the machine's name from now on\" hostname=%s", out);
}
