/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APPLETS_H
#define APPLETS_H

/*
 * All services but init and runtime are one static program, /bin/wherry, called by the name of the link or by
 * its first argument. A service is one row here and one main function in its room.
 */
#define APPLETS(X)                                                                                           \
	X(config, config_main)                                                                               \
	X(engine, engine_main)                                                                               \
	X(storage, storage_main)                                                                             \
	X(logger, logger_main)                                                                               \
	X(seed, seed_main)                                                                                   \
	X(wherryctl, wherryctl_main)                                                                         \
	X(docker, docker_main)                                                                               \
	X(network, network_main)                                                                             \
	X(network_dhcp, network_dhcp_main)                                                                   \
	X(engine_pull, engine_pull_main)                                                                     \
	X(engine_image, engine_image_main)                                                                   \
	X(engine_build, engine_build_main)                                                                   \
	X(engine_volumes, engine_volumes_main)                                                               \
	X(engine_archive, engine_archive_main)                                                               \
	X(time, time_main)                                                                                   \
	X(engine_let_go, engine_let_go_main)                                                                 \
	X(engine_remove, engine_remove_main)                                                                 \
	X(engine_log_pack, engine_log_pack_main)                                                             \
	X(engine_spill, engine_spill_main)                                                                   \
	X(cluster_network, cluster_network_main)                                                             \
	X(cluster, cluster_main)                                                                             \
	X(agent, agent_main)                                                                                 \
	X(agent_volumes, agent_volumes_main)

#define X(name, fn) int fn(int argc, char **argv);
APPLETS(X)
#undef X

#endif
