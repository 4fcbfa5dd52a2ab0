/* SPDX-License-Identifier: Apache-2.0 */

/* A pod as the engine wants to hear of it (services/engine/PODS.md). */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/allocation.h"
#include "agent/pod.h"
#include "agent/resources.h"
#include "lib/file.h"
#include "lib/json.h"

enum { RESOLV_MAX = 4096, HOSTS_MAX = 32 << 10 };

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *value)
{
	return yyjson_mut_obj_add_strcpy(doc, o, key, value);
}

/* Lines of resolv.conf that repeat a list of the specification. */
static void add_lines(FILE *f, yyjson_val *config, const char *key, const char *word)
{
	yyjson_val *list = json_arr(config, key), *each;
	size_t i, n;

	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_is_str(each))
			fprintf(f, "%s %s\n", word, yyjson_get_str(each));
}

/* One line, as of several the last one counts. @first: domains, each after a blank, @len bytes. */
static void add_search(FILE *f, const char *first, size_t len, yyjson_val *config)
{
	yyjson_val *list = json_arr(config, "searches"), *each;
	size_t i, n;

	if (!len && !yyjson_arr_size(list))
		return;
	fprintf(f, "search%.*s", (int)len, first);
	yyjson_arr_foreach (list, i, n, each)
		if (yyjson_is_str(each))
			fprintf(f, " %s", yyjson_get_str(each));
	fputc('\n', f);
}

static void add_options(FILE *f, yyjson_val *config, const char *before)
{
	yyjson_val *list = json_arr(config, "options"), *each;
	size_t i, n;

	if (!*before && !yyjson_arr_size(list))
		return;
	fprintf(f, "options%s", before);
	yyjson_arr_foreach (list, i, n, each) {
		const char *value = json_text(each, "value");

		fprintf(f, value ? " %s:%s" : " %s", json_str(each, "name") ?: "", value);
	}
	fputc('\n', f);
}

static void add_cluster(FILE *f, const struct pod *p, yyjson_val *config)
{
	const char *domain = p->agent->cluster_domain;
	char search[1024];
	int len = snprintf(search, sizeof(search), " %s.svc.%s svc.%s %s", p->ns, domain, domain, domain);

	fprintf(f, "nameserver %s\n", p->agent->cluster_dns);
	add_lines(f, config, "nameservers", "nameserver");
	add_search(f, search, (size_t)len < sizeof(search) ? (size_t)len : sizeof(search) - 1, config);
	add_options(f, config, " ndots:5");
}

static bool is_search(const char *line)
{
	return !strncmp(line, "search", 6) && (line[6] == ' ' || line[6] == '\t');
}

/* @node: the node's own file, whose last line of domains to search is what the pod's come after */
static void add_nodes(FILE *f, const char *node, yyjson_val *config)
{
	const char *search = "";
	size_t len = 0;

	while (*node) {
		size_t n = strcspn(node, "\n");

		if (is_search(node)) {
			search = node + 6;
			len = n - 6;
		} else {
			fprintf(f, "%.*s\n", (int)n, node);
		}
		node += n + (node[n] == '\n');
	}
	add_lines(f, config, "nameservers", "nameserver");
	add_search(f, search, len, config);
	add_options(f, config, "");
}

/* The text of resolv.conf, malloc'ed; NULL: the node's, or no memory (then the node's will do). */
static char *resolv_conf(const struct pod *p)
{
	const char *policy = json_text(p->spec, "dnsPolicy") ?: "ClusterFirst";
	yyjson_val *config = json_obj(p->spec, "dnsConfig");
	bool host = json_bool(p->spec, "hostNetwork"), cluster;
	cleanup(freep) char *node = NULL;
	char *text = NULL;
	size_t len, node_len;
	FILE *f;

	cluster = *p->agent->cluster_dns &&
		  (!strcmp(policy, "ClusterFirstWithHostNet") || (!strcmp(policy, "ClusterFirst") && !host));
	if (!cluster && strcmp(policy, "None") != 0 && !config)
		return NULL;
	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	if (cluster) {
		add_cluster(f, p, config);
	} else {
		if (strcmp(policy, "None") != 0 &&
			file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &node, &node_len))
			node = NULL;
		add_nodes(f, node ?: "", config);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static const char *own_name(const struct pod *p)
{
	return json_text(p->spec, "hostnameOverride") ?: json_text(p->spec, "hostname") ?: p->name;
}

/* An override is the whole name: nothing comes behind it. */
static const char *own_subdomain(const struct pod *p)
{
	return json_text(p->spec, "hostnameOverride") ? NULL : json_text(p->spec, "subdomain");
}

char *pod_hosts(const struct pod *p)
{
	yyjson_val *aliases = json_arr(p->spec, "hostAliases"), *each, *name;
	const char *hostname = own_name(p), *subdomain = own_subdomain(p);
	cleanup(freep) char *node = NULL;
	char *text = NULL;
	size_t i, n, k, m, len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (json_bool(p->spec, "hostNetwork") && !file_read(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &node, &len))
		fputs(node, f);
	else
		/* programs that look for this line know that it is not theirs to change */
		fputs("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
			f);
	if (*p->ip && subdomain)
		fprintf(f, "%s\t%s.%s.%s.svc.%s\t%s\n", p->ip, hostname, subdomain, p->ns,
			p->agent->cluster_domain, hostname);
	else if (*p->ip)
		fprintf(f, "%s\t%s\n", p->ip, hostname);
	yyjson_arr_foreach (aliases, i, n, each) {
		yyjson_val *names = json_arr(each, "hostnames");

		fprintf(f, "%s", json_str(each, "ip") ?: "");
		yyjson_arr_foreach (names, k, m, name)
			fprintf(f, "\t%s", yyjson_get_str(name) ?: "");
		fputc('\n', f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool add_resources(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct pod *p)
{
	yyjson_val *whole = json_obj(json_obj(p->spec, "resources"), "limits");
	yyjson_mut_val *pages = yyjson_mut_arr(doc);
	struct resources r = resources_of_group(p->spec);
	struct limits l = limits_of(&r);
	const char *wrong = NULL; /* which its containers are refused for */

	if (!pages || !limits_add(doc, root, "Resources", &l) ||
		(!hugepages_add(doc, pages, whole, NULL, &wrong) && !wrong))
		return false;
	return !yyjson_mut_arr_size(pages) ||
	       yyjson_mut_obj_add_val(doc, yyjson_mut_obj_get(root, "Resources"), "HugepageLimits", pages);
}

static bool add_annotations(
	yyjson_mut_doc *doc, yyjson_mut_val *root, const struct pod *p, yyjson_doc *allocated)
{
	cleanup(freep) char *text = allocated ? allocation_text(allocated) : NULL;
	yyjson_mut_val *o = yyjson_mut_obj_add_obj(doc, root, "Annotations");

	return o && add_text(doc, o, ANNOTATION_AGENT, p->agent->node_name) &&
	       (!allocated || (text && add_text(doc, o, ANNOTATION_ALLOCATED, text)));
}

yyjson_mut_doc *sandbox_annotations(const struct pod *p, yyjson_doc *allocated)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (root && add_annotations(doc, root, p, allocated)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}

static bool add_sysctls(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *spec)
{
	yyjson_val *list = json_arr(json_obj(spec, "securityContext"), "sysctls"), *each;
	yyjson_mut_val *o;
	size_t i, n;

	if (!yyjson_arr_size(list))
		return true;
	o = yyjson_mut_obj_add_obj(doc, root, "Sysctls");
	yyjson_arr_foreach (list, i, n, each)
		if (!o || !yyjson_mut_obj_add(o, yyjson_mut_strcpy(doc, json_str(each, "name") ?: ""),
				  yyjson_mut_strcpy(doc, json_str(each, "value") ?: "")))
			return false;
	return true;
}

/* The kernel has room for 64 bytes: a longer name of a pod is cut, as everywhere. */
static void host_name(const struct pod *p, char *out, size_t size)
{
	const char *name = own_name(p), *subdomain = own_subdomain(p);
	size_t n;

	if (json_bool(p->spec, "setHostnameAsFQDN") && subdomain) {
		snprintf(out, size, "%s.%s.%s.svc.%s", name, subdomain, p->ns, p->agent->cluster_domain);
		return; /* one that is too long is refused by the engine, as it must not be cut */
	}
	n = (size_t)snprintf(out, size, "%.63s", name);
	while (n && (out[n - 1] == '-' || out[n - 1] == '.'))
		out[--n] = 0;
}

static bool fill(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct pod *p)
{
	yyjson_val *meta = json_obj(p->root, "metadata"), *labels = json_obj(meta, "labels");
	cleanup(freep) char *resolv = resolv_conf(p), *hosts = pod_hosts(p);
	bool host = json_bool(p->spec, "hostNetwork");
	char hostname[300];

	host_name(p, hostname, sizeof(hostname));
	return hosts && add_annotations(doc, root, p, p->allocated) && add_text(doc, root, "UID", p->uid) &&
	       add_text(doc, root, "Name", p->name) && add_text(doc, root, "Namespace", p->ns) &&
	       add_text(doc, root, "QOS", resources_qos(p->spec)) &&
	       (!labels || yyjson_mut_obj_add_val(doc, root, "Labels", yyjson_val_mut_copy(doc, labels))) &&
	       (host || add_text(doc, root, "Hostname", hostname)) &&
	       (!resolv || add_text(doc, root, "ResolvConf", resolv)) &&
	       add_text(doc, root, "Hosts", hosts) &&
	       yyjson_mut_obj_add_bool(doc, root, "HostNetwork", host) &&
	       yyjson_mut_obj_add_bool(doc, root, "HostIPC", json_bool(p->spec, "hostIPC")) &&
	       yyjson_mut_obj_add_bool(doc, root, "HostPID", json_bool(p->spec, "hostPID")) &&
	       (!json_bool(p->spec, "shareProcessNamespace") ||
		       yyjson_mut_obj_add_bool(doc, root, "SharePID", true)) &&
	       (!yyjson_is_false(yyjson_obj_get(p->spec, "hostUsers")) ||
		       yyjson_mut_obj_add_bool(doc, root, "HostUsers", false)) &&
	       add_sysctls(doc, root, p->spec) && add_resources(doc, root, p);
}

yyjson_mut_doc *sandbox_spec(const struct pod *p)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

	if (root && fill(doc, root, p)) {
		yyjson_mut_doc_set_root(doc, root);
		return doc;
	}
	yyjson_mut_doc_free(doc);
	return NULL;
}
