/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_KUBECONFIG_H
#define LIB_KUBECONFIG_H

/* The file that tells clients of Kubernetes where a cluster is and who they are. */

#include "lib/util.h"

/* The common name of the authority that this project makes for a cluster, and of its administrator. */
#define KUBECONFIG_CA_NAME     "wherry cluster"
#define KUBECONFIG_ADMIN       "kubernetes-admin"
#define KUBECONFIG_ADMIN_GROUP "system:masters"

struct kubeconfig {
	const char *server;	     /* https://HOST:PORT */
	const char *ca, *cert, *key; /* PEM texts */
};

/* The file's text, malloc'ed; NULL: no memory. */
must_check char *kubeconfig_text(const struct kubeconfig *k);

#endif
