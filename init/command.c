/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init/command.h"
#include "init/node.h"

const char *node_state(const struct node *n)
{
	const char *state = "up";

	if (n->shutdown.phase != SHUTDOWN_NOT)
		return "stopping";
	if (!services_all_settled(&n->sup) && strcmp(n->told_state, "up") &&
		strcmp(n->told_state, "degraded"))
		return "starting";
	for (size_t i = 0; i < n->sup.n; i++)
		if (n->sup.service[i].state == FAILED || n->sup.service[i].state == BACKOFF)
			state = "degraded";
	return state;
}

static int say(char *out, size_t size, int result, const char *fmt, const char *arg)
{
	snprintf(out, size, "%s%s\n", fmt, arg);
	return result;
}

static int cmd_status(struct node *n, const char *arg, char *out, size_t size)
{
	int len = snprintf(out, size, "system   %s\nstate    %s\nuptime   %d s\nwatchdog %s\n", n->banner,
		node_state(n), (int)(loop_now_ms(n->loop) / 1000), n->watchdog.fd < 0 ? "none" : "armed");

	for (size_t i = 0; i < n->sup.n && len < (int)size; i++) {
		const struct service *s = &n->sup.service[i];

		if (s->state == FAILED || s->state == BACKOFF)
			len += snprintf(
				out + len, size - (size_t)len, "problem  %s: %s\n", s->unit.name, s->reason);
		else if (!service_settled(s) && s->unit.output != UNIT_CONSOLE)
			len += snprintf(out + len, size - (size_t)len, "wait     %s: %s\n", s->unit.name,
				service_state_name(s->state));
	}
	return 0;
}

static int cmd_services(struct node *n, const char *arg, char *out, size_t size)
{
	services_list(&n->sup, out, size);
	return 0;
}

static int service_verb(struct node *n, const char *arg, char *out, size_t size, enum service_event e)
{
	struct service *s = services_find(&n->sup, arg);

	if (!s)
		return say(out, size, -ENOENT, "no such service: ", arg);
	if (n->sup.stopping)
		return say(out, size, -ESHUTDOWN, "the machine is going down", "");
	service_event(s, e);
	services_describe(s, out, size);
	return 0;
}

static int cmd_start(struct node *n, const char *arg, char *out, size_t size)
{
	return service_verb(n, arg, out, size, EV_START);
}

static int cmd_stop(struct node *n, const char *arg, char *out, size_t size)
{
	return service_verb(n, arg, out, size, EV_STOP);
}

static int cmd_restart(struct node *n, const char *arg, char *out, size_t size)
{
	return service_verb(n, arg, out, size, EV_RESTART);
}

static int cmd_service(struct node *n, const char *arg, char *out, size_t size)
{
	struct service *s = services_find(&n->sup, arg);

	if (!s)
		return say(out, size, -ENOENT, "no such service: ", arg);
	services_describe(s, out, size);
	return 0;
}

static int cmd_reboot(struct node *n, const char *arg, char *out, size_t size)
{
	bool begun = shutdown_begin(&n->shutdown, SHUTDOWN_REBOOT);

	return say(out, size, begun ? 0 : -EALREADY, begun ? "restarting" : "already going down", "");
}

static int cmd_poweroff(struct node *n, const char *arg, char *out, size_t size)
{
	bool begun = shutdown_begin(&n->shutdown, SHUTDOWN_POWEROFF);

	return say(out, size, begun ? 0 : -EALREADY, begun ? "powering off" : "already going down", "");
}

static const struct {
	const char *name;
	bool arg; /* exactly one, or none */
	int (*fn)(struct node *n, const char *arg, char *out, size_t size);
} commands[] = {
	{"status", false, cmd_status},
	{"services", false, cmd_services},
	{"service", true, cmd_service},
	{"start", true, cmd_start},
	{"stop", true, cmd_stop},
	{"restart", true, cmd_restart},
	{"reboot", false, cmd_reboot},
	{"poweroff", false, cmd_poweroff},
};

int command_run(struct control *c, char *words, char *out, size_t size)
{
	struct node *n = container_of(c, struct node, control);
	char *save, *name = strtok_r(words, " ", &save), *arg = strtok_r(NULL, " ", &save);

	for (size_t i = 0; name && i < array_len(commands); i++)
		if (!strcmp(commands[i].name, name)) {
			if (!arg == commands[i].arg || (arg && strtok_r(NULL, " ", &save)))
				return say(out, size, -EINVAL,
					commands[i].arg ? "exactly one service is wanted: "
							: "takes no argument: ",
					name);
			return commands[i].fn(n, arg, out, size);
		}
	return say(out, size, -EINVAL, "no such verb: ", name ? name : "");
}
