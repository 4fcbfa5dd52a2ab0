/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HOOK_URL_H
#define CLUSTER_HOOK_URL_H

/* The url of a webhook: https, an IP address, a port, a path. */

struct hook_url {
	char address[64]; /* of IP, without brackets */
	int port;
	char path[1024]; /* begins with a slash */
};

/* NULL, or a constant text: why it cannot be. */
const char *hook_url_read(struct hook_url *out, const char *url);

#endif
