/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What clients and images send as text. The first byte chooses: options of create, filters, detach keys,
 * routes, accounts, volumes, times and sizes.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "engine/api.h"
#include "lib/base64.h"
#include "engine/create.h"
#include "engine/files.h"
#include "engine/filters.h"
#include "engine/mounts.h"
#include "engine/options.h"
#include "engine/paths.h"
#include "engine/ports.h"
#include "engine/spec.h"
#include "engine/stdcopy.h"
#include "engine/volume_options.h"
#include "lib/json.h"
#include "lib/size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void create_options(const char *text, size_t len)
{
	const char *why;
	yyjson_doc *doc = api_parse_json(text, len, &why);
	yyjson_val *root = yyjson_doc_get_root(doc), *host;
	cleanup(freep) char *msg = NULL, *ports_msg = NULL;
	cleanup(freep) struct network_port *ports = NULL;

	shape_fold(root, options_config);
	host = json_obj(root, "HostConfig");
	if (root && !options_check(root, &msg)) {
		yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *o = yyjson_mut_obj(out);

		create_merge(out, o, root, root);
		spec_resources(host, out);
		if (ports_read(json_obj(host, "PortBindings"), json_obj(root, "ExposedPorts"), true, &ports,
			    &ports_msg) < 0)
			ports = NULL;
		yyjson_mut_doc_free(out);
	}
	yyjson_doc_free(doc);
}

static void filters(const char *text)
{
	static const char *const known[] = {"name", "label", NULL};
	cleanup(freep) char *msg = NULL;
	struct filters *f = NULL;

	if (filters_parse(&f, text, known, &msg))
		return;
	(void)filters_match_name(f, "name", "web");
	(void)filters_match_labels(f, "label", NULL);
	filters_free(f);
}

static void accounts(const char *text)
{
	cleanup(freep) char *msg = NULL;
	struct spec_user u;

	(void)!spec_user_parse(text, text, "web:web", NULL, &u, &msg);
	free(take(msg));
	(void)!spec_user_parse("a:x:1:1::/:/b\n", "a:x:1:a\n", text, NULL, &u, &msg);
}

static void detach(const char *text, size_t len)
{
	cleanup(freep) unsigned char *out = malloc(len + DETACH_KEYS_MAX);
	struct detach d;
	bool gone;

	(void)!detach_parse(&d, text);
	if (out && !detach_parse(&d, NULL) &&
		detach_feed(&d, (const unsigned char *)text, len, out, &gone) > len + d.n)
		abort();
}

static void volume(const char *text, size_t len)
{
	cleanup(freep) char *msg = NULL, *tmpfs_msg = NULL, *mount_msg = NULL;
	const char *why;
	yyjson_doc *doc = api_parse_json(text, len, &why);
	struct volume_source s = {0};

	if (doc && !volume_options_read(yyjson_doc_get_root(doc), "nodev\ttmpfs\nnodev\tnfs\n", &s, &msg) &&
		s.mounted && !*s.type != !!(s.flags & MS_BIND))
		abort();
	volume_source_fini(&s);
	yyjson_doc_free(doc);
	(void)!tmpfs_options_check(text, &tmpfs_msg);
	(void)!mount_propagation_check(text, "/data/x", "rslave", &mount_msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char arg[32];
	int64_t n;

	if (!size)
		return 0;

	char *text = malloc(size), *other;

	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	switch (data[0] % 7) {
	case 0:
		create_options(text, size - 1);
		break;
	case 1:
		filters(text);
		break;
	case 2:
		detach(text, size - 1);
		break;
	case 3:
		(void)api_match("images/**/json", text, arg, sizeof(arg));
		(void)api_match("containers/*/json", text, arg, sizeof(arg));
		(void)path_is_local(text);
		(void)path_clean(text);
		break;
	case 4:
		accounts(text);
		break;
	case 6:
		volume(text, size - 1);
		break;
	default:
		(void)!time_parse(text, &n);
		(void)!until_parse(text, &n);
		(void)!size_parse(text, &n);
		other = base64_text(text);
		free(other);
	}
	free(text);
	return 0;
}
