/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_SERVICE_NETS_H
#define NETWORK_SERVICE_NETS_H

/*
 * The ranges that services have addresses of: first the one of the machine configuration, then those that ServiceCIDRs add to it.
 * Only of IPv4, as the addresses are.
 */

#include "lib/ipconf.h"
#include "lib/kube_names.h"
#include "lib/util.h"

struct kube;
struct kube_reflector_events;
struct service_nets_watch;

enum { SERVICE_NETS_MAX = KUBE_SERVICE_RANGES_MAX };

struct service_nets {
	struct ipaddr items[SERVICE_NETS_MAX];
	size_t n;
};

bool service_nets_equal(const struct service_nets *a, const struct service_nets *b);
bool service_nets_have(const struct service_nets *n, const struct ipaddr *address);
/* One more, unless it is there already. false: there is no room. */
must_check bool service_nets_add(struct service_nets *n, const struct ipaddr *range);

/*
 * @own: the configured range. @change is told all ranges when the list was read, and whenever something about them changes.
 * 0 or -errno.
 */
must_check int service_nets_watch_new(struct service_nets_watch **out, const struct ipaddr *own,
	void (*change)(const struct service_nets *now, void *arg), void *arg);
/* Follow the ServiceCIDRs of this API server, once. 0 or -errno. */
must_check int service_nets_follow(struct service_nets_watch *w, struct kube *k);
void service_nets_watch_free(struct service_nets_watch *w); /* accepts NULL */

/* How the watch hears of the API's objects; its argument is the watch. For tests that play the API. */
extern const struct kube_reflector_events service_nets_reflection;

#endif
