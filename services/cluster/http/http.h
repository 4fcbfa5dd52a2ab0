/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_HTTP_H
#define CLUSTER_HTTP_H

/*
 * The Kubernetes API over HTTP: the verbs of the registry under the paths clients know. One call opens it; everything else
 * is in http_int.h.
 */

#include "lib/util.h"

struct access;
struct api;
struct registry;
struct tls_config;

struct api_options {
	struct registry *registry;
	struct access *access;
	unsigned reads_max, writes_max; /* together, the seats that priority levels share; 0: 400 and 200 */
	const char *kubelet_ca, *kubelet_cert,
		*kubelet_key;	      /* PEM files: who nodes are, and what is shown to them */
	const char *data_dir;	      /* where the store is, and its snapshots are made; NULL: nowhere */
	const char *external_address; /* host:port told to clients in discovery; NULL: none */
};

must_check int api_open(struct api **out, const struct api_options *opts);
void api_close(struct api *a); /* accepts NULL */

/* @fd: a listening socket, taken. @tls: borrowed; NULL: plain, where only tokens tell who it is. */
must_check int api_listen(struct api *a, int fd, struct tls_config *tls);
/**
 * api_listen_local() - a socket for one part of this node
 * @path:	in a folder that only that part can enter; appears when it is listening, in the place of an earlier one
 * @user:	who comes by it without a token, of @group; copied
 *
 * Return: 0 or -errno; why it cannot listen is logged.
 */
must_check int api_listen_local(struct api *a, const char *path, const char *user, const char *group);
/* New connections get this one from now on. */
void api_set_tls(struct api *a, struct tls_config *tls);

/* Until this is called /readyz says no. */
void api_ready(struct api *a);

#endif
