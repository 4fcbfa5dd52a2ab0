/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONDITIONS_H
#define CLUSTER_CONDITIONS_H

/* What the conditions of webhooks (matchConditions) may speak of: object, oldObject and request, as a webhook is shown them. */

/* NULL-terminated, for cel_compile(). */
extern const char *const condition_names[];

#endif
