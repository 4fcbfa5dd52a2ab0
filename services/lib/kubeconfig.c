/* SPDX-License-Identifier: Apache-2.0 */

/* One cluster, one user, one context. Everything is inside, so the file can be copied anywhere. */

#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/kubeconfig.h"

char *kubeconfig_text(const struct kubeconfig *k)
{
	cleanup(freep) char *ca = base64_make(k->ca, strlen(k->ca));
	cleanup(freep) char *cert = base64_make(k->cert, strlen(k->cert));
	cleanup(freep) char *key = base64_make(k->key, strlen(k->key));
	char *text = NULL;

	if (!ca || !cert || !key ||
		asprintf(&text,
			"apiVersion: v1\nkind: Config\nclusters:\n- name: wherry\n  cluster:\n    server: %s\n"
			"    certificate-authority-data: %s\nusers:\n- name: admin\n  user:\n"
			"    client-certificate-data: %s\n    client-key-data: %s\ncontexts:\n- name: wherry\n"
			"  context:\n    cluster: wherry\n    user: admin\ncurrent-context: wherry\n",
			k->server, ca, cert, key) < 0)
		return NULL;
	return text;
}
