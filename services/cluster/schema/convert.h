/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONVERT_H
#define CLUSTER_CONVERT_H

/*
 * A kind that is served in two versions is stored in one (schema_kind.stored). Of the built-in ones only two need it: Event (v1
 * and events.k8s.io/v1) and HorizontalPodAutoscaler (autoscaling/v1 and v2). Versions of a definition differ in their name, or
 * become each other by its webhook, which has to be waited for.
 */

#include <stdbool.h>
#include <yyjson.h>

struct schema_conversion;
struct schema_kind;

/* Who makes an object of @from one of @to, as the definition now says; NULL: convert_object() does. */
const struct schema_conversion *convert_webhook(const struct schema_kind *from, const struct schema_kind *to);

/* The document becomes one of @to; its apiVersion too. Nothing to do when they are one. false: no memory. */
bool convert_object(yyjson_mut_doc *doc, const struct schema_kind *from, const struct schema_kind *to);

#endif
