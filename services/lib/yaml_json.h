/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_YAML_JSON_H
#define LIB_YAML_JSON_H

/* YAML that says what JSON can say, as Kubernetes' manifests are written. */

#include <stddef.h>
#include <yyjson.h>

#include "lib/util.h"

enum { YAML_JSON_DEPTH_MAX = 128 };

/**
 * yaml_json() - one document
 * @out:	receives it; the caller's to free
 * @why:	receives what is wrong: "yaml: line 3: ..."; "" otherwise
 *
 * Return: 0, -EINVAL, or -ENOMEM.
 */
must_check int yaml_json(yyjson_mut_doc **out, const void *text, size_t len, char *why, size_t why_size);

#endif
