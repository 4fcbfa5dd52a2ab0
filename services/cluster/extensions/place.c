/* SPDX-License-Identifier: Apache-2.0 */

/* The way to an extension: an endpoint of its service, and TLS by its name. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cluster/extensions/extensions_int.h"
#include "cluster/registry/endpoint.h"
#include "cluster/schema/schema.h"
#include "lib/json.h"
#include "lib/tls.h"

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

static const char *wrong(char **why, const char *reason, const char *format, ...) printf_like(3, 4);
static const char *wrong(char **why, const char *reason, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (vasprintf(why, format, ap) < 0)
		*why = NULL;
	va_end(ap);
	return reason;
}

static bool listens(const struct object *service, int port)
{
	cleanup(json_docp) yyjson_doc *doc = object_doc(service);
	yyjson_val *p;
	size_t i, n;

	yyjson_arr_foreach (json_arr(json_obj(yyjson_doc_get_root(doc), "spec"), "ports"), i, n, p)
		if (json_int(p, "port", 0) == port)
			return true;
	return false;
}

static bool has_label(const struct object *o, void *arg)
{
	const char *service = object_label(o, "kubernetes.io/service-name");
	const char **looked_for = arg;

	if (!service || strcmp(service, *looked_for) != 0)
		return true;
	*looked_for = NULL;
	return false;
}

static bool has_slices(const struct registry *r, const struct extension *e)
{
	const char *looked_for = e->service;

	registry_each(
		r, schema_find("discovery.k8s.io", "v1", "endpointslices"), e->ns, has_label, &looked_for);
	return !looked_for;
}

const char *extension_place(const struct registry *r, const struct extension *e, char *address, size_t size,
	int *port, char **why)
{
	const struct object *service = registry_get(r, schema_find("", "v1", "services"), e->ns, e->service);
	char text[16];

	*why = NULL;
	if (!service)
		return wrong(
			why, "ServiceNotFound", "service/%s in \"%s\" is not present", e->service, e->ns);
	if (!listens(service, e->port))
		return wrong(why, "ServicePortError", "service/%s in \"%s\" is not listening on port %d",
			e->service, e->ns, e->port);
	snprintf(text, sizeof(text), "%d", e->port);
	if (service_endpoint(r, e->ns, e->service, text, address, size, port) == ENDPOINT_FOUND)
		return NULL;
	if (has_slices(r, e))
		return wrong(why, "MissingEndpoints",
			"endpoints for service/%s in \"%s\" have no addresses with port %d", e->service,
			e->ns, e->port);
	return wrong(why, "EndpointsNotFound", "cannot find endpointslices for service/%s in \"%s\"",
		e->service, e->ns);
}

static int make_tls(const struct extensions *x, const struct extension *e, struct tls_config **out)
{
	struct tls_files files = {.ca = e->bundle ? NULL : SYSTEM_AUTHORITIES,
		.ca_pem = e->bundle,
		.cert = x->cert,
		.key = x->key};
	cleanup(freep) char *name = NULL;

	if (e->insecure) {
		files.ca = files.ca_pem = NULL;
		return tls_client_unverified(out, &files);
	}
	if (asprintf(&name, "%s.%s.svc", e->service, e->ns) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	return tls_client_new(out, &files, name);
}

int extension_tls(struct extensions *x, struct extension *e, struct tls_config **out)
{
	int err = e->tls ? 0 : make_tls(x, e, &e->tls);

	if (!err)
		*out = tls_config_ref(e->tls);
	return err;
}
