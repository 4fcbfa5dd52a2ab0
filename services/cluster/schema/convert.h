/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CONVERT_H
#define CLUSTER_CONVERT_H

/*
 * A kind that is served in two versions is stored in one (schema_kind.stored). Only two need it: Event (v1
 * and events.k8s.io/v1) and HorizontalPodAutoscaler (autoscaling/v1 and v2).
 */

#include <stdbool.h>
#include <yyjson.h>

struct schema_kind;

/* The document becomes one of @to; its apiVersion too. Nothing to do when they are one. false: no memory. */
bool convert_object(yyjson_mut_doc *doc, const struct schema_kind *from, const struct schema_kind *to);

#endif
