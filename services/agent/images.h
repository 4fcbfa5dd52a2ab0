/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_IMAGES_H
#define AGENT_IMAGES_H

/* Images for containers and volumes, as their pull policy and the pod's registry secrets say. */

#include <yyjson.h>

#include "lib/util.h"

struct image_pull;
struct pod;
struct pod_container;

/* @why NULL: the image is here. @reason: ErrImagePull, ErrImageNeverPull, ImageInspectError, InvalidImageName. */
typedef void images_done(struct pod *p, struct pod_container *c, const char *reason, const char *why);

/*
 * Begins; c->pull says that it is under way, and the pod has it pending. @done is called from the loop, once, unless it is
 * cancelled. false: no memory.
 */
bool images_ensure(struct pod *p, struct pod_container *c, images_done *done);

/* As images_done, of no container. */
typedef void image_pulled(void *arg, const char *reason, const char *why);
/**
 * images_fetch() - likewise, for a volume
 * @out:	receives the pull, set before @done can be called; gone with it
 * @policy:	Always, IfNotPresent, Never; NULL: what the API makes of the image's tag
 */
bool images_fetch(struct image_pull **out, struct pod *p, const char *image, const char *policy,
	image_pulled *done, void *arg);
void image_pull_cancel(struct image_pull *pull); /* accepts NULL */

/* ---- images_secret.c */

/**
 * image_credentials() - who to be at the registry of @image
 * @config:	text of a .dockerconfigjson, or of a .dockercfg
 *
 * Return: malloc'ed value of X-Registry-Auth; NULL: it has none for that registry, or is malformed.
 */
char *image_credentials(const char *config, size_t len, const char *image);

#endif
