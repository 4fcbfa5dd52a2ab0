/* SPDX-License-Identifier: Apache-2.0 */

/* See registries.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <yyjson.h>

#include "engine/image/image_int.h"
#include "engine/image/manifest.h"
#include "engine/image/registries.h"
#include "lib/file.h"
#include "lib/log.h"

#define HUB	 "docker.io"
#define HUB_HOST "registry-1.docker.io"

static yyjson_val *find(yyjson_val *registries, const char *host)
{
	yyjson_val *v;
	size_t i, max;

	yyjson_arr_foreach (registries, i, max, v)
		if (yyjson_equals_str(yyjson_obj_get(v, "host"), host))
			return v;
	return NULL;
}

/* Beside the public authorities, not in their place: what it redirects to may be either. curl wants a file.
 */
static int ca_file(const char *pem, size_t len)
{
	cleanup(freep) char *system = NULL;
	size_t n = 0;
	int fd, r;

	r = file_read(AT_FDCWD, WEB_SYSTEM_CA, 4 << 20, &system, &n);
	if (r < 0 && r != -ENOENT)
		return log_errno(-r, "op=read path=" WEB_SYSTEM_CA);
	fd = memfd_create("ca", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, pem, len) != (ssize_t)len || write(fd, "\n", 1) != 1 ||
		(n && write(fd, system, n) != (ssize_t)n)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static char *proxy_url(yyjson_val *proxy, const char *key)
{
	const char *s = yyjson_get_str(yyjson_obj_get(proxy, key));

	return s && (!strncmp(s, "http://", 7) || !strncmp(s, "https://", 8)) ? strdup(s) : NULL;
}

/* false: no memory. */
static bool text_of(yyjson_val *map, const char *key, char **out)
{
	const char *s = yyjson_get_str(yyjson_obj_get(map, key));

	return !s || (*out = strdup(s));
}

static int proxy_of(struct web_proxy *p, yyjson_val *root)
{
	yyjson_val *proxy = yyjson_obj_get(yyjson_obj_get(root, "engine"), "proxy"), *v,
		   *who = yyjson_obj_get(proxy, "credentials");
	size_t i, max, len;
	FILE *f;

	memset(p, 0, sizeof(*p));
	if (!proxy)
		return 0;
	p->http = proxy_url(proxy, "http");
	p->https = proxy_url(proxy, "https");
	if (!text_of(who, "username", &p->username) || !text_of(who, "password", &p->password))
		return -ENOMEM;
	f = open_memstream(&p->except, &len);
	if (!f)
		return -ENOMEM;
	yyjson_arr_foreach (yyjson_obj_get(proxy, "except"), i, max, v)
		if (yyjson_is_str(v))
			fprintf(f, "%s%s", i ? "," : "", yyjson_get_str(v));
	return fclose(f) ? -ENOMEM : 0;
}

int registry_proxy_init(struct web_proxy *p, const char *config, size_t len)
{
	struct image_reason why;
	yyjson_doc *doc = config ? image_json(config, len, &why) : NULL;
	int r = proxy_of(p, yyjson_doc_get_root(doc));

	yyjson_doc_free(doc);
	return r;
}

static int add(struct registry_endpoints *e, yyjson_val *registries, const char *url, bool own)
{
	struct registry_endpoint *p = &e->list[e->n];
	const char *host = url, *scheme = "https";
	char name[IMAGE_DOMAIN_MAX + 1];
	yyjson_val *v;
	size_t n;

	if (e->n == REGISTRY_ENDPOINTS_MAX)
		return -E2BIG;
	if (!strncmp(url, "https://", 8)) {
		host = url + 8;
	} else if (!strncmp(url, "http://", 7)) {
		host = url + 7;
		scheme = "http";
	}
	n = strlen(host);
	if (n && host[n - 1] == '/')
		n--;
	if (n >= sizeof(name))
		return -EINVAL;
	memcpy(name, host, n);
	name[n] = '\0';
	if (!image_domain_valid(name))
		return -EINVAL;

	v = find(registries, name);
	memset(p, 0, sizeof(*p));
	p->ca_fd = -1;
	p->proxy = &e->proxy;
	p->own = own;
	p->insecure = yyjson_get_bool(yyjson_obj_get(v, "insecure"));
	if (!strcmp(scheme, "http") && !p->insecure)
		return -EPERM;
	host = !strcmp(name, HUB) ? HUB_HOST : name;
	strcpy(p->host, host);
	snprintf(p->base, sizeof(p->base), "%s://%s", scheme, host);
	v = yyjson_obj_get(v, "ca");
	if (yyjson_get_len(v) > 0) {
		p->ca_fd = ca_file(yyjson_get_str(v), yyjson_get_len(v));
		if (p->ca_fd < 0)
			return p->ca_fd;
	}
	e->n++;
	return 0;
}

int registry_endpoints_init(
	struct registry_endpoints *out, const char *config, size_t len, const char *domain)
{
	struct image_reason why;
	yyjson_doc *doc = config ? image_json(config, len, &why) : NULL;
	yyjson_val *registries, *mirrors, *v;
	size_t i, max;
	int r;

	memset(out, 0, sizeof(*out));
	if (config && !doc)
		log_error("op=read-registries error=\"%s\"", why.text);
	r = proxy_of(&out->proxy, yyjson_doc_get_root(doc));
	if (r < 0) {
		yyjson_doc_free(doc);
		return r;
	}
	registries = yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(doc), "engine"), "registries");
	mirrors = yyjson_obj_get(find(registries, domain), "mirrors");
	yyjson_arr_foreach (mirrors, i, max, v) {
		const char *url = yyjson_get_str(v);

		if (!url || out->n == REGISTRY_ENDPOINTS_MAX - 1)
			continue;
		r = add(out, registries, url, false);
		if (r < 0)
			log_errno(-r, "registry=%s mirror=%s msg=\"not usable, left out\"", domain, url);
	}
	r = add(out, registries, domain, true);
	yyjson_doc_free(doc);
	if (r < 0)
		registry_endpoints_fini(out);
	return r;
}

void registry_endpoints_fini(struct registry_endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		closep(&e->list[i].ca_fd);
	e->n = 0;
	web_proxy_fini(&e->proxy);
}
