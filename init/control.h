/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_CONTROL_H
#define INIT_CONTROL_H

/*
 * The control socket: services/lib/initctl_wire.h says what travels on it. Only uid 0 is answered. Each
 * packet is answered at once or its sender is dropped, so a client costs its struct and nothing else.
 */

#include "lib/initctl_wire.h"
#include "lib/loop.h"

struct fdstore;
struct exits;

enum { CONTROL_CLIENTS_MAX = 256 };

struct control_client;

struct control {
	struct loop *loop; /* borrowed, as are the next two */
	struct fdstore *store;
	struct exits *exits;
	/* A verb in words. Writes text to @out. 0 or -errno. */
	int (*command)(struct control *c, char *words, char *out, size_t size);
	struct loop_io listener; /* fd owned while registered */
	struct loop_timer retry;
	struct control_client *clients;
	size_t n_clients;
};

must_check int control_listen(struct control *c, const char *path); /* makes the socket, 0600; 0 or -errno */
void control_fini(struct control *c);

/* An exit record was added: send subscribers what they have not had. */
void control_exits_added(struct control *c);

/**
 * control_parse() - check a packet
 * @out:	the head; its name ends in NUL and is valid for the verb
 * @text:	for WIRE_COMMAND, WIRE_TEXT_MAX + 1 bytes; NUL-terminated
 *
 * Return: 0, or -EBADMSG for what no client of ours would send, or -EINVAL for a name that is not one.
 */
must_check int control_parse(
	const void *packet, size_t len, size_t n_fds, struct wire_request *out, char *text);

#endif
