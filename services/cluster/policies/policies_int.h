/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_POLICIES_INT_H
#define CLUSTER_POLICIES_INT_H

/*
 * The inside: policies.c keeps policies and bindings, ask.c asks those that a write concerns, params.c finds what a binding refers
 * to. What one policy makes of one write with one parameter is change.c for those that change; for those that judge expressions.c
 * says what they have against it, and judge.c what becomes of that.
 */

#include "cluster/cel/cel.h"
#include "cluster/match/authorizer.h"
#include "cluster/match/conditions.h"
#include "cluster/match/match.h"
#include "cluster/policies/policies.h"

struct selector;

/* ---- policies.c */

enum policy_phase { POLICY_CHANGES, POLICY_JUDGES, N_POLICY_PHASES };

/* What policies and bindings have in common. */
struct entry {
	struct entry *next; /* in order of names */
	char *name;	    /* owned */
	yyjson_doc *doc;    /* owned */
};

/* One of validations, mutations or auditAnnotations: its texts are the document's. */
struct term {
	yyjson_val *root;
	struct cel *program, *message; /* owned; message NULL: none */
};

struct terms {
	struct term *items; /* owned */
	size_t n;
};

/* An expression that is NULL was not accepted: the policy has no answer (wrong). */
struct policy {
	struct entry entry;
	enum policy_phase phase;
	struct match match;
	struct conditions conditions;
	bool ignore, again;		      /* failurePolicy, reinvocationPolicy */
	const char *param_api;		      /* paramKind; NULL: none */
	const char *param_kind;		      /* the same */
	struct cel_family family;	      /* variables; both arrays are owned, and the programs */
	struct terms mutations, rules, notes; /* those of its phase */
	char *wrong;			      /* owned; NULL, or why it cannot be asked */
	bool no_memory;			      /* to say so: it is no policy then */
};

struct binding {
	struct entry entry;
	const char *policy; /* of the document */
	struct match match;
	yyjson_val *params;	   /* paramRef; NULL: none */
	struct selector *selector; /* owned; of paramRef; NULL: none */
	bool deny, warn, audit;
};

enum entry_kind { POLICY, BINDING, N_ENTRY_KINDS };

struct policies {
	struct registry *r;
	struct entry *first[N_ENTRY_KINDS][N_POLICY_PHASES];
	struct informer informers[N_ENTRY_KINDS][N_POLICY_PHASES];
};

/* What expressions of it may speak of. */
static inline const char *const *policy_names_of(const struct policy *p)
{
	return policy_names(p->param_kind, true);
}

/* ---- params.c */

struct params {
	const struct schema_kind *kind; /* as the policy names it */
	struct object **items;		/* held */
	size_t n;
};

/*
 * What the binding refers to. NULL, or why it cannot be said. Without paramKind or paramRef there is one, an object
 * that is NULL. params_fini() in both cases.
 */
must_check const char *params_find(
	struct params *out, const struct policy *p, const struct binding *b, const struct attempt *a);
void params_fini(struct params *p);
/* The kind of the policy's parameters, or NULL: it is not known (or has none). */
const struct schema_kind *params_kind(const struct policy *p);

/* ---- ask.c */

struct asking {
	struct attempt *a;
	struct write_authorizer authorizer;
	const struct policy *policy;
	const struct binding *binding; /* NULL: it is about the policy */
	/* the write, as the last policy wanted to see it */
	const struct schema_kind *as;
	unsigned changes;	 /* of the attempt, when that was made */
	yyjson_mut_doc *request; /* owned */
	yyjson_mut_doc *space;	 /* owned: the namespace; NULL: none, or not asked for */
	bool has_space;		 /* was asked for */
	size_t budget;
	struct status *refusal;	      /* owned: the first */
	struct policies_asked *asked; /* of those that change */
	const struct object *param;   /* NULL: none */
};

/* Of policy_names(), as the policy wants to see them; @param: NULL is null. false: no memory. */
must_check bool asking_values(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param,
	yyjson_mut_val *values[static N_POLICY_NAMES]);
/* The write is refused, unless it was already. @reason: NULL: what is usual. */
void asking_refuse(struct asking *k, const char *reason, const char *why);
/* Is it asked at all, as reinvocationPolicy has it? And: it was. -1: no memory. */
must_check int asking_is_due(struct asking *k);
must_check int asking_was_asked(struct asking *k);
/* There is no answer, which is one, as failurePolicy says. */
void asking_no_answer(struct asking *k, const char *reason, const char *format, ...) printf_like(3, 4);

/* ---- change.c, judge.c: what the policy says with one parameter. false: no memory. */

must_check bool change_write(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param);
must_check bool judge_write(struct asking *k, const struct schema_kind *as, yyjson_mut_val *param);

/* ---- expressions.c */

/* What a policy has against a write. */
struct objection {
	const char *reason; /* of the document, or NULL: Invalid */
	const char *message;
	bool annotation; /* it is a note that has no answer: refused whatever the binding's actions are */
};

/*
 * @values:	of policy_names()
 * @fn:		is told of each objection
 *
 * Return: false: no memory.
 */
must_check bool expressions_ask(const struct policy *p, yyjson_mut_val *const *values,
	const struct cel_authorizer *authorizer, size_t *budget,
	void (*fn)(const struct objection *o, void *arg), void *arg);

#endif
