/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first objects. Each is a text; what is there already is left alone, except for the endpoint of the API itself, which
 * says where the server is now.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/bootstrap.h"
#include "cluster/flow/objects.h"
#include "cluster/registry/registry.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/schema.h"
#include "cluster/schema/status.h"
#include "lib/log.h"

struct boot {
	struct bootstrap_options o;
	bootstrapped *done;
	void *arg;
	size_t left, next;
	bool failed; /* something was not written */
};

static const char *const namespaces[] = {"default", "kube-system", "kube-public", "kube-node-lease"};

static const struct first {
	const char *group, *plural, *ns, *name;
	bool follow;	  /* written again at each start */
	const char *json; /* $SERVICE, $DNS, $ADDRESS, $PORT, $CLIENT_CA and $PROXY_CA are filled in */
} firsts[] = {
	{"scheduling.k8s.io", "priorityclasses", "", "system-node-critical", false,
		"{\"metadata\":{\"name\":\"system-node-critical\"},\"value\":2000001000,\"globalDefault\":false,"
		"\"description\":\"Used for system critical pods that must not be moved from their current node.\"}"},
	{"scheduling.k8s.io", "priorityclasses", "", "system-cluster-critical", false,
		"{\"metadata\":{\"name\":\"system-cluster-critical\"},\"value\":2000000000,\"globalDefault\":false,"
		"\"description\":\"Used for system critical pods that must run in the cluster, but can be moved to another "
		"node if necessary.\"}"},
	{"storage.k8s.io", "storageclasses", "", "local", false,
		"{\"metadata\":{\"name\":\"local\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}},"
		"\"provisioner\":\"wherry.io/local\",\"reclaimPolicy\":\"Delete\",\"allowVolumeExpansion\":true,"
		"\"volumeBindingMode\":\"WaitForFirstConsumer\"}"},
	/* what an extension API server reads at its start */
	{"", "configmaps", "kube-system", "extension-apiserver-authentication", true,
		"{\"metadata\":{\"name\":\"extension-apiserver-authentication\"},\"data\":{"
		"\"client-ca-file\":\"$CLIENT_CA\",\"requestheader-client-ca-file\":\"$PROXY_CA\","
		"\"requestheader-allowed-names\":\"[\\\"front-proxy-client\\\"]\","
		"\"requestheader-username-headers\":\"[\\\"X-Remote-User\\\"]\","
		"\"requestheader-uid-headers\":\"[\\\"X-Remote-Uid\\\"]\","
		"\"requestheader-group-headers\":\"[\\\"X-Remote-Group\\\"]\","
		"\"requestheader-extra-headers-prefix\":\"[\\\"X-Remote-Extra-\\\"]\"}}"},
	{"rbac.authorization.k8s.io", "roles", "kube-system", "extension-apiserver-authentication-reader",
		false,
		"{\"metadata\":{\"name\":\"extension-apiserver-authentication-reader\",\"labels\":{"
		"\"kubernetes.io/bootstrapping\":\"rbac-defaults\"}},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":["
		"\"configmaps\"],\"resourceNames\":[\"extension-apiserver-authentication\"],\"verbs\":[\"get\",\"list\","
		"\"watch\"]}]}"},
	{"", "services", "default", "kubernetes", false,
		"{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},"
		"\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"$SERVICE\",\"clusterIPs\":[\"$SERVICE\"],\"sessionAffinity\":\"None\","
		"\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"port\":443,\"targetPort\":$PORT}]}}"},
	{"", "services", "kube-system", "kube-dns", false,
		"{\"metadata\":{\"name\":\"kube-dns\",\"labels\":{\"k8s-app\":\"kube-dns\",\"kubernetes.io/cluster-service\":\"true\","
		"\"kubernetes.io/name\":\"KubeDNS\"}},"
		"\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"$DNS\",\"clusterIPs\":[\"$DNS\"],\"sessionAffinity\":\"None\","
		"\"ports\":[{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53,\"targetPort\":53},"
		"{\"name\":\"dns-tcp\",\"protocol\":\"TCP\",\"port\":53,\"targetPort\":53}]}}"},
	{"", "endpoints", "default", "kubernetes", true,
		"{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},"
		"\"subsets\":[{\"addresses\":[{\"ip\":\"$ADDRESS\"}],\"ports\":[{\"name\":\"https\",\"port\":$PORT,\"protocol\":"
		"\"TCP\"}]}]}"},
	{"discovery.k8s.io", "endpointslices", "default", "kubernetes", true,
		"{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},"
		"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"$ADDRESS\"],\"conditions\":{\"ready\":true}}],"
		"\"ports\":[{\"name\":\"https\",\"port\":$PORT,\"protocol\":\"TCP\"}]}"},
};

static void one_done(void *arg)
{
	struct boot *b = arg;

	if (--b->left)
		return;
	b->done(!b->failed, b->arg);
	free(b);
}

/* ---- objects */

/* Inside of a text of JSON: certificates, with whatever else their file says. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", *text);
		else
			fputc(*text, out);
}

static char *text_of(const struct boot *b, const struct first *f)
{
	const struct {
		const char *word, *value;
	} words[] = {{"$SERVICE", b->o.service_address}, {"$DNS", b->o.dns_address},
		{"$ADDRESS", b->o.address}, {"$CLIENT_CA", b->o.ca_pem}, {"$PROXY_CA", b->o.proxy_ca_pem},
		{"$PORT", NULL}};
	char port[12], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	snprintf(port, sizeof(port), "%d", b->o.port);
	for (const char *p = f->json; *p;) {
		size_t i = 0;

		while (i < array_len(words) && strncmp(p, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i == array_len(words)) {
			fputc(*p++, out);
			continue;
		}
		put_text(out, words[i].value ? words[i].value : port);
		p += strlen(words[i].word);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

struct putting {
	struct boot *b;
	const struct first *f;
};

static enum modify put(const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	struct putting *p = arg;
	char *text;
	yyjson_doc *read;
	yyjson_mut_val *root;
	const char *version = "v1";
	char api_version[128];

	if (old && !p->f->follow)
		return MODIFY_NOTHING;
	text = text_of(p->b, p->f);
	read = text ? yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG) : NULL;
	free(text);
	if (!read)
		return MODIFY_FAIL;
	yyjson_mut_doc_free(*doc);
	*doc = yyjson_doc_mut_copy(read, NULL);
	yyjson_doc_free(read);
	root = yyjson_mut_doc_get_root(*doc);
	if (!root)
		return MODIFY_FAIL;
	snprintf(api_version, sizeof(api_version), "%s%s%s", p->f->group, *p->f->group ? "/" : "", version);
	yyjson_mut_obj_add_strcpy(*doc, root, "apiVersion", api_version);
	yyjson_mut_obj_add_strcpy(*doc, root, "kind", schema_find(p->f->group, version, p->f->plural)->kind);
	return MODIFY_WRITE;
}

static void put_done(const struct status *error, const struct object *object, void *arg)
{
	struct putting *p = arg;

	p->b->failed |= error != NULL;
	if (error)
		log_error("cluster op=bootstrap object=%s/%s error=\"%s\"", p->f->plural, p->f->name,
			error->message);
	one_done(p->b);
	free(p);
}

static bool names_address(const struct first *f)
{
	return strstr(f->json, "$ADDRESS");
}

static void put_one(struct boot *b, const struct first *f)
{
	struct write_options w = {.field_manager = "kube-apiserver"};
	const struct schema_kind *k = schema_find(f->group, "v1", f->plural);
	struct putting *p = malloc(sizeof(*p));

	if (!p || !k) {
		log_errno(k ? ENOMEM : ENOENT, "cluster op=bootstrap object=%s/%s", f->plural, f->name);
		b->failed = true;
		free(p);
		return;
	}
	*p = (struct putting){b, f};
	b->left++;
	registry_modify(b->o.registry, &caller_self, k, f->ns, f->name, true, put, &w, put_done, p);
}

static void put_rest(void *arg)
{
	struct boot *b = arg;

	b->left++;
	flow_bootstrap(b->o.registry, one_done, b);
	for (size_t i = 0; i < array_len(firsts); i++)
		if (b->o.address || !names_address(&firsts[i]))
			put_one(b, &firsts[i]);
	one_done(b);
}

/* ---- namespaces, without which nothing else can be */

static void namespace_done(const struct status *error, const struct object *object, void *arg)
{
	struct boot *b = arg;

	if (error && error->code != 409) {
		log_error("cluster op=bootstrap object=namespaces error=\"%s\"", error->message);
		b->failed = true;
	}
	if (--b->next)
		return;
	b->left++;
	access_bootstrap(b->o.access, put_rest, b);
	one_done(b);
}

int cluster_bootstrap(const struct bootstrap_options *o, bootstrapped *done, void *arg)
{
	const struct schema_kind *k = schema_find("", "v1", "namespaces");
	struct write_options w = {.field_manager = "kube-apiserver"};
	struct boot *b = malloc(sizeof(*b));

	if (!b)
		return log_errno(ENOMEM, "cluster op=bootstrap");
	*b = (struct boot){.o = *o, .done = done, .arg = arg, .left = 1, .next = array_len(namespaces)};
	for (size_t i = 0; i < array_len(namespaces); i++) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;

		if (root) {
			yyjson_mut_doc_set_root(doc, root);
			yyjson_mut_obj_add_str(doc, root, "apiVersion", "v1");
			yyjson_mut_obj_add_str(doc, root, "kind", "Namespace");
			(void)!meta_set_text(doc, root, "name", namespaces[i]);
		}
		registry_create(o->registry, &caller_self, k, "", doc, &w, namespace_done, b);
	}
	return 0;
}

int cluster_bootstrap_address(const struct bootstrap_options *o, bootstrapped *done, void *arg)
{
	struct boot *b = malloc(sizeof(*b));

	if (!b)
		return log_errno(ENOMEM, "cluster op=bootstrap-address");
	*b = (struct boot){.o = *o, .done = done, .arg = arg, .left = 1};
	for (size_t i = 0; i < array_len(firsts); i++)
		if (names_address(&firsts[i]))
			put_one(b, &firsts[i]);
	one_done(b);
	return 0;
}
