/* SPDX-License-Identifier: Apache-2.0 */

/* The service `network`: the machine configuration's part for network.h, for as long as the node runs. */

#include <errno.h>
#include <fcntl.h>

#include "applets.h"
#include "init/network/network.h"
#include "lib/file.h"
#include "lib/initctl.h"
#include "lib/log.h"

#define CONFIG_FILE "/run/config/config.json"

enum { CONFIG_MAX = 4 << 20 };

static int load_config(struct netcfg *cfg)
{
	cleanup(freep) char *json = NULL;
	char why[256];
	size_t len;
	int r = file_read(AT_FDCWD, CONFIG_FILE, CONFIG_MAX, &json, &len);

	if (r == -ENOENT) {
		log_warn("path=%s msg=\"no configuration: every Ethernet device asks by DHCP\"", CONFIG_FILE);
		return 0;
	}
	if (r < 0)
		return log_errno(-r, "op=read path=%s", CONFIG_FILE);
	r = netcfg_parse(cfg, json, len, why);
	if (r < 0)
		return log_errno(-r, "path=%s msg=\"%s\"", CONFIG_FILE, why);
	return 0;
}

static void on_ready(void *arg)
{
	initctl_ready();
}

int network_main(int argc, char **argv)
{
	struct network_wanted w = {.ready = on_ready};
	struct network *network;
	struct loop *loop;
	int r = loop_new(&loop);

	if (r < 0)
		return log_errno(-r, "op=loop"), 1;
	/* A configuration that cannot be read leaves the node without a network only if it has none: DHCP is
	 * tried. */
	if (load_config(&w.cfg) < 0)
		log_warn("msg=\"every Ethernet device asks by DHCP instead\"");
	if (network_start(&network, loop, &w) < 0)
		return 1;
	/* Ends only by a signal: init stops it with its whole cgroup, and the devices stay as they are. */
	return loop_run(loop) < 0;
}
