/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_REMOTE_H
#define CONFIG_REMOTE_H

/*
 * A configuration by a URL: the one that the kernel's command line names (wherry.config=URL), else, on a machine that was
 * never set up, the one that a DHCP server gives (option LEASE_CONFIG_URL_OPTION). It is asked for over the network as it is
 * without a configuration: every Ethernet device by DHCP, and IPv6 as routers say.
 *
 * URL is http:// or https://, the latter with a certificate of a public authority. At its end may stand #sha256=HEX: then
 * only that very text is taken, whoever sent it.
 */

#include "init/config/source.h"
#include "init/storage/choose.h"

#define REMOTE_WORD "wherry.config"

/* Its value when no configuration is to be asked for over the network, not even where DHCP names one. */
#define REMOTE_NONE "none"

struct remote;

/**
 * remote_start() - set the network up, in a child process, while other places are looked at
 * @set_up:	the machine was set up before: without a URL on the command line the network is left alone
 *
 * Return: NULL when nobody is to be asked.
 */
struct remote *remote_start(bool set_up);

/**
 * remote_ask() - now ask, and end
 * @r:		NULL: nobody
 * @past:	as it is known by now; only of a machine that was never set up a DHCP server's word is taken, and one that was
 *		is not asked for long
 *
 * Return: CONFIG_FOUND, with out->why when there was a URL and no text could be had from it; or CONFIG_NONE.
 */
must_check int remote_ask(struct remote *r, enum disk_past past, struct config_source *out);

/* Ends it without having asked. What the network brought is taken back. Accepts NULL. */
void remote_stop(struct remote *r);

#endif
