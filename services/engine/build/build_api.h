/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BUILD_BUILD_API_H
#define ENGINE_BUILD_BUILD_API_H

/* POST /build: the classic builder's protocol. The build is a worker (build_int.h); here is its request. */

struct engine;

/* The label of the containers in which a build runs its commands; the second one with --rm=false. */
#define BUILD_LABEL	 "wherry.build"
#define BUILD_KEPT_LABEL "wherry.build.kept"

/* At start of the engine: what builds of the last one left goes. */
void build_sweep(struct engine *e);

#endif
