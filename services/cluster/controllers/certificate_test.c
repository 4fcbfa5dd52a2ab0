/* SPDX-License-Identifier: Apache-2.0 */

/* Certificate signing requests: who is approved, what is signed, and what is refused. */

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "cluster/access/access.h"
#include "cluster/access/authority.h"
#include "cluster/controllers/stories.h"
#include "lib/base64.h"
#include "lib/pki.h"

/* Made with openssl; only the public half of each key is in them. */
static const char of_node[] = /* system:node:w1 of system:nodes */
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIcU1JR1NBZ0VBTURBeEZUQVRCZ05WQkFvTURITjVjM1Js"
	"YlRwdWIyUmxjekVYTUJVR0ExVUVBd3dPYzNsegpkR1Z0T201dlpHVTZkekV3V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFN"
	"QkJ3TkNBQVFzSm96RWFZcUN5cmVLClRjWHJ4WGJIamxuOEJjallUSXorQURjcldPVzJ2cDVmYVZrWWtmMjVIZG4wa25STzJ4"
	"a09KYS81b2oxUXQxOWkKNVdHZDdZTTJvQUF3Q2dZSUtvWkl6ajBFQXdJRFJ3QXdSQUlnZEdDTlNBRDJjMDNKdHZTMldQN2VW"
	"L3RzYU5OMwpKazRrVkRPUlR2Vm1peFFDSUh6aVpobFNzM2ZYL0xobUpqa0FMQy9tQ1ZjdzQ2ZVhLbW1JYmZrZGtxYlgKLS0t"
	"LS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";
static const char of_user[] = /* ann of team */
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWE1IOENBUUF3SFRFTk1Bc0dBMVVFQ2d3RWRHVmhiVEVN"
	"TUFvR0ExVUVBd3dEWVc1dU1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUV5M2tmaVA4b1k3ak0yOUFaVDlV"
	"RGNKdWtFZUZZVStmNEh6bUZWaWZFClRqR2tJTnpZQ3UxSDdFbkx1UnJpdjRjNTd0UXhkd0x6K01tK0diR3pHTjZKMktBQU1B"
	"b0dDQ3FHU000OUJBTUMKQTBnQU1FVUNJQkwxQmNiRFo2SE5QdkQyYmUwdlNPU2NZSHlWRXA2c0RnWjBMU1VDcXJwZEFpRUFx"
	"T2cxd1FzUAo3N1hUWkRpUHYxd3ozZTU3WUUxTzU1ajh0dVhtYWVCK2gzbz0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVT"
	"VC0tLS0tCg==";
static const char of_root[] = /* eve of system:masters */
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaE1JR0pBZ0VBTUNjeEZ6QVZCZ05WQkFvTURuTjVjM1Js"
	"YlRwdFlYTjBaWEp6TVF3d0NnWURWUVFEREFObApkbVV3V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVRFQjVD"
	"d293QnhNZHlGbUZjc0hZWHB1Z3ZCCi94UGovUDFDbW8wbGx6eUVHaE4wNHVJeHdVQ2dFdXlLbElZVEg5VWZpSWk1RXFrSnNJ"
	"ZEcyWWtpSko4WG9BQXcKQ2dZSUtvWkl6ajBFQXdJRFJ3QXdSQUlnWUtQN29iY1ZoRnRjRWJENG5qakJiWVRxU2RqNjdaUk9O"
	"d1h4dFRPVApxWjRDSURyK3hOclJiYXgyMVhJTUwwMm1QTHR3VUc4bEo4VldEREszclhUcWxDK24KLS0tLS1FTkQgQ0VSVElG"
	"SUNBVEUgUkVRVUVTVC0tLS0tCg==";
static const char of_server[] = /* system:node:w1, for w1 and 10.0.0.7 */
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQkVqQ0J1QUlCQURBd01SVXdFd1lEVlFRS0RBeHplWE4w"
	"WlcwNmJtOWtaWE14RnpBVkJnTlZCQU1NRG5ONQpjM1JsYlRwdWIyUmxPbmN4TUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemow"
	"REFRY0RRZ0FFTENhTXhHbUtnc3EzCmlrM0Y2OFYyeDQ1Wi9BWEkyRXlNL2dBM0sxamx0cjZlWDJsWkdKSDl1UjNaOUpKMFR0"
	"c1pEaVd2K2FJOVVMZGYKWXVWaG5lMkROcUFtTUNRR0NTcUdTSWIzRFFFSkRqRVhNQlV3RXdZRFZSMFJCQXd3Q29JQ2R6R0hC"
	"QW9BQUFjdwpDZ1lJS29aSXpqMEVBd0lEU1FBd1JnSWhBTUVRajV0eEUzT0wvY2JjZms3QnQwYThoZ1RHN1lSRzJEeVlRcVhG"
	"CjVwdXZBaUVBMkk1Nk1OSC95QkJzaVpmRFZuN0JGcU9SVDl2NFBPcW9HNWoyRkpwem5CZz0KLS0tLS1FTkQgQ0VSVElGSUNB"
	"VEUgUkVRVUVTVC0tLS0tCg==";

static struct authority *authority;
static struct access *access_;
static char dir[] = "/tmp/certificate_test.XXXXXX";

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int begin(void **state)
{
	struct authority_options o = {
		.data_dir = dir, .run_dir = dir, .hostname = "n", .service_address = "10.96.0.1", .port = 1};

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(authority_open(&authority, &o), 0);
	context.authority = authority;
	setup(state);
	return access_open(&access_, &(struct access_options){.registry = r});
}

static int end(void **state)
{
	until("no write is on its way", is_quiet, NULL);
	access_close(access_);
	teardown(state);
	authority_close(authority);
	context.authority = NULL;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char answer[600];

static void on_answer(const struct status *error, const struct object *object, void *arg)
{
	snprintf(answer, sizeof(answer), "%d %s", error ? error->code : 201, error ? error->message : "");
	loop_quit(l, 0);
}

#define CLIENT "\"digital signature\",\"client auth\""
#define SERVER "\"digital signature\",\"server auth\""

static const char *ask(
	const struct caller *who, const char *name, const char *signer, const char *request, const char *uses)
{
	char json[2500];
	yyjson_doc *doc;

	snprintf(json, sizeof(json),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"signerName\":\"kubernetes.io/%s\",\"request\":\"%s\","
		"\"usages\":[%s],\"username\":\"somebody-else\"}}",
		name, signer, request, uses);
	doc = yyjson_read(json, strlen(json), 0);
	assert_non_null(doc);
	*answer = 0;
	registry_create(r, who, kind("certificates.k8s.io/v1", "CertificateSigningRequest"), "",
		yyjson_doc_mut_copy(doc, NULL), NULL, on_answer, NULL);
	yyjson_doc_free(doc);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	return answer;
}

static bool request_says(const void *arg)
{
	const char *const *w = arg;
	const struct object *o = get("certificates.k8s.io/v1", "CertificateSigningRequest", "", w[0]);

	return o && strstr(o->json, w[1]);
}

#define REQUEST_SAYS(name, text)                                                                             \
	request_says, (const char *const[])                                                                  \
	{                                                                                                    \
		name, text                                                                                   \
	}

static void approve(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	yyjson_mut_val *status = meta_make(doc, root, "status", NULL);

	put(doc, status, "conditions",
		"[{\"type\":\"Approved\",\"status\":\"True\",\"reason\":\"Test\",\"message\":\"so\"}]");
}

static void on_approved(const struct status *error, const struct object *object, void *arg)
{
	on_answer(error, object, NULL);
}

static const char *approve_as(const struct caller *who, const char *name)
{
	struct edit e = {.fn = approve};

	*answer = 0;
	registry_modify(r, who, kind("certificates.k8s.io/v1", "CertificateSigningRequest"), "", name, false,
		do_edit, &(struct write_options){.subresource = "approval"}, on_approved, &e);
	while (!*answer)
		assert_int_equal(loop_run(l), 0);
	return answer;
}

static const struct caller ann = {
	.user = "ann", .uid = "", .groups = (const char *const[]){"system:authenticated"}, .n_groups = 1};
static const struct caller joiner = {.user = "system:bootstrap:abcdef",
	.uid = "",
	.groups = (const char *const[]){"system:bootstrappers", "system:authenticated"},
	.n_groups = 2};
static const struct caller node = {.user = "system:node:w1",
	.uid = "",
	.groups = (const char *const[]){"system:nodes", "system:authenticated"},
	.n_groups = 2};

#define CONTROLLER_MAY                                                                                                                 \
	create("rbac.authorization.k8s.io/v1", "ClusterRole", "",                                                                      \
		"{\"metadata\":{\"name\":\"c\"},\"rules\":[{\"verbs\":[\"approve\",\"sign\"],\"apiGroups\":[\"certificates.k8s.io\"]," \
		"\"resources\":[\"signers\"],\"resourceNames\":[\"kubernetes.io/*\"]}]}");                                             \
	create("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "",                                                               \
		"{\"metadata\":{\"name\":\"c\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","     \
		"\"name\":\"c\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"certificate-controller\",\"namespace\":"        \
		"\"kube-system\"}]}")

static void test_user(void **state)
{
	const struct object *o;
	yyjson_doc *doc;
	char *pem, name[PKI_NAME_MAX];
	size_t len;

	CONTROLLER_MAY;
	assert_non_null(strstr(ask(&ann, "one", "kube-apiserver-client", of_user, CLIENT), "201"));
	/* the server says who asks */
	assert_true(request_says((const char *const[]){"one", "\"username\":\"ann\""}));
	assert_non_null(strstr(approve_as(&ann, "one"), "403 "));
	assert_non_null(strstr(answer, "user not permitted to approve requests with signerName"));
	assert_non_null(strstr(approve_as(&caller_self, "one"), "201"));
	until("it is signed", REQUEST_SAYS("one", "\"certificate\":\""));
	o = get("certificates.k8s.io/v1", "CertificateSigningRequest", "", "one");
	doc = object_doc(o);
	pem = base64_bytes(
		yyjson_get_str(meta_get(yyjson_doc_get_root(doc), "status", "certificate", NULL)), &len);
	assert_non_null(pem);
	assert_non_null(strstr(pem, "BEGIN CERTIFICATE"));
	(void)!pki_common_name(pem, name); /* its subject is more than a common name, and that is said */
	free(pem);
	yyjson_doc_free(doc);
}

static void test_no_administrator(void **state)
{
	assert_non_null(strstr(ask(&ann, "one", "kube-apiserver-client", of_root, CLIENT), "403 "));
	assert_non_null(strstr(answer, "with system:masters group is not allowed"));
}

static void test_nodes(void **state)
{
	CONTROLLER_MAY;
	create("rbac.authorization.k8s.io/v1", "ClusterRole", "",
		"{\"metadata\":{\"name\":\"n\"},\"rules\":[{\"verbs\":[\"create\"],\"apiGroups\":[\"certificates.k8s.io\"],"
		"\"resources\":[\"certificatesigningrequests/nodeclient\"]}]}");
	create("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "",
		"{\"metadata\":{\"name\":\"n\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\","
		"\"name\":\"n\"},\"subjects\":[{\"kind\":\"Group\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":"
		"\"system:bootstrappers\"}]}");
	ask(&joiner, "join", "kube-apiserver-client-kubelet", of_node, CLIENT);
	until("a node that joins is approved and signed", REQUEST_SAYS("join", "\"certificate\":\""));
	assert_true(request_says((const char *const[]){"join", "AutoApproved"}));
	/* not everybody */
	ask(&ann, "not", "kube-apiserver-client-kubelet", of_node, CLIENT);
	until("quiet", is_quiet, NULL);
	assert_false(request_says((const char *const[]){"not", "Approved"}));
	/* a serving certificate is somebody's decision, and only of the node itself */
	ask(&node, "serve", "kubelet-serving", of_server, SERVER);
	assert_non_null(strstr(approve_as(&caller_self, "serve"), "201"));
	until("it is signed", REQUEST_SAYS("serve", "\"certificate\":\""));
	ask(&ann, "steal", "kubelet-serving", of_server, SERVER);
	approve_as(&caller_self, "steal");
	until("it is not", REQUEST_SAYS("steal", "a node asks for itself only"));
	assert_false(request_says((const char *const[]){"steal", "\"certificate\":\""}));
}

static void test_what_is_no_request(void **state)
{
	static const char *const wrong[] = {"", "x", "-----BEGIN CERTIFICATE REQUEST-----\n",
		"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"};
	struct pki_csr *csr;
	const char *why;
	size_t len;
	char *pem = base64_bytes(of_server, &len);

	for (size_t i = 0; i < array_len(wrong); i++)
		assert_int_equal(pki_csr_read(&csr, wrong[i], strlen(wrong[i]), &why), -EINVAL);
	assert_int_equal(pki_csr_read(&csr, pem, len, &why), 0);
	assert_string_equal(csr->common_name, "system:node:w1");
	assert_int_equal(csr->n_organisations, 1);
	assert_int_equal(csr->n_names, 2);
	assert_string_equal(csr->names[0], "w1");
	assert_string_equal(csr->names[1], "10.0.0.7");
	pki_csr_free(csr);
	/* no letter of it can be changed */
	for (size_t i = 40; i + 40 < len; i += 11) {
		char was = pem[i];

		pem[i] = was == 'A' ? 'B' : 'A';
		if (was != '\n' && !pki_csr_read(&csr, pem, len, &why))
			fail_msg("changed at %zu and taken", i);
		pem[i] = was;
	}
	free(pem);
}

#define WITH(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_request),
		WITH(test_user),
		WITH(test_no_administrator),
		WITH(test_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
