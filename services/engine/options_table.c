/* SPDX-License-Identifier: Apache-2.0 */

/* The table of options; OPTIONS.md is the page of it for users. */

#include <string.h>

#include "engine/options.h"

#define WINDOWS "is an option of Windows containers"
#define V1	"is an option of cgroup v1, which this node does not have"

static const struct shape healthcheck[] = {
	{"Test", SHAPE_STRS},
	{"Interval", SHAPE_INT},
	{"Timeout", SHAPE_INT},
	{"StartPeriod", SHAPE_INT},
	{"StartInterval", SHAPE_INT},
	{"Retries", SHAPE_INT},
	{0},
};

static const struct shape weight_device[] = {{"Path", SHAPE_STR}, {"Weight", SHAPE_INT}, {0}};
static const struct shape throttle_device[] = {{"Path", SHAPE_STR}, {"Rate", SHAPE_INT}, {0}};
static const struct shape device[] = {
	{"PathOnHost", SHAPE_STR}, {"PathInContainer", SHAPE_STR}, {"CgroupPermissions", SHAPE_STR}, {0}};
static const struct shape ulimit[] = {{"Name", SHAPE_STR}, {"Soft", SHAPE_INT}, {"Hard", SHAPE_INT}, {0}};
static const struct shape log_config[] = {{"Type", SHAPE_STR}, {"Config", SHAPE_OBJ}, {0}};
static const struct shape restart_members[] = {{"Name", SHAPE_STR}, {"MaximumRetryCount", SHAPE_INT}, {0}};

static const struct shape port_binding[] = {{"HostIp", SHAPE_STR}, {"HostPort", SHAPE_STR}, {0}};

static const struct shape bind_options[] = {
	{"Propagation", SHAPE_STR},
	{"NonRecursive", SHAPE_BOOL},
	{"CreateMountpoint", SHAPE_BOOL},
	{"ReadOnlyNonRecursive", SHAPE_BOOL},
	{"ReadOnlyForceRecursive", SHAPE_BOOL},
	{0},
};
static const struct shape driver_config[] = {{"Name", SHAPE_STR}, {"Options", SHAPE_STR_MAP}, {0}};
static const struct shape volume_options[] = {
	{"NoCopy", SHAPE_BOOL},
	{"Labels", SHAPE_STR_MAP},
	{"DriverConfig", SHAPE_OBJ, .of = driver_config},
	{"Subpath", SHAPE_STR},
	{0},
};
static const struct shape image_options[] = {{"Subpath", SHAPE_STR}, {0}};
static const struct shape tmpfs_options[] = {
	{"SizeBytes", SHAPE_INT}, {"Mode", SHAPE_INT}, {"Options", SHAPE_ARR}, {0}};
static const struct shape mount_members[] = {
	{"Target", SHAPE_STR},
	{"Source", SHAPE_STR},
	{"Type", SHAPE_STR},
	{"ReadOnly", SHAPE_BOOL},
	{"Consistency", SHAPE_STR}, /* how other systems share files: nothing to do on Linux, as in Docker */
	{"BindOptions", SHAPE_OBJ, .of = bind_options},
	{"VolumeOptions", SHAPE_OBJ, .of = volume_options},
	{"ImageOptions", SHAPE_OBJ, .of = image_options},
	{"TmpfsOptions", SHAPE_OBJ, .of = tmpfs_options},
	{"ClusterOptions", SHAPE_OBJ, "are for volumes of a swarm, which this engine does not have"},
	{0},
};

static const struct shape networking[] = {{"EndpointsConfig", SHAPE_MAP, .of = shape_endpoint}, {0}};

const struct shape options_config[] = {
	{"Hostname", SHAPE_STR},
	{"Domainname", SHAPE_STR},
	{"User", SHAPE_STR},
	{"AttachStdin", SHAPE_BOOL},
	{"AttachStdout", SHAPE_BOOL},
	{"AttachStderr", SHAPE_BOOL},
	{"ExposedPorts", SHAPE_OBJ},
	{"Tty", SHAPE_BOOL},
	{"OpenStdin", SHAPE_BOOL},
	{"StdinOnce", SHAPE_BOOL},
	{"Env", SHAPE_STRS},
	{"Cmd", SHAPE_ENTRY},
	{"Healthcheck", SHAPE_OBJ, .of = healthcheck},
	{"ArgsEscaped", SHAPE_BOOL, WINDOWS},
	{"Image", SHAPE_STR},
	{"Volumes", SHAPE_OBJ},
	{"WorkingDir", SHAPE_STR},
	{"Entrypoint", SHAPE_ENTRY},
	{"NetworkDisabled", SHAPE_BOOL, "is not supported by this engine: use NetworkMode none"},
	{"MacAddress", SHAPE_STR},
	{"OnBuild", SHAPE_STRS},
	{"Labels", SHAPE_STR_MAP},
	{"StopSignal", SHAPE_STR},
	{"StopTimeout", SHAPE_INT},
	{"Shell", SHAPE_STRS},
	{"HostConfig", SHAPE_OBJ, .of = options_host},
	{"NetworkingConfig", SHAPE_OBJ, .of = networking},
	{"Runtime", SHAPE_STR}, /* the SDK for Python says it here */
	{0},
};

const struct shape options_host[] = {
	{"CpuShares", SHAPE_INT},
	{"Memory", SHAPE_INT},
	{"CgroupParent", SHAPE_STR},
	{"BlkioWeight", SHAPE_INT},
	{"BlkioWeightDevice", SHAPE_ARR, .of = weight_device},
	{"BlkioDeviceReadBps", SHAPE_ARR, .of = throttle_device},
	{"BlkioDeviceWriteBps", SHAPE_ARR, .of = throttle_device},
	{"BlkioDeviceReadIOps", SHAPE_ARR, .of = throttle_device},
	{"BlkioDeviceWriteIOps", SHAPE_ARR, .of = throttle_device},
	{"CpuPeriod", SHAPE_INT},
	{"CpuQuota", SHAPE_INT},
	{"CpuRealtimePeriod", SHAPE_INT, V1},
	{"CpuRealtimeRuntime", SHAPE_INT, V1},
	{"CpusetCpus", SHAPE_STR},
	{"CpusetMems", SHAPE_STR},
	{"Devices", SHAPE_ARR, .of = device},
	{"DeviceCgroupRules", SHAPE_STRS},
	{"DeviceRequests", SHAPE_ARR,
		"asks for a device driver (such as a GPU's), of which this node has none"},
	{"KernelMemory", SHAPE_INT}, /* options_show.c: discarded */
	{"KernelMemoryTCP", SHAPE_INT},
	{"MemoryReservation", SHAPE_INT},
	{"MemorySwap", SHAPE_INT},
	{"MemorySwappiness", SHAPE_INT},
	{"NanoCpus", SHAPE_INT},
	{"OomKillDisable", SHAPE_BOOL},
	{"Init", SHAPE_BOOL},
	{"PidsLimit", SHAPE_INT},
	{"Ulimits", SHAPE_ARR, .of = ulimit},
	{"CpuCount", SHAPE_INT, WINDOWS},
	{"CpuPercent", SHAPE_INT, WINDOWS},
	{"IOMaximumIOps", SHAPE_INT, WINDOWS},
	{"IOMaximumBandwidth", SHAPE_INT, WINDOWS},
	{"Binds", SHAPE_STRS},
	{"ContainerIDFile", SHAPE_STR}, /* the client's own note */
	{"LogConfig", SHAPE_OBJ, .of = log_config},
	{"NetworkMode", SHAPE_STR},
	{"PortBindings", SHAPE_ARR_MAP, .of = port_binding},
	{"RestartPolicy", SHAPE_OBJ, .of = restart_members},
	{"AutoRemove", SHAPE_BOOL},
	{"VolumeDriver", SHAPE_STR},
	{"VolumesFrom", SHAPE_STRS},
	{"Mounts", SHAPE_ARR, .of = mount_members},
	{"ConsoleSize", SHAPE_ARR},
	{"Annotations", SHAPE_STR_MAP},
	{"CapAdd", SHAPE_STRS},
	{"CapDrop", SHAPE_STRS},
	{"CgroupnsMode", SHAPE_STR},
	{"Dns", SHAPE_STRS},
	{"DnsOptions", SHAPE_STRS},
	{"DnsSearch", SHAPE_STRS},
	{"ExtraHosts", SHAPE_STRS},
	{"GroupAdd", SHAPE_STRS},
	{"IpcMode", SHAPE_STR},
	{"Cgroup", SHAPE_STR,
		"joins the control group of another engine's container, of which this node has none"},
	{"Links", SHAPE_STRS}, /* container_net.c */
	{"OomScoreAdj", SHAPE_INT},
	{"PidMode", SHAPE_STR},
	{"Pod", SHAPE_OBJ}, /* the engine's own: pod.h */
	{"Privileged", SHAPE_BOOL},
	{"PublishAllPorts", SHAPE_BOOL},
	{"ReadonlyRootfs", SHAPE_BOOL},
	{"SecurityOpt", SHAPE_STRS},
	{"StorageOpt", SHAPE_STR_MAP,
		"(--storage-opt) is not supported by this engine: a container's layer has no size limit of its own"},
	{"Tmpfs", SHAPE_STR_MAP},
	{"UTSMode", SHAPE_STR},
	{"UsernsMode", SHAPE_STR},
	{"ShmSize", SHAPE_INT},
	{"Sysctls", SHAPE_STR_MAP},
	{"Runtime", SHAPE_STR},
	{"Isolation", SHAPE_STR},
	{"MaskedPaths", SHAPE_STRS},
	{"ReadonlyPaths", SHAPE_STRS},
	{0},
};

bool options_is_beside(const char *name)
{
	static const char *const beside[] = {"HostConfig", "NetworkingConfig", "Runtime"};

	for (size_t i = 0; i < array_len(beside); i++)
		if (!strcmp(beside[i], name))
			return true;
	return false;
}

const char *options_member(bool host, size_t i, const char **refusal)
{
	const struct shape *table = host ? options_host : options_config;

	*refusal = table[i].refusal;
	return table[i].name;
}
