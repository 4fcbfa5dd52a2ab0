/* SPDX-License-Identifier: Apache-2.0 */

/* ping, version, info, events, system df. */

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "engine/api.h"
#include "engine/archive/sizes.h"
#include "engine/build_cache.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/files.h"
#include "engine/image.h"
#include "engine/inspect.h"
#include "lib/json.h"
#include "engine/login_api.h"
#include "engine/system.h"
#include "engine/userns.h"
#include "engine/volumes_int.h"

const char *go_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#else
#error "name this architecture as Go does"
#endif
}

static void ping(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const headers[][2] = {
		{"Builder-Version", "1"},
		{"Swarm", "inactive"},
		{"Cache-Control", "no-cache, no-store, must-revalidate"},
		{"Pragma", "no-cache"},
	};

	for (size_t i = 0; i < array_len(headers); i++)
		(void)!http_set_header(r, headers[i][0], headers[i][1]);
	http_reply(r, 200, "text/plain; charset=utf-8", "OK", 2);
}

static void version(struct engine *e, struct http_req *r, const char *arg)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *platform = yyjson_mut_obj(doc),
		       *parts = yyjson_mut_arr(doc), *part, *d;
	struct utsname u;

	uname(&u);
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, platform, "Name", "Wherry");
	yyjson_mut_obj_add_val(doc, o, "Platform", platform);
	yyjson_mut_obj_add_val(doc, o, "Components", parts);
	part = yyjson_mut_arr_add_obj(doc, parts);
	d = yyjson_mut_obj(doc);
	yyjson_mut_obj_add_str(doc, part, "Name", "Engine");
	yyjson_mut_obj_add_str(doc, part, "Version", ENGINE_VERSION);
	yyjson_mut_obj_add_str(doc, d, "ApiVersion", ENGINE_API_VERSION);
	yyjson_mut_obj_add_str(doc, d, "MinAPIVersion", ENGINE_API_MIN_VERSION);
	yyjson_mut_obj_add_str(doc, d, "Arch", go_arch());
	yyjson_mut_obj_add_str(doc, d, "Os", "linux");
	yyjson_mut_obj_add_strcpy(doc, d, "KernelVersion", u.release);
	yyjson_mut_obj_add_str(doc, d, "Experimental", "false");
	yyjson_mut_obj_add_str(doc, d, "GitCommit", "");
	yyjson_mut_obj_add_str(doc, d, "GoVersion", "");
	yyjson_mut_obj_add_str(doc, d, "BuildTime", "");
	yyjson_mut_obj_add_val(doc, part, "Details", d);
	yyjson_mut_obj_add_str(doc, o, "Version", ENGINE_VERSION);
	yyjson_mut_obj_add_str(doc, o, "ApiVersion", ENGINE_API_VERSION);
	yyjson_mut_obj_add_str(doc, o, "MinAPIVersion", ENGINE_API_MIN_VERSION);
	yyjson_mut_obj_add_str(doc, o, "GitCommit", "");
	yyjson_mut_obj_add_str(doc, o, "GoVersion", "");
	yyjson_mut_obj_add_str(doc, o, "Os", "linux");
	yyjson_mut_obj_add_str(doc, o, "Arch", go_arch());
	yyjson_mut_obj_add_strcpy(doc, o, "KernelVersion", u.release);
	yyjson_mut_obj_add_bool(doc, o, "Experimental", false);
	yyjson_mut_obj_add_str(doc, o, "BuildTime", "");
	api_json(r, 200, doc);
}

static yyjson_mut_val *texts(yyjson_mut_doc *doc, const char *const *list, size_t n)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < n; i++)
		yyjson_mut_arr_add_str(doc, arr, list[i]);
	return arr;
}

#define HUB "docker.io"

static yyjson_mut_val *list_of(yyjson_mut_doc *doc, yyjson_val *list)
{
	return yyjson_is_arr(list) ? yyjson_val_mut_copy(doc, list) : yyjson_mut_arr(doc);
}

static void add_registry(yyjson_mut_doc *doc, yyjson_mut_val *index, const char *host, yyjson_val *conf)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_obj_add_strcpy(doc, o, "Name", host);
	yyjson_mut_obj_add_val(doc, o, "Mirrors", list_of(doc, json_arr(conf, "mirrors")));
	yyjson_mut_obj_add_bool(doc, o, "Secure", !json_bool(conf, "insecure"));
	yyjson_mut_obj_add_bool(doc, o, "Official", !strcmp(host, HUB));
	yyjson_mut_obj_put(index, yyjson_mut_strcpy(doc, host), o);
}

/* engine.registries and engine.proxy of the machine configuration. */
static void add_registries(struct engine *e, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	yyjson_val *engine = json_obj(yyjson_doc_get_root(e->config), "engine"), *v,
		   *proxy = json_obj(engine, "proxy"), *hub_mirrors = NULL;
	yyjson_mut_val *conf = yyjson_mut_obj(doc), *index = yyjson_mut_obj(doc);
	cleanup(freep) char *except = strdup("");
	size_t i, n;

	add_registry(doc, index, HUB, NULL);
	yyjson_arr_foreach (json_arr(engine, "registries"), i, n, v) {
		const char *host = json_text(v, "host");

		if (host)
			add_registry(doc, index, host, v);
		if (host && !strcmp(host, HUB))
			hub_mirrors = json_arr(v, "mirrors");
	}
	yyjson_mut_obj_add_val(doc, conf, "InsecureRegistryCIDRs", yyjson_mut_arr(doc));
	yyjson_mut_obj_add_val(doc, conf, "IndexConfigs", index);
	yyjson_mut_obj_add_val(doc, conf, "Mirrors", list_of(doc, hub_mirrors));
	yyjson_mut_obj_add_val(doc, o, "RegistryConfig", conf);
	yyjson_mut_obj_add_str(doc, o, "IndexServerAddress", "https://index.docker.io/v1/");

	yyjson_arr_foreach (json_arr(proxy, "except"), i, n, v) {
		char *more = except && yyjson_is_str(v)
				     ? text_make("%s%s%s", except, *except ? "," : "", yyjson_get_str(v))
				     : NULL;

		free(except);
		except = more;
	}
	yyjson_mut_obj_add_strcpy(
		doc, o, "HttpProxy", json_text(proxy, "http") ? json_text(proxy, "http") : "");
	yyjson_mut_obj_add_strcpy(
		doc, o, "HttpsProxy", json_text(proxy, "https") ? json_text(proxy, "https") : "");
	yyjson_mut_obj_add_strcpy(doc, o, "NoProxy", except ? except : "");
}

static void info(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const volume_drivers[] = {"local"};
	static const char *const network_drivers[] = {"bridge", "host", "ipvlan", "macvlan", "null"};
	static const char *const log_drivers[] = {"json-file", "local", "none"};
	/* Before 1.25 they were names alone. */
	static const char *const security[] = {"name=seccomp,profile=builtin", "name=cgroupns",
		"name=userns"},
				 *const security_names[] = {"seccomp", "cgroupns", "userns"};
	bool old = api_minor(r) < 25;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc), *v, *rt;
	const struct image **images = NULL;
	ssize_t n_images = image_store_list(e->images, &images);
	size_t running = 0, paused = 0;
	struct utsname u;
	struct sysinfo si;
	char now[36], id[37];

	if (n_images >= 0)
		image_list_free(images, (size_t)n_images);
	for (size_t i = 0; i < e->n_containers; i++) {
		running += e->containers[i]->state == CONTAINER_RUNNING;
		paused += e->containers[i]->state == CONTAINER_PAUSED;
	}
	uname(&u);
	sysinfo(&si);
	yyjson_mut_doc_set_root(doc, o);
	uuid_text(e->id, id);
	yyjson_mut_obj_add_strcpy(doc, o, "ID", id);
	yyjson_mut_obj_add_uint(doc, o, "Containers", e->n_containers);
	yyjson_mut_obj_add_uint(doc, o, "ContainersRunning", running);
	yyjson_mut_obj_add_uint(doc, o, "ContainersPaused", paused);
	yyjson_mut_obj_add_uint(doc, o, "ContainersStopped", e->n_containers - running - paused);
	yyjson_mut_obj_add_int(doc, o, "Images", n_images > 0 ? n_images : 0);
	yyjson_mut_obj_add_str(doc, o, "Driver", "overlay2");
	yyjson_mut_obj_add_val(doc, o, "DriverStatus", yyjson_mut_arr(doc));
	yyjson_mut_obj_add_str(doc, o, "DockerRootDir", e->data_dir);
	v = yyjson_mut_obj(doc);
	yyjson_mut_obj_add_val(doc, v, "Volume", texts(doc, volume_drivers, 1));
	yyjson_mut_obj_add_val(doc, v, "Network", texts(doc, network_drivers, array_len(network_drivers)));
	yyjson_mut_obj_add_null(doc, v, "Authorization");
	yyjson_mut_obj_add_val(doc, v, "Log", texts(doc, log_drivers, 3));
	yyjson_mut_obj_add_val(doc, o, "Plugins", v);
	static const char *const yes[] = {"MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota",
		"CPUShares", "CPUSet", "PidsLimit", "IPv4Forwarding"};
	static const char *const no[] = {"OomKillDisable", "BridgeNfIptables", "BridgeNfIp6tables", "Debug",
		"ExperimentalBuild", "LiveRestoreEnabled"};

	for (size_t i = 0; i < array_len(yes); i++)
		yyjson_mut_obj_add(o, yyjson_mut_str(doc, yes[i]), yyjson_mut_true(doc));
	for (size_t i = 0; i < array_len(no); i++)
		/* Containers always outlive the engine here; Docker's name for that is live restore. */
		yyjson_mut_obj_add(o, yyjson_mut_str(doc, no[i]),
			yyjson_mut_bool(doc, !strcmp(no[i], "LiveRestoreEnabled")));
	yyjson_mut_obj_add_uint(doc, o, "NEventsListener", 0);
	yyjson_mut_obj_add_uint(doc, o, "NFd", 0);
	yyjson_mut_obj_add_uint(doc, o, "NGoroutines", 0);
	yyjson_mut_obj_add_strcpy(doc, o, "SystemTime", time_text(now, wall_ns()));
	yyjson_mut_obj_add_str(doc, o, "LoggingDriver", "json-file");
	yyjson_mut_obj_add_str(doc, o, "CgroupDriver", "cgroupfs");
	yyjson_mut_obj_add_str(doc, o, "CgroupVersion", "2");
	yyjson_mut_obj_add_strcpy(doc, o, "KernelVersion", u.release);
	yyjson_mut_obj_add_str(doc, o, "OperatingSystem", "Wherry");
	yyjson_mut_obj_add_str(doc, o, "OSVersion", "");
	yyjson_mut_obj_add_str(doc, o, "OSType", "linux");
	yyjson_mut_obj_add_strcpy(doc, o, "Architecture", u.machine);
	yyjson_mut_obj_add_int(doc, o, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	yyjson_mut_obj_add_uint(doc, o, "MemTotal", (uint64_t)si.totalram * si.mem_unit);
	add_registries(e, doc, o);
	yyjson_mut_obj_add_strcpy(doc, o, "Name", u.nodename);
	yyjson_mut_obj_add_val(doc, o, "Labels", yyjson_mut_arr(doc));
	yyjson_mut_obj_add_str(doc, o, "ServerVersion", ENGINE_VERSION);
	rt = yyjson_mut_obj(doc);
	v = yyjson_mut_obj(doc);
	yyjson_mut_obj_add_str(doc, v, "path", e->runtime);
	yyjson_mut_obj_add_val(doc, rt, "wherry", v);
	yyjson_mut_obj_add_val(doc, o, "Runtimes", rt);
	yyjson_mut_obj_add_str(doc, o, "DefaultRuntime", "wherry");
	/* An empty state would read as "swarm is on". */
	v = yyjson_mut_obj(doc);
	yyjson_mut_obj_add_str(doc, v, "NodeID", "");
	yyjson_mut_obj_add_str(doc, v, "NodeAddr", "");
	yyjson_mut_obj_add_str(doc, v, "LocalNodeState", "inactive");
	yyjson_mut_obj_add_bool(doc, v, "ControlAvailable", false);
	yyjson_mut_obj_add_str(doc, v, "Error", "");
	yyjson_mut_obj_add_null(doc, v, "RemoteManagers");
	yyjson_mut_obj_add_val(doc, o, "Swarm", v);
	yyjson_mut_obj_add_str(doc, o, "Isolation", "");
	yyjson_mut_obj_add_str(doc, o, "InitBinary", "docker-init");
	static const char *const commits[] = {"ContainerdCommit", "RuncCommit", "InitCommit"};

	for (size_t i = 0; i < array_len(commits); i++) {
		v = yyjson_mut_obj(doc);
		yyjson_mut_obj_add_str(doc, v, "ID", "");
		yyjson_mut_obj_add(o, yyjson_mut_str(doc, commits[i]), v);
	}
	yyjson_mut_obj_add_val(doc, o, "SecurityOptions",
		texts(doc, old ? security_names : security, userns_is_default(e) ? 3 : 2));
	if (old)
		yyjson_mut_obj_add_str(doc, o, "ExecutionDriver", "<not supported>");
	yyjson_mut_obj_add_null(doc, o, "CDISpecDirs");
	yyjson_mut_obj_add_val(doc, o, "Warnings", yyjson_mut_arr(doc));
	api_json(r, 200, doc);
}

/* type=container&type=image&...: all when none is named. */
static bool asked(const struct http_req *r, const char *type)
{
	const char *types[8];
	size_t n = http_query_all(r, "type", types, array_len(types));

	for (size_t i = 0; i < n && i < array_len(types); i++)
		if (!strcmp(types[i], type))
			return true;
	return !n;
}

/* The images that are somebody's; what only the build cache has is counted there. */
static yyjson_mut_val *df_images(
	struct engine *e, yyjson_mut_doc *doc, const struct image *const *images, size_t n, uint64_t *layers)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *im = image_summary(e, images[i], images, n, doc);
		int64_t users = 0;

		for (size_t k = 0; k < e->n_containers; k++)
			users += !strcmp(e->containers[k]->image_id, images[i]->id);
		yyjson_mut_obj_put(im, yyjson_mut_str(doc, "Containers"), yyjson_mut_int(doc, users));
		yyjson_mut_arr_append(arr, im);
		/* a layer is counted with the first of its images */
		*layers += images[i]->size_bytes - image_shared_bytes(images[i], images, i);
	}
	return arr;
}

/* What images there are, and what of them is for the next build alone. */
static void df_images_and_cache(struct engine *e, struct http_req *r, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
	const struct image **all = NULL;
	ssize_t n = image_store_list(e->images, &all);
	size_t count = n > 0 ? (size_t)n : 0, n_own = 0;
	bool *only = build_cache_only(e, all, count);
	const struct image **own = malloc((count + 1) * sizeof(*own));
	yyjson_mut_val *images = yyjson_mut_null(doc), *cache = yyjson_mut_null(doc);
	uint64_t layers = 0;

	for (size_t i = 0; own && only && i < count; i++)
		if (!only[i])
			own[n_own++] = all[i];
	if (own && only && asked(r, "image"))
		images = df_images(e, doc, own, n_own, &layers);
	if (own && only && asked(r, "build-cache"))
		cache = build_cache_json(all, count, only, doc);
	yyjson_mut_obj_add_uint(doc, o, "LayersSize", layers);
	yyjson_mut_obj_add_val(doc, o, "Images", images);
	yyjson_mut_obj_add_val(doc, o, "BuildCache", cache);
	free(own);
	free(only);
	if (n >= 0)
		image_list_free(all, count);
}

static yyjson_mut_val *df_containers(struct engine *e, yyjson_mut_doc *doc, const struct sizes *s)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < e->n_containers; i++) {
		yyjson_mut_val *c = container_summary(e->containers[i], doc);

		container_add_sizes(e->containers[i], doc, c, s);
		yyjson_mut_arr_append(arr, c);
	}
	return arr;
}

static yyjson_mut_val *df_volumes(struct engine *e, yyjson_mut_doc *doc, const struct sizes *s)
{
	yyjson_mut_val *arr = yyjson_mut_arr(doc);

	for (size_t i = 0; i < e->volumes->n; i++) {
		struct volume *vol = e->volumes->list[i];
		yyjson_mut_val *v = volume_json(e, vol, doc), *use = yyjson_mut_obj(doc);

		yyjson_mut_obj_add_int(doc, use, "Size", sizes_volume(s, vol->name));
		yyjson_mut_obj_add_int(doc, use, "RefCount", volume_in_use(e, vol->name));
		yyjson_mut_obj_add_val(doc, v, "UsageData", use);
		yyjson_mut_arr_append(arr, v);
	}
	return arr;
}

static void df_counted(struct engine *e, struct http_req *r, const struct sizes *s)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	df_images_and_cache(e, r, doc, o);
	yyjson_mut_obj_add_val(doc, o, "Containers",
		asked(r, "container") ? df_containers(e, doc, s) : yyjson_mut_null(doc));
	yyjson_mut_obj_add_val(
		doc, o, "Volumes", asked(r, "volume") ? df_volumes(e, doc, s) : yyjson_mut_null(doc));
	api_json(r, 200, doc);
}

static void df(struct engine *e, struct http_req *r, const char *arg)
{
	static const char *const known[] = {"container", "image", "volume", "build-cache"};
	const char *types[8];
	size_t n;

	if (!api_query_all(r, "type", types, array_len(types), &n))
		return;
	for (size_t i = 0; i < n; i++) {
		bool good = false;

		for (size_t k = 0; k < array_len(known); k++)
			good = good || !strcmp(types[i], known[k]);
		if (!good) {
			api_error(r, 400, "unknown object type: %.64s", types[i]);
			return;
		}
	}

	struct sizes_wanted wanted = {.container = asked(r, "container") ? sizes_every_container : NULL,
		.volume = asked(r, "volume") ? sizes_every_volume : NULL};

	if (wanted.container || wanted.volume)
		sizes_count(e, r, &wanted, df_counted);
	else
		df_counted(e, r, NULL);
}

static void no_plugins(struct engine *e, struct http_req *r, const char *arg)
{
	http_reply(r, 200, "application/json", "[]", 2);
}

const struct api_route system_routes[] = {
	{HTTP_GET_, "_ping", ping},
	{HTTP_HEAD_, "_ping", ping},
	{HTTP_GET_, "version", version},
	{HTTP_GET_, "info", info},
	{HTTP_GET_, "events", events_handle},
	{HTTP_POST_, "auth", login_api},
	{HTTP_GET_, "system/df", df},
	{HTTP_GET_, "plugins", no_plugins},
	{0},
};
