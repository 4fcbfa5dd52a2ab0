/* SPDX-License-Identifier: Apache-2.0 */

/* Cells of configuration, events, storage, quotas, access. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cluster/schema/cells_int.h"
#include "cluster/schema/meta.h"
#include "cluster/schema/selector.h"
#include "cluster/schema/table.h"
#include "lib/json.h"

static void data_count(struct cell *c)
{
	cell_number(c, (int64_t)(yyjson_obj_size(yyjson_obj_get(c->object, "data")) +
				 yyjson_obj_size(yyjson_obj_get(c->object, "binaryData"))));
}

static void secrets_count(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->object, "secrets")));
}

/* ---- events, in either group's form */

static yyjson_val *event_about(struct cell *c)
{
	return yyjson_obj_get(c->object, "involvedObject") ?: yyjson_obj_get(c->object, "regarding");
}

static const char *event_first(struct cell *c)
{
	return json_text(c->object, "firstTimestamp") ?: json_text(c->object, "deprecatedFirstTimestamp") ?:
		json_text(c->object, "eventTime");
}

static const char *event_last(struct cell *c)
{
	return json_text(yyjson_obj_get(c->object, "series"), "lastObservedTime") ?:
		json_text(c->object, "lastTimestamp") ?: json_text(c->object, "deprecatedLastTimestamp") ?: event_first(c);
}

static void event_last_seen(struct cell *c)
{
	cell_since(c, event_last(c));
}

static void event_first_seen(struct cell *c)
{
	cell_since(c, event_first(c));
}

static void event_object(struct cell *c)
{
	yyjson_val *about = event_about(c);

	for (const char *p = json_str(about, "kind") ?: ""; *p; p++)
		cell_print(c, "%c", tolower((unsigned char)*p));
	if (json_text(about, "name"))
		cell_print(c, "/%s", json_text(about, "name"));
}

static void event_subobject(struct cell *c)
{
	cell_print(c, "%s", json_str(event_about(c), "fieldPath") ?: "");
}

static void event_source(struct cell *c)
{
	yyjson_val *source =
		yyjson_obj_get(c->object, "source") ?: yyjson_obj_get(c->object, "deprecatedSource");
	const char *component = json_text(source, "component") ?: json_text(c->object, "reportingComponent") ?:
		json_text(c->object, "reportingController");
	const char *host = json_text(source, "host") ?: json_text(c->object, "reportingInstance");

	cell_print(c, "%s", component ?: "");
	if (host)
		cell_item(c, ", ", host);
}

static void event_message(struct cell *c)
{
	const char *s = json_str(c->object, "message") ?: json_str(c->object, "note") ?: "";
	size_t len = strlen(s);

	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	cell_print(c, "%.*s", (int)(len < CELL_TEXT_MAX ? len : CELL_TEXT_MAX - 1), s);
}

static void event_count(struct cell *c)
{
	int64_t n = json_int(yyjson_obj_get(c->object, "series"), "count", 0);

	if (!n)
		n = json_int(c->object, "count", json_int(c->object, "deprecatedCount", 0));
	cell_print(c, "%lld", (long long)(n ? n : 1));
}

/* ---- storage */

static void modes(struct cell *c, yyjson_val *list)
{
	static const struct {
		const char *mode, *text;
	} table[] = {{"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"},
		{"ReadWriteOncePod", "RWOP"}};

	for (size_t i = 0; i < array_len(table); i++)
		if (json_arr_has(list, table[i].mode))
			cell_item(c, ",", table[i].text);
}

static void access_modes(struct cell *c)
{
	modes(c, yyjson_obj_get(c->spec, "accessModes"));
}

static void claim_modes(struct cell *c)
{
	if (json_text(c->spec, "volumeName"))
		modes(c, yyjson_obj_get(c->status, "accessModes"));
}

static void phase(struct cell *c)
{
	cell_print(c, "%s",
		meta_text(c->object, "deletionTimestamp") ? "Terminating" : json_str(c->status, "phase") ?: "");
}

static void pv_claim(struct cell *c)
{
	yyjson_val *ref = yyjson_obj_get(c->spec, "claimRef");

	if (ref)
		cell_print(c, "%s/%s", json_str(ref, "namespace") ?: "", json_str(ref, "name") ?: "");
}

static void storage_class(struct cell *c)
{
	yyjson_val *old = meta_get(
		c->object, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class", NULL);

	cell_print(c, "%s", yyjson_get_str(old) ?: json_str(c->spec, "storageClassName") ?: "");
}

static void attributes_class(struct cell *c)
{
	cell_or(c, json_str(c->spec, "volumeAttributesClassName"), "<unset>");
}

static void volume_mode(struct cell *c)
{
	cell_or(c, json_str(c->spec, "volumeMode"), "<unset>");
}

static void class_name(struct cell *c)
{
	yyjson_val *chosen = meta_get(
		c->object, "metadata", "annotations", "storageclass.kubernetes.io/is-default-class", NULL);

	cell_print(c, "%s%s", meta_text(c->object, "name") ?: "",
		yyjson_equals_str(chosen, "true") ? " (default)" : "");
}

static void class_reclaim(struct cell *c)
{
	cell_or(c, json_str(c->object, "reclaimPolicy"), "Delete");
}

static void class_binding(struct cell *c)
{
	cell_or(c, json_str(c->object, "volumeBindingMode"), "Immediate");
}

static void class_expansion(struct cell *c)
{
	cell_bool(c, json_bool(c->object, "allowVolumeExpansion"));
}

static void attached(struct cell *c)
{
	cell_bool(c, json_bool(c->status, "attached"));
}

static void csi_drivers(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->spec, "drivers")));
}

static void webhooks(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->object, "webhooks")));
}

/* ---- policies of admission */

static void policy_validations(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->spec, "validations")));
}

static void policy_mutations(struct cell *c)
{
	cell_number(c, (int64_t)yyjson_arr_size(yyjson_obj_get(c->spec, "mutations")));
}

static void policy_param(struct cell *c)
{
	yyjson_val *kind = yyjson_obj_get(c->spec, "paramKind");

	if (kind)
		cell_print(c, "%s/%s", json_str(kind, "apiVersion") ?: "", json_str(kind, "kind") ?: "");
	else
		cell_print(c, "<unset>");
}

static void policy_binding_param(struct cell *c)
{
	yyjson_val *ref = yyjson_obj_get(c->spec, "paramRef");
	struct selector *s = selector_of(yyjson_obj_get(ref, "selector"));
	cleanup(freep) char *text = s ? selector_text(s) : NULL;

	selector_free(s);
	if (ref)
		cell_print(c, "%s/%s", json_text(ref, "namespace") ?: "*",
			json_text(ref, "name") ?: text ?: "");
	else
		cell_print(c, "<unset>");
}

/* ---- quotas */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void quota(struct cell *c, bool limits)
{
	yyjson_val *hard = yyjson_obj_get(c->status, "hard") ?: yyjson_obj_get(c->spec, "hard"), *key, *v;
	yyjson_val *used = yyjson_obj_get(c->status, "used");
	const char *names[64];
	size_t i, n, found = 0;

	json_obj_foreach (hard, i, n, key, v)
		if (!strncmp(yyjson_get_str(key), "limits.", 7) == limits && found < array_len(names))
			names[found++] = yyjson_get_str(key);
	qsort(names, found, sizeof(*names), by_text);
	for (i = 0; i < found; i++)
		cell_print(c, "%s%s: %s/%s", i ? ", " : "", names[i], json_str(used, names[i]) ?: "0",
			json_str(hard, names[i]) ?: "");
}

static void quota_request(struct cell *c)
{
	quota(c, false);
}

static void quota_limit(struct cell *c)
{
	quota(c, true);
}

static void priority_value(struct cell *c)
{
	cell_number(c, json_int(c->object, "value", 0));
}

static void global_default(struct cell *c)
{
	cell_bool(c, json_bool(c->object, "globalDefault"));
}

/* ---- access */

static void binding_role(struct cell *c)
{
	yyjson_val *ref = yyjson_obj_get(c->object, "roleRef");

	cell_print(c, "%s/%s", json_str(ref, "kind") ?: "", json_str(ref, "name") ?: "");
}

static void subjects(struct cell *c, const char *kind)
{
	size_t i, n;
	yyjson_val *s;
	char text[640];

	yyjson_arr_foreach (yyjson_obj_get(c->object, "subjects"), i, n, s) {
		if (!yyjson_equals_str(yyjson_obj_get(s, "kind"), kind))
			continue;
		if (!strcmp(kind, "ServiceAccount"))
			snprintf(text, sizeof(text), "%.256s/%.256s", json_str(s, "namespace") ?: "",
				json_str(s, "name") ?: "");
		else
			snprintf(text, sizeof(text), "%.512s", json_str(s, "name") ?: "");
		cell_item(c, ", ", text);
	}
}

static void binding_users(struct cell *c)
{
	subjects(c, "User");
}

static void binding_groups(struct cell *c)
{
	subjects(c, "Group");
}

static void binding_accounts(struct cell *c)
{
	subjects(c, "ServiceAccount");
}

static void csr_duration(struct cell *c)
{
	yyjson_val *v = yyjson_obj_get(c->spec, "expirationSeconds");
	char text[32];

	if (!v) {
		cell_print(c, "<none>");
		return;
	}
	table_duration(text, sizeof(text), yyjson_get_sint(v));
	cell_print(c, "%s", text);
}

static void csr_condition(struct cell *c)
{
	size_t i, n;
	yyjson_val *v;
	bool approved = false, denied = false, failed = false;

	yyjson_arr_foreach (yyjson_obj_get(c->status, "conditions"), i, n, v) {
		approved |= yyjson_equals_str(yyjson_obj_get(v, "type"), "Approved");
		denied |= yyjson_equals_str(yyjson_obj_get(v, "type"), "Denied");
		failed |= yyjson_equals_str(yyjson_obj_get(v, "type"), "Failed");
	}
	cell_print(c, "%s", denied ? "Denied" : approved ? "Approved" : "Pending");
	if (failed)
		cell_print(c, ",Failed");
	if (json_text(c->status, "certificate"))
		cell_print(c, ",Issued");
}

/* ---- devices */

static void claim_state(struct cell *c)
{
	bool leaving = json_text(yyjson_obj_get(c->object, "metadata"), "deletionTimestamp"),
	     found = yyjson_obj_get(c->status, "allocation");

	if (leaving)
		cell_item(c, ",", "deleted");
	if (found)
		cell_item(c, ",", "allocated");
	if (found && yyjson_arr_size(yyjson_obj_get(c->status, "reservedFor")))
		cell_item(c, ",", "reserved");
	if (!found && !leaving)
		cell_print(c, "pending");
}

/* ---- flow control */

static void flow_distinguisher(struct cell *c)
{
	cell_or(c, json_str(yyjson_obj_get(c->spec, "distinguisherMethod"), "type"), "<none>");
}

/* Of the condition Dangling. */
static void flow_missing_level(struct cell *c)
{
	yyjson_val *v;
	size_t i, n;

	yyjson_arr_foreach (json_arr(c->status, "conditions"), i, n, v)
		if (yyjson_equals_str(yyjson_obj_get(v, "type"), "Dangling"))
			cell_print(c, "%s", json_str(v, "status") ?: "");
	if (!c->len)
		cell_print(c, "?");
}

static void number_or_none(struct cell *c, yyjson_val *number)
{
	if (yyjson_is_int(number))
		cell_number(c, yyjson_get_sint(number));
	else
		cell_print(c, "<none>");
}

static void flow_shares(struct cell *c)
{
	yyjson_val *part = yyjson_obj_get(c->spec, "limited") ?: yyjson_obj_get(c->spec, "exempt");

	number_or_none(c, yyjson_obj_get(part, "nominalConcurrencyShares"));
}

static void queuing(struct cell *c, const char *key)
{
	number_or_none(
		c, yyjson_obj_get(meta_get(c->spec, "limited", "limitResponse", "queuing", NULL), key));
}

static void flow_queues(struct cell *c)
{
	queuing(c, "queues");
}

static void flow_hand(struct cell *c)
{
	queuing(c, "handSize");
}

static void flow_length(struct cell *c)
{
	queuing(c, "queueLengthLimit");
}

cell_fn *const cells_other[N_CELLS] = {
	[CELL_FLOW_DISTINGUISHER] = flow_distinguisher,
	[CELL_FLOW_HAND] = flow_hand,
	[CELL_FLOW_LENGTH] = flow_length,
	[CELL_FLOW_MISSING_LEVEL] = flow_missing_level,
	[CELL_FLOW_QUEUES] = flow_queues,
	[CELL_FLOW_SHARES] = flow_shares,
	[CELL_CLAIM_STATE] = claim_state,
	[CELL_DATA_COUNT] = data_count,
	[CELL_SECRETS_COUNT] = secrets_count,
	[CELL_EVENT_LAST_SEEN] = event_last_seen,
	[CELL_EVENT_FIRST_SEEN] = event_first_seen,
	[CELL_EVENT_OBJECT] = event_object,
	[CELL_EVENT_SUBOBJECT] = event_subobject,
	[CELL_EVENT_SOURCE] = event_source,
	[CELL_EVENT_MESSAGE] = event_message,
	[CELL_EVENT_COUNT] = event_count,
	[CELL_ACCESS_MODES] = access_modes,
	[CELL_CLAIM_MODES] = claim_modes,
	[CELL_PHASE] = phase,
	[CELL_PV_CLAIM] = pv_claim,
	[CELL_PV_CLASS] = storage_class,
	[CELL_CLAIM_CLASS] = storage_class,
	[CELL_ATTRIBUTES_CLASS] = attributes_class,
	[CELL_VOLUME_MODE] = volume_mode,
	[CELL_CLASS_NAME] = class_name,
	[CELL_CLASS_RECLAIM] = class_reclaim,
	[CELL_CLASS_BINDING] = class_binding,
	[CELL_CLASS_EXPANSION] = class_expansion,
	[CELL_ATTACHED] = attached,
	[CELL_CSI_DRIVERS] = csi_drivers,
	[CELL_WEBHOOKS] = webhooks,
	[CELL_POLICY_BINDING_PARAM] = policy_binding_param,
	[CELL_POLICY_MUTATIONS] = policy_mutations,
	[CELL_POLICY_PARAM] = policy_param,
	[CELL_POLICY_VALIDATIONS] = policy_validations,
	[CELL_QUOTA_REQUEST] = quota_request,
	[CELL_QUOTA_LIMIT] = quota_limit,
	[CELL_PRIORITY_VALUE] = priority_value,
	[CELL_GLOBAL_DEFAULT] = global_default,
	[CELL_BINDING_ROLE] = binding_role,
	[CELL_BINDING_USERS] = binding_users,
	[CELL_BINDING_GROUPS] = binding_groups,
	[CELL_BINDING_ACCOUNTS] = binding_accounts,
	[CELL_CSR_DURATION] = csr_duration,
	[CELL_CSR_CONDITION] = csr_condition,
};
