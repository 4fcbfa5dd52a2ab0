/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_KUBE_INT_H
#define LIB_KUBE_INT_H

#include "lib/kube.h"

struct http_client;
struct tls_config;

struct kube {
	struct loop *loop;
	struct tls_config *tls;
	struct http_client *http;
};

#endif
