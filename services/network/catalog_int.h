/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NETWORK_CATALOG_INT_H
#define NETWORK_CATALOG_INT_H

#include "lib/kube.h"
#include "network/catalog.h"

enum catalog_kind { CATALOG_SERVICES, CATALOG_SLICES, CATALOG_KINDS };

/* How the catalog hears of the API's objects; its argument is the catalog. For tests that play the API. */
extern const struct kube_reflector_events catalog_reflections[CATALOG_KINDS];

#endif
