/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Certificate signing requests: who asks is what the server knows of him, not what he says; who approves or signs must be allowed to, for
 * the signer that is named; and nobody gets a certificate that makes him an administrator (CertificateApproval,
 * CertificateSigning, CertificateSubjectRestriction).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/access/access_int.h"
#include "cluster/registry/admission.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/status.h"
#include "lib/base64.h"
#include "lib/json.h"
#include "lib/pki.h"

#define GROUP "certificates.k8s.io"

static bool is_request(const struct attempt *a)
{
	return attempt_is(a, GROUP, "CertificateSigningRequest");
}

static bool put_texts(
	yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *key, const char *const *list, size_t n)
{
	yyjson_mut_val *to = yyjson_mut_arr(doc);

	for (size_t i = 0; to && i < n; i++)
		if (!yyjson_mut_arr_add_strcpy(doc, to, list[i]))
			return false;
	return to && meta_put(doc, spec, key, to);
}

static struct status *change(struct attempt *a)
{
	yyjson_mut_val *spec, *extra;
	bool ok;

	if (!is_request(a) || a->verb != ADMIT_CREATE)
		return NULL;
	spec = meta_make(a->doc, a->root, "spec", NULL);
	extra = spec ? yyjson_mut_obj(a->doc) : NULL;
	ok = extra && meta_put(a->doc, spec, "username", yyjson_mut_strcpy(a->doc, a->who->user)) &&
	     put_texts(a->doc, spec, "groups", a->who->groups, a->who->n_groups);
	if (ok && *a->who->uid)
		ok = meta_put(a->doc, spec, "uid", yyjson_mut_strcpy(a->doc, a->who->uid));
	else if (ok)
		yyjson_mut_obj_remove_key(spec, "uid");
	for (size_t i = 0; ok && i < a->who->n_extra; i++) {
		yyjson_mut_val *list = yyjson_mut_arr(a->doc);

		for (size_t k = 0; list && k < a->who->extra[i].n_values; k++)
			ok &= yyjson_mut_arr_add_strcpy(a->doc, list, a->who->extra[i].values[k]);
		ok &= list &&
		      yyjson_mut_obj_add(extra, yyjson_mut_strcpy(a->doc, a->who->extra[i].key), list);
	}
	if (ok && a->who->n_extra)
		ok = meta_put(a->doc, spec, "extra", extra);
	else if (ok)
		yyjson_mut_obj_remove_key(spec, "extra");
	return ok ? NULL : status_errno(-ENOMEM, "request");
}

/* By the signer's own name, or by all names of its domain. */
static bool may(const struct attempt *a, const char *verb, const char *signer)
{
	char domain[300];
	struct access_question q = {.who = a->who,
		.verb = verb,
		.group = GROUP,
		.resource = "signers",
		.subresource = "",
		.ns = "",
		.name = signer};

	if (access_allowed(registry_access(a->registry), &q, NULL))
		return true;
	snprintf(domain, sizeof(domain), "%.*s/*", (int)strcspn(signer, "/"), signer);
	q.name = domain;
	return access_allowed(registry_access(a->registry), &q, NULL);
}

static struct status *no_administrators(const struct attempt *a, yyjson_mut_val *spec)
{
	yyjson_mut_val *text = yyjson_mut_obj_get(spec, "request");
	size_t len = 0;
	const char *why;
	struct pki_csr *csr = NULL;
	bool masters = false;
	cleanup(freep) char *pem = NULL;

	if (!yyjson_mut_equals_str(
		    yyjson_mut_obj_get(spec, "signerName"), "kubernetes.io/kube-apiserver-client"))
		return NULL;
	pem = base64_bytes(yyjson_mut_get_str(text) ?: "", &len);
	if (!pem || pki_csr_read(&csr, pem, len, &why))
		return NULL; /* it will never be signed */
	for (size_t i = 0; i < csr->n_organisations; i++)
		masters |= !strcmp(csr->organisations[i], "system:masters");
	pki_csr_free(csr);
	return masters ? status_forbidden(a->kind, a->name,
				 "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed")
		       : NULL;
}

static struct status *check(const struct attempt *a)
{
	yyjson_mut_val *spec = yyjson_mut_obj_get(a->root, "spec");
	const char *signer = yyjson_mut_get_str(yyjson_mut_obj_get(spec, "signerName")) ?: "";
	bool approves = !strcmp(a->subresource, "approval"), signs = !strcmp(a->subresource, "status");

	if (!is_request(a) || a->verb == ADMIT_DELETE || !registry_access(a->registry))
		return NULL;
	if (a->verb == ADMIT_CREATE)
		return no_administrators(a, spec);
	if (approves && !may(a, "approve", signer))
		return status_forbidden(a->kind, a->name,
			"user not permitted to approve requests with signerName \"%s\"", signer);
	if (signs && yyjson_mut_get_len(meta_mut_get(a->root, "status", "certificate", NULL)) &&
		!may(a, "sign", signer))
		return status_forbidden(a->kind, a->name,
			"user not permitted to sign requests with signerName \"%s\"", signer);
	return NULL;
}

const struct admission admission_signing = {.name = "CertificateRequests", .change = change, .check = check};
