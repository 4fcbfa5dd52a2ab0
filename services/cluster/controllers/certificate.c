/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Certificate signing requests: those of nodes for their own client certificates are approved here when whoever asks may have them;
 * approved ones of the three signers of the cluster are signed; old ones go.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/access/access.h"
#include "cluster/access/authority.h"
#include "cluster/controllers/controllers.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/status.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/pki.h"

enum { YEAR_S = 365 * 24 * 3600, DONE_S = 3600, PENDING_S = 24 * 3600, GROUPS_MAX = 32 };

#define GROUP "certificates.k8s.io"
#define NODES "system:nodes"

static const struct signer {
	const char *name;
	bool server;		   /* for a server, not for a client */
	bool node;		   /* the subject must be a node */
	const char *const uses[4]; /* what may be asked for */
} signers[] = {
	{"kubernetes.io/kube-apiserver-client", false, false,
		{"digital signature", "key encipherment", "client auth"}},
	{"kubernetes.io/kube-apiserver-client-kubelet", false, true,
		{"digital signature", "key encipherment", "client auth"}},
	{"kubernetes.io/kubelet-serving", true, true,
		{"digital signature", "key encipherment", "server auth"}},
};

static const struct signer *signer_of(yyjson_val *spec)
{
	for (size_t i = 0; i < array_len(signers); i++)
		if (yyjson_equals_str(yyjson_obj_get(spec, "signerName"), signers[i].name))
			return &signers[i];
	return NULL;
}

/* ---- what is asked */

/* NULL: nothing is wrong with it for this signer. */
static const char *wrong(const struct signer *s, const struct pki_csr *csr, yyjson_val *spec)
{
	yyjson_val *uses = json_arr(spec, "usages"), *use;
	bool has_use = json_arr_has(uses, s->uses[2]);
	size_t i, n;

	yyjson_arr_foreach (uses, i, n, use) {
		bool allowed = false;

		for (size_t k = 0; k < array_len(s->uses) && s->uses[k]; k++)
			allowed |= yyjson_equals_str(use, s->uses[k]);
		if (!allowed)
			return "it asks for a use that this signer does not give";
	}
	if (!has_use)
		return s->server ? "it does not ask for server auth" : "it does not ask for client auth";
	if (!s->node)
		return NULL;
	if (strncmp(csr->common_name, "system:node:", 12) != 0 || !csr->common_name[12])
		return "the common name is not that of a node: system:node:NAME";
	if (csr->n_organisations != 1 || strcmp(csr->organisations[0], NODES) != 0)
		return "the organisation is not exactly " NODES;
	if (!s->server && csr->n_names)
		return "a node's client certificate has no alternative names";
	if (s->server && !csr->n_names)
		return "a serving certificate needs alternative names";
	if (s->server && !yyjson_equals_str(yyjson_obj_get(spec, "username"), csr->common_name))
		return "a node asks for itself only";
	return NULL;
}

static struct pki_csr *request_of(yyjson_val *spec, const char **why)
{
	size_t len;
	cleanup(freep) char *pem = base64_bytes(json_str(spec, "request") ?: "", &len);
	struct pki_csr *csr = NULL;

	*why = pem ? NULL : "the request is not base64";
	return pem && !pki_csr_read(&csr, pem, len, why) ? csr : NULL;
}

/* ---- writing */

struct verdict {
	const char *type,
		*reason; /* constant; type NULL: it is signed, and the text is the certificate in base64 */
	int64_t now_s;
	char text[];
};

static enum modify write_verdict(
	const struct object *old, yyjson_mut_doc **doc, struct status **error, void *arg)
{
	const struct verdict *v = arg;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(*doc), *status = meta_make(*doc, root, "status", NULL);
	yyjson_mut_val *list, *c;
	char now[META_TIME_MAX];

	meta_time(now, (time_t)v->now_s);
	if (!v->type) {
		if (status && meta_put(*doc, status, "certificate", yyjson_mut_strcpy(*doc, v->text)))
			return MODIFY_WRITE;
		*error = status_internal("out of memory");
		return MODIFY_FAIL;
	}
	list = conditions_of(*doc, root);
	if (!list || !condition_set(*doc, list, v->type, "True", v->reason, v->text, v->now_s))
		return MODIFY_NOTHING;
	c = yyjson_mut_arr_get_last(list);
	if (!meta_put(*doc, c, "lastUpdateTime", yyjson_mut_strcpy(*doc, now))) {
		*error = status_internal("out of memory");
		return MODIFY_FAIL;
	}
	return MODIFY_WRITE;
}

static void say(
	struct turn *t, const char *subresource, const char *type, const char *reason, const char *text)
{
	size_t len = strlen(text) + 1;
	struct verdict *v = calloc(1, sizeof(*v) + len);

	if (!v) {
		turn_failed(t);
		return;
	}
	v->type = type;
	v->reason = reason;
	v->now_s = t->now_s;
	memcpy(v->text, text, len);
	turn_modify(t, t->object, subresource, write_verdict, v);
}

static void sign(struct turn *t, const struct signer *s, yyjson_val *spec)
{
	int64_t seconds = json_int(spec, "expirationSeconds", YEAR_S);
	const char *why;
	struct pki_csr *csr = request_of(spec, &why);
	cleanup(freep) char *pem = NULL;
	cleanup(freep) char *text = NULL;

	if (csr)
		why = wrong(s, csr, spec);
	if (seconds > YEAR_S)
		seconds = YEAR_S;
	if (why) {
		say(t, "status", "Failed", "SignerValidationFailure", why);
	} else if (authority_sign(t->context->authority, csr, s->server, seconds, &pem)) {
		say(t, "status", "Failed", "SigningFailed",
			"the authority could not sign it; its log says why");
	} else {
		text = base64_make(pem, strlen(pem));
		if (text)
			say(t, "status", NULL, NULL, text);
		else
			turn_failed(t);
	}
	pki_csr_free(csr);
}

/* ---- approving nodes */

/* May who asked have a node's client certificate: his own again, or as somebody who brings nodes in? */
static bool may_have(struct turn *t, yyjson_val *spec, bool own)
{
	struct access *access = registry_access(t->r);
	yyjson_val *list = json_arr(spec, "groups"), *g;
	const char *groups[GROUPS_MAX];
	struct caller who = {.user = json_str(spec, "username") ?: "", .uid = "", .groups = groups};
	struct access_question q = {.who = &who,
		.verb = "create",
		.group = GROUP,
		.resource = "certificatesigningrequests",
		.subresource = own ? "selfnodeclient" : "nodeclient",
		.ns = "",
		.name = ""};
	size_t i, n;

	yyjson_arr_foreach (list, i, n, g)
		if (who.n_groups < GROUPS_MAX && yyjson_is_str(g))
			groups[who.n_groups++] = yyjson_get_str(g);
	return access && access_allowed(access, &q, NULL);
}

static void maybe_approve(struct turn *t, const struct signer *s, yyjson_val *spec)
{
	const char *why;
	struct pki_csr *csr = s->node && !s->server ? request_of(spec, &why) : NULL;
	bool own;

	if (csr && !wrong(s, csr, spec)) {
		own = yyjson_equals_str(yyjson_obj_get(spec, "username"), csr->common_name);
		if ((own && may_have(t, spec, true)) || may_have(t, spec, false))
			say(t, "approval", "Approved", "AutoApproved",
				own ? "Auto approving self kubelet client certificate after SubjectAccessReview."
				    : "Auto approving kubelet client certificate after SubjectAccessReview.");
	}
	pki_csr_free(csr);
}

/* ---- turns */

static void sync_request(struct turn *t)
{
	yyjson_val *spec;
	const struct signer *s;
	bool approved, over, denied;
	int64_t age, left;

	if (!t->object || t->object->deleted)
		return;
	spec = json_obj(t->root, "spec");
	s = signer_of(spec);
	approved = condition_is(t->root, "Approved", "True");
	denied = condition_is(t->root, "Denied", "True") || condition_is(t->root, "Failed", "True");
	over = denied || !json_blank(meta_get(t->root, "status", "certificate", NULL));
	age = t->now_s - time_of(meta_get(t->root, "metadata", "creationTimestamp", NULL));
	left = (over ? DONE_S : PENDING_S) - age;
	if (left <= 0) {
		turn_delete(t, t->object, NULL);
		return;
	}
	turn_again_in(t, left * 1000);
	if (!s || over || !t->context || !t->context->authority)
		return;
	if (approved)
		sign(t, s, spec);
	else
		maybe_approve(t, s, spec);
}

const struct controller_type certificate_controller = {
	.name = "certificate-controller",
	.api_version = GROUP "/v1",
	.kind = "CertificateSigningRequest",
	.sync = sync_request,
};
