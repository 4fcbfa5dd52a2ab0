/* SPDX-License-Identifier: Apache-2.0 */

/* The default roles and bindings: read each line as "may VERBS on RESOURCES of GROUPS". */

#include "cluster/access/roles.h"

#define READ  "get,list,watch"
#define WRITE "create,delete,deletecollection,patch,update"
#define ALL   "create,delete,deletecollection,get,list,patch,update,watch"

#define CORE_VIEW                                                                                                \
	"configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers," \
	"replicationcontrollers/scale,serviceaccounts,services,services/status"
#define CORE_STATE                                                                                           \
	"bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,"  \
	"resourcequotas,resourcequotas/status,namespaces"
#define APPS_VIEW                                                                                            \
	"controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status," \
	"replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status"
#define APPS_EDIT                                                                                            \
	"daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,"       \
	"statefulsets,statefulsets/scale"

#define VIEW_RULES                                                                                           \
	{READ, "-", CORE_VIEW}, {READ, "-", CORE_STATE}, {READ, "apps", APPS_VIEW},                          \
		{READ, "autoscaling", "horizontalpodautoscalers,horizontalpodautoscalers/status"},           \
		{READ, "batch", "cronjobs,cronjobs/status,jobs,jobs/status"},                                \
		{READ, "policy", "poddisruptionbudgets,poddisruptionbudgets/status"},                        \
		{READ, "networking.k8s.io", "ingresses,ingresses/status,networkpolicies"},                   \
		{READ, "discovery.k8s.io", "endpointslices"}, {READ, "metrics.k8s.io", "pods,nodes"},        \
		{READ, "resource.k8s.io", "resourceclaims,resourceclaims/status,resourceclaimtemplates"}

#define EDIT_RULES                                                                                           \
	{READ, "-", "pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy"},             \
		{"impersonate", "-", "serviceaccounts"},                                                     \
		{WRITE, "-", "pods,pods/attach,pods/exec,pods/portforward,pods/proxy"},                      \
		{"create", "-", "pods/eviction,serviceaccounts/token"},                                      \
		{WRITE, "-",                                                                                 \
			"configmaps,events,persistentvolumeclaims,replicationcontrollers,"                   \
			"replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy"},     \
		{WRITE, "apps", APPS_EDIT}, {WRITE, "autoscaling", "horizontalpodautoscalers"},              \
		{WRITE, "batch", "cronjobs,jobs"}, {WRITE, "policy", "poddisruptionbudgets"},                \
		{WRITE, "networking.k8s.io", "ingresses,networkpolicies"},                                   \
		{WRITE, "resource.k8s.io", "resourceclaims,resourceclaimtemplates"},                         \
		{ALL, "coordination.k8s.io", "leases"}

#define ADMIN_RULES                                                                                          \
	{"create", "authorization.k8s.io", "localsubjectaccessreviews"},                                     \
		{ALL, "rbac.authorization.k8s.io", "rolebindings,roles"}

const struct role default_roles[] = {
	{"cluster-admin", NULL, {{"*", "*", "*"}, {"*", .urls = "*"}}},
	{"view", "edit", .sum = true},
	{"edit", "admin", .sum = true},
	{"admin", NULL, .sum = true},
	{"system:aggregate-to-view", "view", {VIEW_RULES}},
	{"system:aggregate-to-edit", "edit", {EDIT_RULES}},
	{"system:aggregate-to-admin", "admin", {ADMIN_RULES}},
	{"system:controller:certificate-controller", NULL,
		{{"approve,sign", "certificates.k8s.io", "signers",
			"kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving"}}},
	/* it gives what it does not have itself */
	{"system:controller:clusterrole-aggregation-controller", NULL,
		{{"escalate,get,list,patch,update,watch", "rbac.authorization.k8s.io", "clusterroles"}}},
	/* adapters ask whether it may */
	{"system:controller:horizontal-pod-autoscaler", NULL,
		{{READ, "autoscaling", "horizontalpodautoscalers"},
			{"update", "autoscaling", "horizontalpodautoscalers/status"},
			{"get,update", "*", "*/scale"}, {"list", "-", "pods"},
			{"list", "metrics.k8s.io", "pods"}, {"get,list", "custom.metrics.k8s.io", "*"},
			{"get,list", "external.metrics.k8s.io", "*"},
			{"create,patch,update", "-,events.k8s.io", "events"}}},
	{"system:discovery", NULL,
		{{"get",
			.urls = "/api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/"}}},
	{"system:monitoring", NULL,
		{{"get",
			.urls = "/healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*"}}},
	{"system:basic-user", NULL,
		{{"create", "authorization.k8s.io", "selfsubjectaccessreviews,selfsubjectrulesreviews"},
			{"create", "authentication.k8s.io", "selfsubjectreviews"}}},
	{"system:public-info-viewer", NULL, {{"get", .urls = "/healthz,/livez,/readyz,/version,/version/"}}},
	{"system:service-account-issuer-discovery", NULL,
		{{"get",
			.urls = "/.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,"
				"/openid/v1/jwks/"}}},
	{"system:auth-delegator", NULL,
		{{"create", "authentication.k8s.io", "tokenreviews"},
			{"create", "authorization.k8s.io", "subjectaccessreviews"}}},
	{"system:kubelet-api-admin", NULL,
		{{"get,list,watch", "-", "nodes"},
			{"*", "-",
				"nodes/proxy,nodes/log,nodes/metrics,nodes/stats,nodes/configz,nodes/healthz,nodes/pods"}}},
	{"system:node", NULL,
		{{"create", "authentication.k8s.io", "tokenreviews"},
			{"create", "authorization.k8s.io", "localsubjectaccessreviews,subjectaccessreviews"},
			{READ, "-", "services"}, {"create,get,list,watch", "-", "nodes"},
			{"patch,update", "-", "nodes,nodes/status"}, {"create,patch,update", "-", "events"},
			{READ, "-", "pods"}, {"create,delete", "-", "pods"},
			{"patch,update", "-", "pods/status"}, {"create", "-", "pods/eviction"},
			{READ, "-", "configmaps,secrets"},
			{"get", "-", "persistentvolumeclaims,persistentvolumes"},
			{"create,get,list,watch", "certificates.k8s.io", "certificatesigningrequests"},
			{"create,delete,get,patch,update", "coordination.k8s.io", "leases"},
			{"create", "-", "serviceaccounts/token"}, {READ, "node.k8s.io", "runtimeclasses"}}},
	{"system:node-bootstrapper", NULL,
		{{"create,get,list,watch", "certificates.k8s.io", "certificatesigningrequests"}}},
	{"system:node-problem-detector", NULL,
		{{"get", "-", "nodes"}, {"patch", "-", "nodes/status"},
			{"create,patch,update", "-,events.k8s.io", "events"}}},
	{"system:node-proxier", NULL,
		{{READ, "-", "endpoints,services"}, {READ, "-", "nodes"},
			{READ, "discovery.k8s.io", "endpointslices"},
			{READ, "networking.k8s.io", "servicecidrs"},
			{"create,patch,update", "-,events.k8s.io", "events"}}},
	{"system:persistent-volume-provisioner", NULL,
		{{"create,delete,get,list,watch", "-", "persistentvolumes"},
			{"get,list,update,watch", "-", "persistentvolumeclaims"},
			{READ, "storage.k8s.io", "storageclasses"}, {"watch", "-", "events"},
			{"create,patch,update", "-,events.k8s.io", "events"}}},
	{"system:certificates.k8s.io:certificatesigningrequests:nodeclient", NULL,
		{{"create", "certificates.k8s.io", "certificatesigningrequests/nodeclient"}}},
	{"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", NULL,
		{{"create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient"}}},
	{"system:kube-scheduler", NULL,
		{{"create,patch,update", "-,events.k8s.io", "events"},
			{"create,get,list,patch,update,watch", "coordination.k8s.io", "leases"},
			{READ, "-", "nodes,namespaces,replicationcontrollers,services,persistentvolumes"},
			{"delete,get,list,watch", "-", "pods"}, {"create", "-", "bindings,pods/binding"},
			{"patch,update", "-", "pods/status"}, {READ, "apps", "replicasets,statefulsets"},
			{READ, "policy", "poddisruptionbudgets"},
			{"get,list,patch,update,watch", "-", "persistentvolumeclaims"},
			{"create", "authentication.k8s.io", "tokenreviews"},
			{"create", "authorization.k8s.io", "subjectaccessreviews"},
			{READ, "storage.k8s.io", "csinodes,csidrivers,csistoragecapacities,storageclasses"}}},
	{"system:kube-controller-manager", NULL,
		{{"create,patch,update", "-,events.k8s.io", "events"},
			{"create,get,list,update,watch", "coordination.k8s.io", "leases"},
			{"create,get,update", "-", "secrets,serviceaccounts"},
			{"create", "-", "serviceaccounts/token"},
			{"create", "authentication.k8s.io", "tokenreviews"},
			{"create", "authorization.k8s.io", "subjectaccessreviews"},
			{"list,watch", "*", "*"}}},
	{"system:kube-dns", NULL, {{"list,watch", "-", "endpoints,services"}}},
	{"system:volume-scheduler", NULL,
		{{"get,list,patch,update,watch", "-", "persistentvolumes"},
			{READ, "storage.k8s.io", "storageclasses"},
			{"get,list,patch,update,watch", "-", "persistentvolumeclaims"}}},
	{0},
};

#define GROUP_NAMED(name) {"Group", name, 0}
#define USER_NAMED(name)  {"User", name, 0}

const struct role_binding default_bindings[] = {
	{"cluster-admin", "cluster-admin", {GROUP_NAMED("system:masters")}},
	{"system:monitoring", "system:monitoring", {GROUP_NAMED("system:monitoring")}},
	{"system:discovery", "system:discovery", {GROUP_NAMED("system:authenticated")}},
	{"system:basic-user", "system:basic-user", {GROUP_NAMED("system:authenticated")}},
	{"system:public-info-viewer", "system:public-info-viewer",
		{GROUP_NAMED("system:authenticated"), GROUP_NAMED("system:unauthenticated")}},
	{"system:service-account-issuer-discovery", "system:service-account-issuer-discovery",
		{GROUP_NAMED("system:serviceaccounts")}},
	{"system:node-bootstrapper", "system:node-bootstrapper", {GROUP_NAMED("system:bootstrappers")}},
	{"system:nodeclient-approval", "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
		{GROUP_NAMED("system:bootstrappers")}},
	{"system:node-proxier", "system:node-proxier", {USER_NAMED("system:kube-proxy")}},
	{"system:kube-controller-manager", "system:kube-controller-manager",
		{USER_NAMED("system:kube-controller-manager")}},
	{"system:kube-scheduler", "system:kube-scheduler", {USER_NAMED("system:kube-scheduler")}},
	{"system:volume-scheduler", "system:volume-scheduler", {USER_NAMED("system:kube-scheduler")}},
	{"system:controller:certificate-controller", "system:controller:certificate-controller",
		{{"ServiceAccount", "certificate-controller", "kube-system"}}},
	{"system:controller:clusterrole-aggregation-controller",
		"system:controller:clusterrole-aggregation-controller",
		{{"ServiceAccount", "clusterrole-aggregation-controller", "kube-system"}}},
	{"system:controller:horizontal-pod-autoscaler", "system:controller:horizontal-pod-autoscaler",
		{{"ServiceAccount", "horizontal-pod-autoscaler", "kube-system"}}},
	{"system:kube-dns", "system:kube-dns", {{"ServiceAccount", "kube-dns", "kube-system"}}},
	{0},
};
