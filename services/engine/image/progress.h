/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_PROGRESS_H
#define ENGINE_IMAGE_PROGRESS_H

#include <stdint.h>

/*
 * Messages of the Docker API's progress stream, one JSON object a line on descriptor 1. Ids and texts are
 * ours or have been checked: nothing in them needs escaping.
 */
void progress_line(const char *status);
void progress_status(const char *id, const char *status);
void progress_bytes(const char *id, const char *status, uint64_t current, uint64_t total);
void progress_retry(const char *id, unsigned seconds);

#endif
