/* SPDX-License-Identifier: Apache-2.0 */

/*
 * hostname, hosts and resolv.conf of a container. They are mounted over those of its root, so what it sees is
 * the inode that was there at its start: from then on they are written in place, as Docker does, and a start
 * makes them anew.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/container.h"
#include "engine/container_links.h"
#include "engine/container_net_int.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "lib/errno_text.h"
#include "lib/json.h"
#include "lib/log.h"

enum { NAME_FILE_MAX = 1 << 20 };

struct texts {
	char *resolv, *hosts, *hostname; /* owned */
};

static void texts_fini(struct texts *t)
{
	free(t->resolv);
	free(t->hosts);
	free(t->hostname);
}

static int copy_file(const char *from_dir, const char *to_dir, const char *name)
{
	cleanup(freep) char *path = text_make("%s/%s", from_dir, name), *text = NULL;
	size_t len;
	int err = path ? disk_read(path, NAME_FILE_MAX, &text, &len) : -ENOMEM;

	return err ? err : disk_replace(to_dir, name, text, len, 0644, 0);
}

/* Where a container's name files lie. */
static const char *files_dir(const struct container *c)
{
	const struct pod *p = pod_of(c);

	return p ? p->dir : c->dir;
}

static int share(struct container *c, const char *owner, char **msg)
{
	static const char *const names[] = {"hostname", "hosts", "resolv.conf"};
	struct container *other;
	int err = container_find(c->e, owner, &other);

	for (size_t i = 0; i < array_len(names) && !err; i++)
		err = copy_file(files_dir(other), c->dir, names[i]);
	if (err)
		*msg = text_make("cannot share the name files of container %s: %s", owner, errno_text(-err));
	return err;
}

static int append_links(struct container *c, const char *unlinked, char **hosts)
{
	cleanup(freep) char *own = take(*hosts), *links = container_links_hosts(c, unlinked);

	*hosts = links ? text_make("%s%s", own, links) : NULL;
	return *hosts ? 0 : -ENOMEM;
}

static int make(struct container *c, const char *unlinked, struct texts *t, char **msg)
{
	const char *dns[CONTAINER_NET_LIST_MAX], *search[CONTAINER_NET_LIST_MAX],
		*options[CONTAINER_NET_LIST_MAX], *hosts[CONTAINER_NET_LIST_MAX];
	const char *hostname = json_text(c->config, "Hostname");
	struct network_error nerr = {0};
	char short_id[13];

	snprintf(short_id, sizeof(short_id), "%.12s", c->id);

	struct network_names names = {
		.hostname = hostname ? hostname : short_id,
		.domainname = json_text(c->config, "Domainname"),
		.dns = dns,
		.n_dns = container_net_strings(json_arr(c->host, "Dns"), dns, array_len(dns)),
		.search = search,
		.n_search = container_net_strings(json_arr(c->host, "DnsSearch"), search, array_len(search)),
		.options = options,
		.n_options =
			container_net_strings(json_arr(c->host, "DnsOptions"), options, array_len(options)),
		.extra_hosts = hosts,
		.n_extra_hosts =
			container_net_strings(json_arr(c->host, "ExtraHosts"), hosts, array_len(hosts)),
	};
	int err = network_resolv_conf(c->e->networks, c->id, &names, &t->resolv);

	if (!err)
		err = network_hosts(c->e->networks, c->id, &names, &t->hosts, &nerr);
	if (!err)
		err = append_links(c, unlinked, &t->hosts);
	if (!err) {
		t->hostname = text_make("%s\n", names.hostname);
		err = t->hostname ? 0 : -ENOMEM;
	}
	if (err && nerr.text[0])
		*msg = container_net_said(&nerr);
	return err;
}

static int told(int err, char **msg)
{
	if (err && !*msg)
		*msg = text_make("cannot write the container's name files: %s", errno_text(-err));
	return err;
}

int container_net_files(struct container *c, char **msg)
{
	const char *mode = container_net_mode(c);
	struct texts t = {0};

	if (!strncmp(mode, "container:", 10))
		return share(c, mode + 10, msg);

	int err = make(c, NULL, &t, msg);

	if (!err)
		err = disk_replace(c->dir, "resolv.conf", t.resolv, strlen(t.resolv), 0644, 0);
	if (!err)
		err = disk_replace(c->dir, "hosts", t.hosts, strlen(t.hosts), 0644, 0);
	if (!err)
		err = disk_replace(c->dir, "hostname", t.hostname, strlen(t.hostname), 0644, 0);
	texts_fini(&t);
	return told(err, msg);
}

/* ---- while it runs */

static bool has_word(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < len;) {
		size_t end = i;

		while (end < len && line[end] != ' ' && line[end] != '\t')
			end++;
		if (end - i == n && !memcmp(line + i, word, n))
			return true;
		i = end + 1;
	}
	return false;
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n");

		if (n == len && !memcmp(at, line, len))
			return true;
		at += n + (at[n] == '\n');
	}
	return false;
}

/* Is @name the first one after the address? */
static bool begins_with(const char *line, size_t len, const char *name)
{
	size_t at = 0, n = strlen(name);

	while (at < len && line[at] != ' ' && line[at] != '\t')
		at++;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return len - at >= n && !memcmp(line + at, name, n) && (len - at == n || line[at + n] == ' ');
}

char *container_net_merge_hosts(const char *now, const char *fresh, const char *hostname,
	const char *const *aliases, size_t n_aliases)
{
	cleanup(freep) char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs(fresh, f);
	for (const char *at = now; *at;) {
		size_t n = strcspn(at, "\n");
		bool ours = !n || has_line(fresh, at, n) || has_word(at, n, hostname);

		for (size_t i = 0; i < n_aliases && !ours; i++)
			ours = begins_with(at, n, aliases[i]);
		if (!ours)
			fprintf(f, "%.*s\n", (int)n, at);
		at += n + (at[n] == '\n');
	}
	return fclose(f) ? NULL : take(text);
}

/* A reader sees the old text, the new one, or, for an instant, the end of the old one behind the new. */
static int write_over(const char *dir, const char *name, const char *text)
{
	cleanup(freep) char *path = text_make("%s/%s", dir, name);
	cleanup(closep) int fd = path ? open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	size_t len = strlen(text);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, text, len, 0);

	if (n == (ssize_t)len && !ftruncate(fd, n))
		return 0;
	return log_errno(n >= 0 && n < (ssize_t)len ? ENOSPC : errno, "op=write file=%s/%s", dir, name);
}

/* What somebody wrote into /etc/hosts stays; a resolv.conf that is no longer the engine's is left alone. */
static int renew(const char *dir, const struct texts *t, const char *const *aliases, size_t n_aliases)
{
	cleanup(freep) char *hosts_path = text_make("%s/hosts", dir);
	cleanup(freep) char *resolv_path = text_make("%s/resolv.conf", dir);
	cleanup(freep) char *hosts = NULL, *resolv = NULL, *merged = NULL;
	size_t len, first = strcspn(t->resolv, "\n");
	int err = hosts_path && resolv_path ? disk_read(hosts_path, NAME_FILE_MAX, &hosts, &len) : -ENOMEM;

	if (!err)
		err = disk_read(resolv_path, NAME_FILE_MAX, &resolv, &len);
	if (err)
		return log_errno(-err, "op=read dir=%s msg=\"name files\"", dir);
	merged = container_net_merge_hosts(hosts, t->hosts, t->hostname, aliases, n_aliases);
	err = merged ? write_over(dir, "hosts", merged) : -ENOMEM;
	if (!err && !strncmp(resolv, t->resolv, first + 1))
		err = write_over(dir, "resolv.conf", t->resolv);
	return err;
}

int container_net_files_renew(struct container *c, const char *unlinked, char **msg)
{
	const char *aliases[CONTAINER_NET_LIST_MAX];
	struct texts t = {0};
	int err = make(c, unlinked, &t, msg);
	size_t i, n, n_aliases = 0;
	yyjson_val *v;

	yyjson_arr_foreach (c->links, i, n, v)
		if (n_aliases < CONTAINER_NET_LIST_MAX)
			aliases[n_aliases++] = container_links_alias(v);
	if (!err) {
		/* the name that each of its own lines has, whether there is a domain or not */
		t.hostname[strcspn(t.hostname, ".\n")] = 0;
		err = renew(c->dir, &t, aliases, n_aliases);
	}
	for (i = 0; i < c->e->n_containers && !err; i++) {
		struct container *other = c->e->containers[i];
		const char *mode = container_net_mode(other);
		struct container *joined = NULL;

		/* by a name where it was made before the one it joins */
		if (container_is_up(other) && !strncmp(mode, "container:", 10) &&
			!container_find(c->e, mode + 10, &joined) && joined == c)
			err = renew(other->dir, &t, aliases, n_aliases);
	}
	texts_fini(&t);
	return told(err, msg);
}
