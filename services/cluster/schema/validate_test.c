/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Defaults and validation: ordinary objects pass as upstream completes them, bad ones fail in upstream's
 * words.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "cluster/schema/verdict_testing.h"
#include "lib/quantity.h"

#define META	     "metadata: {name: a, namespace: d}\n"
#define TEMPLATE     "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}"
#define DEPLOY(more) META "spec: {selector: {matchLabels: {a: b}}, " TEMPLATE more "}"
#define SET(mount)                                                                                                    \
	META "spec: {selector: {matchLabels: {a: b}}, serviceName: s, template: {metadata: {labels: {a: b}}, spec: {" \
	     "containers: [{name: c, image: i, volumeMounts: [{name: " mount                                          \
	     ", mountPath: /v}]}]}}, volumeClaimTemplates: ["                                                         \
	     "{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}]}"
#define POD(spec) META "spec: {" spec "}"
#define CRON(zone)                                                                                           \
	META "spec: {schedule: '0 0 * * *', timeZone: " zone                                                 \
	     ", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}}"
#define NO_ZONE(name) "CronJob.batch \"a\" is invalid: spec.timeZone: Invalid value: \"" name "\": "
#define NOT_LOCAL     "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
#define ONE	      "containers: [{name: c, image: i}]"
#define SERVICE(more) META "spec: {ports: [{port: 80}], " more "}"
#define JOB(suspend, more, of_container)                                                                     \
	META "spec: {suspend: " suspend                                                                      \
	     ", template: {spec: {restartPolicy: Never, containers: [{name: c, image: i" of_container        \
	     "}]" more "}}}"
#define NOT_THE_TEMPLATE "Job.batch \"a\" is invalid: spec.template: Invalid value: "
#define NO_SYSCTL(name)                                                                                      \
	"Pod \"a\" is invalid: spec.securityContext.sysctls[0].name: Invalid value: \"" name                 \
	"\": must have at most 253 characters and match regex "                                              \
	"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
#define CLAIM(size, more, phase)                                                                             \
	META "spec: {" more " accessModes: [ReadWriteOnce], resources: {requests: {storage: " size           \
	     "}}}\nstatus: {phase: " phase ", capacity: {storage: 2Gi}}"
#define CLAIM_STAYS                                                                                          \
	"spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
#define EPHEMERAL(meta)                                                                                      \
	"ephemeral: {volumeClaimTemplate: {metadata: {" meta                                                 \
	"}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}"
#define SCALE(metric) META "spec: {maxReplicas: 3, scaleTargetRef: {kind: D, name: d}, metrics: [" metric "]}"
#define NOT_SCALED    "HorizontalPodAutoscaler.autoscaling \"a\" is invalid: "

#define NO_CLAIMS                                                                                                           \
	"Pod \"a\" is invalid: spec.resourceClaims: Forbidden: no node of this cluster has a driver of dynamic resources, " \
	"and a pod does not run without the devices that it claims"
#define ENDPOINTS(ip)	 META "subsets: [{addresses: [{ip: '" ip "'}], ports: [{port: 80}]}]"
#define NO_ENDPOINTS(ip) "Endpoints \"a\" is invalid: subsets[0].addresses[0].ip: Invalid value: \"" ip "\": "
#define SLICE_AT(type, ip)                                                                                   \
	META "addressType: " type "\nports: [{port: 80}]\nendpoints: [{addresses: ['" ip "']}]"
#define NO_SLICE_AT(ip)                                                                                      \
	"EndpointSlice.discovery.k8s.io \"a\" is invalid: endpoints[0].addresses[0]: Invalid value: \"" ip   \
	"\": "
#define EXTERNAL(ip)	 META "spec: {ports: [{port: 80}], externalIPs: ['" ip "']}"
#define NAMED(name)	 "metadata: {name: '" name "'}\n"
#define RANGE(list)	 NAMED("a") "spec: {cidrs: [" list "]}"
#define NO_RANGE	 "ServiceCIDR.networking.k8s.io \"a\" is invalid: spec.cidrs"
#define ADDRESS(name)	 NAMED(name) "spec: {parentRef: {resource: services, namespace: n, name: s}}"
#define NO_ADDRESS(name) "IPAddress.networking.k8s.io \"" name "\" is invalid: "

static const struct {
	const char *api_version, *kind, *before, *body, *verdict;
} cases[] = {
	{"v1", "Pod", NULL, POD(ONE ", resourceClaims: [{name: d, resourceClaimName: x}]"), NO_CLAIMS},
	{"v1", "Pod", POD(ONE ", resourceClaims: [{name: d, resourceClaimName: x}]"),
		POD(ONE ", resourceClaims: [{name: d, resourceClaimName: x}]"), "valid"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, resources: {claims: [{name: d}]}}]"),
		"Pod \"a\" is invalid: spec.containers[0].resources.claims[0].name: Not found: \"d\""},
	{"v1", "Endpoints", NULL, ENDPOINTS("192.0.2.1"), "valid"},
	{"v1", "Endpoints", NULL, ENDPOINTS("127.0.0.2"),
		NO_ENDPOINTS("127.0.0.2") "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
	{"v1", "Endpoints", NULL, ENDPOINTS("::ffff:127.0.0.1"),
		NO_ENDPOINTS("::ffff:127.0.0.1") "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
	{"v1", "Endpoints", NULL, ENDPOINTS("0.0.0.0"),
		NO_ENDPOINTS("0.0.0.0") "may not be unspecified (0.0.0.0 or ::)"},
	{"v1", "Endpoints", NULL, ENDPOINTS("169.254.169.254"),
		NO_ENDPOINTS(
			"169.254.169.254") "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
	{"v1", "Endpoints", NULL, ENDPOINTS("ff02::1"),
		NO_ENDPOINTS(
			"ff02::1") "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
	{"v1", "Endpoints", NULL, META "subsets: [{notReadyAddresses: [{ip: '::1'}]}]",
		"Endpoints \"a\" is invalid: subsets[0].notReadyAddresses[0].ip: Invalid value: \"::1\": "
		"may not be in the loopback range (127.0.0.0/8, ::1/128)"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("IPv4", "10.244.0.2"), "valid"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("IPv4", "127.0.0.1"),
		NO_SLICE_AT("127.0.0.1") "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("IPv6", "fe80::1"),
		NO_SLICE_AT("fe80::1") "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("IPv6", "192.0.2.1"),
		NO_SLICE_AT("192.0.2.1") "must be a valid IPv6 address"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("FQDN", "a.example"), "valid"},
	{"discovery.k8s.io/v1", "EndpointSlice", NULL, SLICE_AT("FQDN", "A_b"), NO_SLICE_AT("A_b")},
	{"v1", "Service", NULL, EXTERNAL("192.0.2.1"), "valid"},
	{"v1", "Service", NULL, EXTERNAL("127.0.0.1"),
		"Service \"a\" is invalid: spec.externalIPs[0]: Invalid value: \"127.0.0.1\": "
		"may not be in the loopback range (127.0.0.0/8, ::1/128)"},
	{"v1", "Service", EXTERNAL("127.0.0.1"), EXTERNAL("127.0.0.1"), "valid"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("192.0.2.0/24"), "valid"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("192.0.2.0/24, '2001:db8::/64'"), "valid"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, NAMED("a"),
		NO_RANGE ": Required value: at least one CIDR required"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("10.0.0.0/8, 11.0.0.0/8, 12.0.0.0/8"),
		NO_RANGE
		": Invalid value: [\"10.0.0.0/8\",\"11.0.0.0/8\",\"12.0.0.0/8\"]: may only hold up to 2 values"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("10.0.0.0/8, 11.0.0.0/8"),
		NO_RANGE
		": Invalid value: [\"10.0.0.0/8\",\"11.0.0.0/8\"]: may specify no more than one IP for each IP family, "
		"i.e 192.168.0.0/24 and 2001:db8::/64"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("10.0.0.1/8"),
		NO_RANGE "[0]: Invalid value: \"10.0.0.1/8\": must be in canonical form (\"10.0.0.0/8\")"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("'2001:DB8::/64'"),
		NO_RANGE
		"[0]: Invalid value: \"2001:DB8::/64\": must be in canonical form (\"2001:db8::/64\")"},
	{"networking.k8s.io/v1", "ServiceCIDR", NULL, RANGE("x"),
		NO_RANGE
		"[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"},
	{"networking.k8s.io/v1", "ServiceCIDR", RANGE("10.0.0.0/8"), RANGE("10.0.0.0/8, '2001:db8::/64'"),
		"valid"},
	{"networking.k8s.io/v1", "ServiceCIDR", RANGE("10.0.0.0/8"), RANGE("11.0.0.0/8"),
		NO_RANGE "[0]: Invalid value: \"11.0.0.0/8\": field is immutable"},
	{"networking.k8s.io/v1", "ServiceCIDR", RANGE("10.0.0.0/8"), RANGE("11.0.0.0/8, '2001:db8::/64'"),
		NO_RANGE "[0]: Invalid value: \"11.0.0.0/8\": field is immutable"},
	{"networking.k8s.io/v1", "ServiceCIDR", RANGE("10.0.0.0/8"), RANGE("10.0.0.0/8, 11.0.0.0/8"),
		NO_RANGE
		": Invalid value: [\"10.0.0.0/8\",\"11.0.0.0/8\"]: may specify no more than one IP for each IP family, "
		"i.e 192.168.0.0/24 and 2001:db8::/64"},
	{"networking.k8s.io/v1", "ServiceCIDR", RANGE("10.0.0.0/8, '2001:db8::/64'"), RANGE("10.0.0.0/8"),
		NO_RANGE ": Invalid value: [\"10.0.0.0/8\"]: field is immutable"},
	{"networking.k8s.io/v1", "IPAddress", NULL, ADDRESS("192.0.2.1"), "valid"},
	{"networking.k8s.io/v1", "IPAddress", NULL, ADDRESS("fe80::42:1dff:fe84:f9e2"), "valid"},
	{"networking.k8s.io/v1", "IPAddress", NULL, ADDRESS("2001:db8:0::1"),
		NO_ADDRESS(
			"2001:db8:0::1") "metadata.name: Invalid value: \"2001:db8:0::1\": must be in canonical form "
					 "(\"2001:db8::1\")"},
	{"networking.k8s.io/v1", "IPAddress", NULL, ADDRESS("::ffff:192.0.2.1"),
		NO_ADDRESS(
			"::ffff:192.0.2.1") "metadata.name: Invalid value: \"::ffff:192.0.2.1\": must not be an IPv4-mapped "
					    "IPv6 address"},
	{"networking.k8s.io/v1", "IPAddress", NULL, ADDRESS("a.b"),
		NO_ADDRESS(
			"a.b") "metadata.name: Invalid value: \"a.b\": must be a valid IP address, (e.g. 10.9.8.7 or "
			       "2001:db8::ffff)"},
	{"networking.k8s.io/v1", "IPAddress", NULL, NAMED("192.0.2.1") "spec: {}",
		NO_ADDRESS("192.0.2.1") "spec.parentRef: Required value"},
	{"networking.k8s.io/v1", "IPAddress", NULL, NAMED("192.0.2.1") "spec: {parentRef: {name: s}}",
		NO_ADDRESS("192.0.2.1") "spec.parentRef.resource: Required value"},
	{"networking.k8s.io/v1", "IPAddress", ADDRESS("192.0.2.1"),
		NAMED("192.0.2.1") "spec: {parentRef: {resource: services, namespace: n, name: other}}",
		NO_ADDRESS(
			"192.0.2.1") "spec.parentRef: Invalid value: {\"resource\":\"services\",\"namespace\":\"n\",\"name\":"
				     "\"other\"}: field is immutable"},
	{"apps/v1", "Deployment", NULL, DEPLOY(""), "valid"},
	{"apps/v1", "Deployment", NULL, DEPLOY(", replicas: -1"),
		"Deployment.apps \"a\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"apps/v1", "Deployment", NULL, META "spec: {selector: {matchLabels: {a: c}}, " TEMPLATE "}",
		"Deployment.apps \"a\" is invalid: spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not "
		"match template `labels`"},
	{"apps/v1", "Deployment", DEPLOY(""),
		META
		"spec: {selector: {matchLabels: {a: b, x: y}}, template: {metadata: {labels: {a: b, x: y}}, spec: "
		"{containers: [{name: c, image: i}]}}}",
		"Deployment.apps \"a\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"x\":\"y\"}}: field is "
		"immutable"},
	{"apps/v1", "Deployment", NULL, META,
		"Deployment.apps \"a\" is invalid: [spec.selector: Required value, spec.template: Required value]"},
	{"apps/v1", "Deployment", NULL,
		DEPLOY(", strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"),
		"Deployment.apps \"a\" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when "
		"`maxSurge` is 0"},
	{"apps/v1", "Deployment", NULL, DEPLOY(", strategy: {type: Other}"),
		"Deployment.apps \"a\" is invalid: spec.strategy.type: Unsupported value: \"Other\": supported values: "
		"\"Recreate\", \"RollingUpdate\""},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i}]"), "valid"},
	{"v1", "Pod", NULL, POD(""), "Pod \"a\" is invalid: spec.containers: Required value"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i}, {name: c, image: i}]"),
		"Pod \"a\" is invalid: spec.containers[1].name: Duplicate value: \"c\""},
	{"v1", "Pod", NULL, POD("containers: [{name: C_, image: i}]"),
		"Pod \"a\" is invalid: spec.containers[0].name: Invalid value: \"C_\": a lowercase RFC 1123 label must consist of "
		"lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
		"'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
	{"v1", "Pod", NULL, POD("containers: [{name: c}]"),
		"Pod \"a\" is invalid: spec.containers[0].image: Required value"},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}]"),
		"Pod \"a\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
	{"apps/v1", "StatefulSet", NULL, SET("v"), "valid"},
	{"apps/v1", "StatefulSet", NULL, SET("w"),
		"StatefulSet.apps \"a\" is invalid: spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"w\""},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, ports: [{containerPort: 0}]}]"),
		"Pod \"a\" is invalid: spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, "
		"inclusive"},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]"),
		"Pod \"a\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to "
		"cpu limit of 1"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, resources: {requests: {cpus: 1}}}]"),
		"Pod \"a\" is invalid: spec.containers[0].resources.requests[cpus]: Invalid value: \"cpus\": must be a standard "
		"resource type or fully qualified"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, livenessProbe: {}}]"),
		"Pod \"a\" is invalid: spec.containers[0].livenessProbe: Required value: must specify a handler type"},
	{"v1", "Pod", POD("containers: [{name: c, image: i}]"), POD("containers: [{name: c, image: j}]"),
		"valid"},
	{"v1", "Pod", POD("containers: [{name: c, image: i}]"),
		POD("nodeName: n, containers: [{name: c, image: i}]"),
		"Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than "
		"`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
		"additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
		"previously negative)"},
	{"v1", "Pod", NULL,
		POD(ONE ", securityContext: {sysctls: [{name: net.core.somaxconn, value: '9'}, {name: kernel/sem, value: x}]}"),
		"valid"},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {sysctls: [{name: foo-, value: '1'}]}"),
		NO_SYSCTL("foo-")},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {sysctls: [{name: -bar, value: '1'}]}"),
		NO_SYSCTL("-bar")},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {sysctls: [{name: bar.., value: '1'}]}"),
		NO_SYSCTL("bar..")},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {sysctls: [{name: Foo, value: '1'}]}"),
		NO_SYSCTL("Foo")},
	{"v1", "Pod", NULL,
		POD(ONE ", securityContext: {sysctls: [{name: a.b, value: '1'}, {name: a/b, value: '1'}]}"),
		"Pod \"a\" is invalid: spec.securityContext.sysctls[1].name: Duplicate value: \"a/b\""},
	{"v1", "Pod", NULL,
		POD(ONE ", hostNetwork: true, securityContext: {sysctls: [{name: net.core.somaxconn, value: '9'}]}"),
		"Pod \"a\" is invalid: spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be "
		"specified when 'host net' is enabled"},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {supplementalGroups: [-1]}"),
		"Pod \"a\" is invalid: spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and "
		"4294967295, inclusive"},
	{"v1", "Pod", NULL, POD(ONE ", hostUsers: false, hostPID: true"),
		"Pod \"a\" is invalid: spec.hostPID: Forbidden: when `hostUsers` is false"},
	{"v1", "Pod", NULL, POD(ONE ", shareProcessNamespace: true, hostPID: true"),
		"Pod \"a\" is invalid: spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot "
		"both be enabled"},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 9}]}, {name: d, image: i, ports: "
		    "[{containerPort: 2, hostPort: 9}]}]"),
		"Pod \"a\" is invalid: spec.containers[1].ports[0].hostPort: Duplicate value: 9"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, restartPolicy: Always}]"),
		"Pod \"a\" is invalid: spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers"},
	{"v1", "Pod", NULL, POD(ONE ", initContainers: [{name: d, image: i, restartPolicy: Never}]"),
		"Pod \"a\" is invalid: spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: "
		"\"Always\""},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: '/a:b', mountPropagation: "
		    "Bidirectional}]}], volumes: [{name: v, emptyDir: {}}]"),
		"Pod \"a\" is invalid: [spec.containers[0].volumeMounts[0].mountPath: Invalid value: \"/a:b\": must not contain ':', "
		"spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available "
		"only to privileged containers]"},
	{"v1", "Pod", NULL,
		POD(ONE ", dnsConfig: {nameservers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4], searches: [., a_b.c., 'x y'], options: [{}]}"),
		"Pod \"a\" is invalid: [spec.dnsConfig.nameservers: Invalid value: [\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\",\"10.0.0.4\"]: "
		"must not have more than 3 nameservers, spec.dnsConfig.searches[2]: Invalid value: \"x y\": a lowercase RFC 1123 "
		"subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
		"alphanumeric character (e.g. 'example.com', regex used for validation is "
		"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.dnsConfig.options[0]: Required value: must "
		"not be empty]"},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]}]"),
		"Pod \"a\" is invalid: spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": "
		"supported values: \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", "
		"\"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", "
		"\"status.podIP\", \"status.podIPs\""},
	{"v1", "Pod", NULL,
		POD("containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['x']\"}}}, "
		    "{name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}]"),
		"valid"},
	{"v1", "Pod", NULL, POD("containers: [{name: c, image: i, securityContext: {procMount: Unmasked}}]"),
		"Pod \"a\" is invalid: spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be "
		"false to use `Unmasked`"},
	{"v1", "Pod", NULL,
		POD("hostUsers: false, containers: [{name: c, image: i, securityContext: {procMount: Unmasked}}]"),
		"valid"},
	{"v1", "Pod", NULL,
		POD("os: {name: linux}, securityContext: {windowsOptions: {}}, containers: [{name: c, image: i, securityContext: "
		    "{windowsOptions: {hostProcess: false}}}]"),
		"Pod \"a\" is invalid: [spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux "
		"pod, spec.containers[0].securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod]"},
	{"v1", "Pod", NULL, POD(ONE ", securityContext: {windowsOptions: {hostProcess: false}}"), "valid"},
	{"v1", "Pod", NULL, POD(ONE ", volumes: [{name: v, image: {reference: i, pullPolicy: Sometimes}}]"),
		"Pod \"a\" is invalid: spec.volumes[0].image.pullPolicy: Unsupported value: \"Sometimes\": supported values: "
		"\"Always\", \"IfNotPresent\", \"Never\""},
	{"v1", "Pod", NULL, POD(ONE ", nodeName: n, schedulingGates: [{name: x/y}]"),
		"Pod \"a\" is invalid: spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"},
	{"v1", "ConfigMap", NULL, META "data: {'a b': c}",
		"ConfigMap \"a\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric "
		"characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
		"'[-._a-zA-Z0-9]+')"},
	{"v1", "ConfigMap", META "immutable: true\ndata: {a: b}", META "immutable: true\ndata: {a: c}",
		"ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set"},
	/* what ends a text in C ends no name */
	{"v1", "ConfigMap", NULL, META "data: {\"a\\0b\": c}",
		"ConfigMap \"a\" is invalid: data[a: Invalid value: \"a\\u0000b\": "},
	{"v1", "ConfigMap", NULL, "metadata: {name: a, labels: {x: \"a\\0b\"}}",
		"ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"a\\u0000b\": "},
	{"rbac.authorization.k8s.io/v1", "Role", NULL, "metadata: {name: \"a\\0b\"}",
		"Role.rbac.authorization.k8s.io \"a\" is invalid: metadata.name: Invalid value: \"a\\u0000b\": may not "
		"contain a NUL"},
	{"v1", "ConfigMap", NULL, "metadata: {name: A}",
		"ConfigMap \"A\" is invalid: metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of "
		"lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
		"'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
	{"v1", "ConfigMap", NULL, "data: {a: b}",
		"ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"},
	{"v1", "Secret", NULL, META "type: kubernetes.io/tls\ndata: {tls.crt: YQ==}",
		"Secret \"a\" is invalid: data[tls.key]: Required value"},
	{"v1", "Secret", META "type: Opaque", META "type: x",
		"Secret \"a\" is invalid: type: Invalid value: \"x\": field is immutable"},
	{"v1", "Service", NULL, META "spec: {ports: [{port: 80}]}", "valid"},
	{"v1", "Service", NULL, META "spec: {}", "Service \"a\" is invalid: spec.ports: Required value"},
	{"v1", "Service", NULL, META "spec: {ports: [{port: 80}, {port: 81}]}",
		"Service \"a\" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]"},
	{"v1", "Service", NULL, META "spec: {type: ExternalName}",
		"Service \"a\" is invalid: spec.externalName: Required value"},
	{"batch/v1", "Job", NULL, META "spec: {" TEMPLATE "}",
		"Job.batch \"a\" is invalid: spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
		"\"Never\""},
	{"batch/v1", "CronJob", NULL,
		META
		"spec: {schedule: '*/5 * * jan-mar mon,fri', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, "
		"containers: [{name: c, image: i}]}}}}}",
		"valid"},
	{"batch/v1", "CronJob", NULL,
		META
		"spec: {schedule: 'x', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, "
		"image: i}]}}}}}",
		"CronJob.batch \"a\" is invalid: spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]"},
	{"batch/v1", "CronJob", NULL,
		META
		"spec: {schedule: '61 * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: "
		"[{name: c, image: i}]}}}}}",
		"CronJob.batch \"a\" is invalid: spec.schedule: Invalid value: \"61 * * * *\": failed to parse minute: 61"},
	{"rbac.authorization.k8s.io/v1", "Role", NULL,
		META "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]", "valid"},
	{"rbac.authorization.k8s.io/v1", "Role", NULL, META "rules: [{apiGroups: [''], resources: [pods]}]",
		"Role.rbac.authorization.k8s.io \"a\" is invalid: rules[0].verbs: Required value"},
	{"rbac.authorization.k8s.io/v1", "RoleBinding", NULL,
		META
		"roleRef: {kind: Role, name: r}\nsubjects: [{kind: User, name: u}, {kind: ServiceAccount, name: s}]",
		"RoleBinding.rbac.authorization.k8s.io \"a\" is invalid: subjects[1].namespace: Required value"},
	{"batch/v1", "CronJob", NULL, CRON("Etc/GMT-5"), "valid"},
	{"batch/v1", "CronJob", NULL, CRON("Europe/Berlin"), "valid"},
	{"batch/v1", "CronJob", NULL, CRON("Europe/Entenhausen"),
		NO_ZONE("Europe/Entenhausen") "unknown time zone Europe/Entenhausen"},
	{"batch/v1", "CronJob", NULL, CRON("europe/berlin"),
		NO_ZONE("europe/berlin") "unknown time zone europe/berlin"},
	{"batch/v1", "CronJob", NULL, CRON("Local"), NO_ZONE("Local") NOT_LOCAL},
	{"batch/v1", "CronJob", NULL, CRON("''"), NO_ZONE("") "timeZone must be nil or non-empty string"},
	{"batch/v1", "CronJob", CRON("Old/Place"), CRON("Old/Place"), "valid"},
	{"batch/v1", "CronJob", CRON("UTC"), CRON("Old/Place"),
		NO_ZONE("Old/Place") "unknown time zone Old/Place"},
	{"v1", "Service", NULL,
		SERVICE("internalTrafficPolicy: Local, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4]"),
		"valid"},
	{"v1", "Service", NULL, SERVICE("type: NodePort, externalTrafficPolicy: local"),
		"Service \"a\" is invalid: spec.externalTrafficPolicy: Unsupported value: \"local\": supported values: "
		"\"Cluster\", \"Local\""},
	{"v1", "Service", NULL, SERVICE("trafficDistribution: Near"),
		"Service \"a\" is invalid: spec.trafficDistribution: Unsupported value: \"Near\": supported values: "
		"\"PreferClose\", \"PreferSameNode\", \"PreferSameZone\""},
	{"v1", "Service", NULL, SERVICE("selector: {a: b}, ipFamilies: [IPv6]"),
		"Service \"a\" is invalid: spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"},
	{"v1", "Service", NULL, SERVICE("ipFamilyPolicy: RequireDualStack"),
		"Service \"a\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not "
		"configured for dual-stack services"},
	/* whose pods nobody knows may be of both families */
	{"v1", "Service", NULL,
		SERVICE("clusterIP: None, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6]"),
		"valid"},
	{"batch/v1", "Job", JOB("true", "", ""),
		JOB("true", ", nodeSelector: {a: b}, tolerations: [{operator: Exists}]", ""), "valid"},
	{"batch/v1", "Job", JOB("true", "", ""), JOB("true", "", ", resources: {limits: {cpu: 1}}"), "valid"},
	{"batch/v1", "Job", JOB("true", "", ""), JOB("true", "", ", command: [a]"), NOT_THE_TEMPLATE},
	{"batch/v1", "Job", JOB("true", "", ""), JOB("true", ", affinity: {podAffinity: {}}", ""),
		NOT_THE_TEMPLATE},
	{"batch/v1", "Job", JOB("false", "", ""), JOB("false", ", nodeSelector: {a: b}", ""),
		NOT_THE_TEMPLATE},
	{"policy/v1", "PodDisruptionBudget", NULL, META "spec: {minAvailable: 50%, selector: {}}", "valid"},
	{"policy/v1", "PodDisruptionBudget", NULL, META "spec: {minAvailable: half}",
		"PodDisruptionBudget.policy \"a\" is invalid: spec.minAvailable: Invalid value: \"half\": a valid percent string "
		"must be a numeric followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"},
	{"v1", "PersistentVolumeClaim", NULL,
		META "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}", "valid"},
	{"v1", "PersistentVolumeClaim", NULL,
		META "spec: {accessModes: [Other], resources: {requests: {storage: 1Gi}}}",
		"PersistentVolumeClaim \"a\" is invalid: spec.accessModes[0]: Unsupported value: \"Other\": supported values: "
		"\"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\""},
	{"v1", "PersistentVolumeClaim", CLAIM("1Gi", "", "Pending"), CLAIM("2Gi", "", "Pending"),
		"PersistentVolumeClaim \"a\" is invalid: spec: Forbidden: " CLAIM_STAYS},
	{"v1", "PersistentVolumeClaim", CLAIM("1Gi", "", "Bound"), CLAIM("2Gi", "", "Bound"), "valid"},
	{"v1", "PersistentVolumeClaim", CLAIM("1Gi", "", "Pending"),
		CLAIM("1Gi", "storageClassName: c, volumeName: v,", "Pending"), "valid"},
	{"v1", "PersistentVolumeClaim", CLAIM("1Gi", "volumeName: v,", "Bound"),
		CLAIM("1Gi", "volumeName: w,", "Bound"),
		"PersistentVolumeClaim \"a\" is invalid: spec: Forbidden: " CLAIM_STAYS},
	{"v1", "PersistentVolumeClaim", CLAIM("1Gi", "volumeName: v,", "Bound"), CLAIM("1Gi", "", "Bound"),
		"PersistentVolumeClaim \"a\" is invalid: spec: Forbidden: " CLAIM_STAYS},
	{"v1", "PersistentVolumeClaim", CLAIM("4Gi", "", "Bound"), CLAIM("3Gi", "", "Bound"), "valid"},
	{"v1", "PersistentVolumeClaim", CLAIM("4Gi", "", "Bound"), CLAIM("2Gi", "", "Bound"),
		"PersistentVolumeClaim \"a\" is invalid: spec.resources.requests.storage: Forbidden: field can not be less than "
		"status.capacity"},
	{"v1", "Pod", NULL, POD(ONE ", volumes: [{name: v, ephemeral: {}}]"),
		"Pod \"a\" is invalid: spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"},
	{"v1", "Pod", NULL, POD(ONE ", volumes: [{name: v, " EPHEMERAL("labels: {a: b}") "}]"), "valid"},
	{"v1", "Pod", NULL, POD(ONE ", volumes: [{name: v, " EPHEMERAL("name: x") "}]"),
		"Pod \"a\" is invalid: spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set for "
		"an ephemeral volume"},
	{"v1", "Pod", NULL,
		POD(ONE ", volumes: [{name: v, " EPHEMERAL(
			"") "}, {name: w, persistentVolumeClaim: {claimName: a-v}}]"),
		"Pod \"a\" is invalid: spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: \"a-v\": must not "
		"reference a PVC that gets created for an ephemeral volume"},
	{"networking.k8s.io/v1", "Ingress", NULL, META "spec: {}",
		"Ingress.networking.k8s.io \"a\" is invalid: spec: Invalid value: {}: either `defaultBackend` or `rules` must be "
		"specified"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		META
		"spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d, apiVersion: apps/v1}}",
		"valid"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Mi}}}"),
		"valid"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL, SCALE("{type: Resource}"),
		NOT_SCALED
		"spec.metrics[0].resource: Required value: must populate information for the given metric source"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Resource, resource: {name: cpu, target: {type: Utilization}}}"),
		NOT_SCALED
		"spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value "
		"or a target utilization"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 0}}}"),
		NOT_SCALED
		"spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: '-1'}}}"),
		NOT_SCALED
		"spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be positive"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 5}}, pods: "
		      "{metric: {name: m}, target: {type: AverageValue, averageValue: 1}}}"),
		NOT_SCALED "spec.metrics[0].pods: Forbidden: must populate the given metric source only"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		META
		"spec: {maxReplicas: 3, scaleTargetRef: {kind: D, name: d}, behavior: {scaleUp: {tolerance: '-1'}}}",
		NOT_SCALED
		"spec.behavior.scaleUp.tolerance: Invalid value: \"-1\": must be greater than or equal to 0"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		META "spec: {maxReplicas: 3, scaleTargetRef: {kind: D, name: '..'}}",
		NOT_SCALED "spec.scaleTargetRef.name: Invalid value: \"..\": may not be '..'"},
	{"autoscaling/v2", "HorizontalPodAutoscaler", NULL,
		SCALE("{type: Object, object: {metric: {name: m}, describedObject: {kind: a/b, name: '..'}, target: "
		      "{type: Value, value: 1}}}"),
		NOT_SCALED
		"[spec.metrics[0].object.describedObject.kind: Invalid value: \"a/b\": may not contain '/', "
		"spec.metrics[0].object.describedObject.name: Invalid value: \"..\": may not be '..']"},
	{"autoscaling/v1", "HorizontalPodAutoscaler", NULL,
		META "spec: {maxReplicas: 3, scaleTargetRef: {kind: '%', name: d}}",
		NOT_SCALED "spec.scaleTargetRef.kind: Invalid value: \"%\": may not contain '%'"},
};

static void test_verdicts(void **state)
{
	size_t wrong = 0;

	for (size_t i = 0; i < array_len(cases); i++) {
		cleanup(freep) char *got = verdict_of(
			cases[i].api_version, cases[i].kind, cases[i].before, cases[i].body, VALIDATE_MAIN);

		if (!verdict_is(got, cases[i].verdict)) {
			print_message("%s %s\n  want %s\n  got  %s\n", cases[i].kind, cases[i].body,
				cases[i].verdict, got);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void completes(const char *api_version, const char *kind, const char *body, const char *want)
{
	const struct schema_kind *k = schema_find_kind(api_version, kind);
	cleanup(json_mut_docp) yyjson_mut_doc *doc = verdict_object(k, body), *expected = NULL;
	cleanup(freep) char *got = NULL;
	struct status *s = decode_json(&expected, want, strlen(want));

	assert_null(s);
	got = yyjson_mut_write(doc, 0, NULL);
	if (!meta_equal(doc->root, expected->root))
		fail_msg("want %s\n got %s", want, got);
	/* a second time changes nothing */
	assert_true(default_object(doc, k));
	assert_true(meta_equal(doc->root, expected->root));
}

/* Whoever reads an object may read its status, however young the object is: clients are made to rely on it. */
static void test_status_is_always_there(void **state)
{
	size_t n, seen = 0;
	const struct schema_kind *kinds = schema_kinds(&n);

	for (size_t i = 0; i < n; i++) {
		cleanup(json_mut_docp) yyjson_mut_doc *doc = NULL;

		if (!(kinds[i].flags & SCHEMA_STATUS))
			continue;
		assert_null(decode_json(&doc, "{}", 2));
		assert_true(default_object(doc, &kinds[i]));
		if (!yyjson_mut_is_obj(yyjson_mut_obj_get(doc->root, "status")))
			fail_msg("a new %s has no status", kinds[i].kind);
		seen++;
	}
	assert_true(seen >= 18);
}

static void test_defaults(void **state)
{
	completes("apps/v1", "Deployment", DEPLOY(""),
		"{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"spec\":{"
		"\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"imagePullPolicy\":\"Always\",\"resources\":{},"
		"\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}],\"dnsPolicy\":"
		"\"ClusterFirst\",\"restartPolicy\":\"Always\",\"schedulerName\":\"default-scheduler\",\"securityContext\":{},"
		"\"terminationGracePeriodSeconds\":30}},\"replicas\":1,\"revisionHistoryLimit\":10,\"progressDeadlineSeconds\":600,"
		"\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\"}}},\"status\":{}}");
	completes("v1", "PodTemplate",
		META
		"template: {spec: {containers: [], volumes: [{name: a, image: {reference: 'i:1'}}, {name: b, image: {reference: "
		"i}}, {name: c, image: {reference: i, pullPolicy: Never}}]}}",
		"{\"kind\":\"PodTemplate\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"template\":{\"spec\":{"
		"\"containers\":[],\"volumes\":[{\"name\":\"a\",\"image\":{\"reference\":\"i:1\",\"pullPolicy\":\"IfNotPresent\"}},{\"name\":\"b\","
		"\"image\":{\"reference\":\"i\",\"pullPolicy\":\"Always\"}},{\"name\":\"c\",\"image\":{\"reference\":\"i\",\"pullPolicy\":\"Never\"}}],"
		"\"dnsPolicy\":\"ClusterFirst\",\"restartPolicy\":\"Always\",\"schedulerName\":\"default-scheduler\",\"securityContext\":{},"
		"\"terminationGracePeriodSeconds\":30}}}");
	completes("v1", "Service", META "spec: {type: NodePort, ports: [{port: 80}]}",
		"{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"spec\":{\"type\":"
		"\"NodePort\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80}],\"sessionAffinity\":\"None\","
		"\"externalTrafficPolicy\":\"Cluster\",\"internalTrafficPolicy\":\"Cluster\"},\"status\":{\"loadBalancer\":{}}}");
	completes("v1", "Service",
		META
		"spec: {type: ClusterIP, ports: [{port: 80}], sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}}",
		"{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"spec\":{\"type\":"
		"\"ClusterIP\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80}],\"sessionAffinity\":\"None\","
		"\"internalTrafficPolicy\":\"Cluster\"},\"status\":{\"loadBalancer\":{}}}");
	completes("v1", "Secret", META "stringData: {a: b}",
		"{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"data\":{\"a\":\"Yg==\"},"
		"\"type\":\"Opaque\"}");
	completes("v1", "Namespace", "metadata: {name: n}",
		"{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n\",\"labels\":{\"kubernetes.io/metadata.name\":"
		"\"n\"}},\"spec\":{},\"status\":{\"phase\":\"Active\"}}");
	completes("v1", "Pod",
		POD("volumes: [{name: v}, {name: w, secret: {secretName: s}}], containers: [{name: c, image: 'i:1', livenessProbe: "
		    "{httpGet: {port: 80}}, resources: {limits: {cpu: 1}}}]"),
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"d\"},\"spec\":{\"volumes\":[{\"name\":"
		"\"v\",\"emptyDir\":{}},{\"name\":\"w\",\"secret\":{\"secretName\":\"s\",\"defaultMode\":420}}],\"containers\":[{\"name\":"
		"\"c\",\"image\":\"i:1\",\"livenessProbe\":{\"httpGet\":{\"port\":80,\"path\":\"/\",\"scheme\":\"HTTP\"},"
		"\"timeoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3},\"resources\":{\"limits\":{"
		"\"cpu\":\"1\"},\"requests\":{\"cpu\":\"1\"}},\"imagePullPolicy\":\"IfNotPresent\",\"terminationMessagePath\":"
		"\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}],\"dnsPolicy\":\"ClusterFirst\",\"restartPolicy\":"
		"\"Always\",\"schedulerName\":\"default-scheduler\",\"securityContext\":{},\"terminationGracePeriodSeconds\":30,"
		"\"enableServiceLinks\":true},\"status\":{}}");
}

static void test_quantities(void **state)
{
	static const char *const pairs[][2] = {
		{"0.5", "500m"},
		{"1000m", "1"},
		{"1024Ki", "1Mi"},
		{"1.5Gi", "1536Mi"},
		{"100000", "100k"},
		{"1e3", "1e3"},
		{"0", "0"},
		{"0Mi", "0"},
		{"-1", "-1"},
		{"1E", "1E"},
		{"0.0000000001", "1n"},
		{"12e6", "12e6"},
		{"1500m", "1500m"},
		{"1023", "1023"},
		{"0.5Mi", "512Ki"},
		{"500Ki", "500Ki"},
		{"10n", "10n"},
		{"9223372036854775807", "9223372036854775807"},
		{"99999999999999999999", "9223372036854775807"},
		{".5", "500m"},
		{"5.", "5"},
		{"1Ei", "1Ei"},
		{"1000000000000000000.1", "1000000000000000000100m"},
		{"100Ei", "9223372036854775807"},
	};
	static const char *const bad[] = {"", "x", "1x", "1 ", "--1", "1e", "1.2.3", "Mi", "1MiB", "+", "."};

	for (size_t i = 0; i < array_len(pairs); i++) {
		char buf[QUANTITY_TEXT_MAX];
		struct quantity q;

		assert_int_equal(quantity_parse(&q, pairs[i][0], strlen(pairs[i][0])), 0);
		assert_string_equal(quantity_text(&q, buf), pairs[i][1]);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		struct quantity q;

		assert_int_not_equal(quantity_parse(&q, bad[i], strlen(bad[i])), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_status_is_always_there),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_quantities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
