/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_CEL_INT_H
#define CLUSTER_CEL_INT_H

/*
 * The inside: lex.c makes tokens, parse.c (parse_int.h) a tree of nodes with names resolved to slots, check.c looks at its types
 * (types.c), eval.c (eval_each.c for macros) walks it for cel.c; value.c knows what values are, messages.c those that change an object, functions_*.c are
 * tables of what can be called. Everything of one program, and everything of one evaluation, lives in an arena and goes with it.
 */

#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cluster/cel/cel.h"
#include "lib/quantity.h"

/* ---- memory */

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t left; /* of what it may still take, in all */
	bool full;   /* something was not given: what was made is not whole */
};

/* Zeroed; NULL when the arena is full or there is no memory. */
void *arena_get(struct arena *a, size_t size);
void arena_free(struct arena *a);

/* ---- values */

enum value_type {
	VALUE_ERROR, /* propagates through everything but && || ?: and the macros that know better */
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_UINT,
	VALUE_DOUBLE,
	VALUE_STRING,
	VALUE_BYTES,
	VALUE_LIST,
	VALUE_MAP,
	VALUE_TIMESTAMP,
	VALUE_DURATION,
	VALUE_TYPE,
	VALUE_OPTIONAL,
	VALUE_QUANTITY,
	VALUE_IP,
	VALUE_CIDR,
	VALUE_URL,
	VALUE_MESSAGE,
	VALUE_FORMAT,
	VALUE_SEMVER,
	VALUE_AUTHORIZER,
	VALUE_PATH_CHECK,
	VALUE_GROUP_CHECK,
	VALUE_RESOURCE_CHECK,
	VALUE_DECISION,
};

struct value;

struct text {
	const char *s; /* UTF-8, may hold NUL */
	size_t n;
};

struct list {
	size_t n;
	struct value *items;
};

struct pair;

struct map {
	size_t n;
	struct pair *pairs;
};

/* Object.spec{replicas: 1} */
struct message {
	struct text type;
	const struct map *fields;
};

struct text_format;
struct semver;

struct decision {
	int answer; /* as of cel_authorizer */
	struct text why;
};

struct address {
	int family; /* AF_INET or AF_INET6 */
	int prefix; /* bits of a CIDR */
	uint8_t b[16];
};

struct value {
	enum value_type type;
	uint8_t as;	      /* of what has json: its items are these (value_typed); 0: whatever they are */
	uint8_t deep;	      /* so many lists or maps are around them */
	yyjson_mut_val *json; /* of a list or a map that comes from outside; then list and map are not set */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		struct text text; /* also of a URL, of bytes, and of an error's words */
		const struct list *list;
		const struct map *map;
		struct timespec time;	/* durations, too: seconds and nanoseconds of one sign */
		enum value_type of;	/* of a type */
		const struct value *in; /* of an optional; NULL: none */
		const struct quantity *quantity;
		const struct address *address;
		const struct message *message;
		const struct text_format *format;
		const struct semver *semver;
		const struct cel_question *question; /* of an authorizer, and of what is asked so far */
		const struct decision *decision;
	};
};

struct pair {
	struct value key, value;
};

/* ---- programs */

enum { SLOTS_MAX = 48, ARGS_MAX = 64 };

enum node_type {
	NODE_LITERAL,
	NODE_NAME,    /* slot */
	NODE_MEMBER,  /* of the family; slot is its number */
	NODE_SELECT,  /* operand.name */
	NODE_HAS,     /* has(operand.name) */
	NODE_INDEX,   /* operand[args[0]] */
	NODE_CALL,    /* function(args); a receiver is args[0] */
	NODE_LIST,    /* args */
	NODE_MAP,     /* args: key, value, key, value */
	NODE_MESSAGE, /* the same; name is its type */
	NODE_COND,    /* args[0] ? args[1] : args[2] */
	NODE_AND,
	NODE_OR,
	NODE_OPTIONAL, /* operand: an element that is left out when it is none */
	NODE_EACH, /* a macro over operand: args[0] for each item, which is in slot (and its key in the slot before) */
};

enum each {
	EACH_ALL,
	EACH_EXISTS,
	EACH_ONE,
	EACH_MAP,
	EACH_FILTER,
	EACH_LIST,
	EACH_ENTRIES,
	EACH_MERGE,    /* what is made of each is a map with entries of the whole */
	EACH_SORT,     /* args[0] is a key to sort by */
	EACH_OPTIONAL, /* over an optional, which has one item or none: what is made of it is one again */
	EACH_FLAT,     /* what is made of it is an optional itself */
	EACH_BIND,     /* over any value, which is the one item */
};

struct eval;

struct function {
	const char *name;
	bool member; /* called as x.name() */
	const char
		*overloads; /* types of arguments, the receiver included, and what comes of them (types.c) */
	struct value (*fn)(struct eval *e, const struct value *args, size_t n);
};

struct node {
	enum node_type type;
	enum each each;
	bool optional;	/* .? and [?] */
	bool with_keys; /* EACH with two variables */
	bool no_null;	/* SELECT and HAS: a field that is null is not there, which a schema says */
	uint8_t as; /* enum cel_kind that a text or a number is, which a schema says (value_typed); 0: whatever it is */
	uint8_t deep; /* so many lists or maps are around those */
	uint32_t at;  /* in the text: where it is complained about */
	size_t slot, n;
	const struct node *operand;
	const struct node *const *args;
	const struct function *function;
	struct text name;
	struct value literal;
};

struct type;

struct cel {
	struct arena arena;
	const char *const *names;
	struct text text;
	const struct node *root;
	const struct type *type; /* of what it makes, once it was checked; NULL: not known */
	uint64_t used;		 /* bits of the names that occur */
	uint64_t optional;	 /* the bit of the one that is an optional */
};

/* ---- lex.c */

enum token_type {
	TOKEN_END,
	TOKEN_NAME, /* also keywords */
	TOKEN_QUOTED_NAME,
	TOKEN_VALUE,
	TOKEN_OP,  /* one or two characters */
	TOKEN_BAD, /* text has why */
};

struct token {
	enum token_type type;
	struct text text;
	struct value value;
	size_t at;
};

struct lexer {
	const char *text;
	size_t len, at;
	struct arena *arena;
};

struct token lex(struct lexer *l);

/* ---- parse.c, parse_tree.c */

/* The tree, or NULL: @why. */
const struct node *cel_parse(struct cel *c, const struct cel_scope *scope, char why[static CEL_WHY_MAX]);
/* What is wrong, after its place: "1:7: ". */
void cel_refuse(char why[static CEL_WHY_MAX], struct text text, size_t at, const char *format, va_list ap)
	printf_like(4, 0);

/* ---- types.c */

struct type {
	enum cel_kind kind;
	unsigned depth;
	const struct type *key,
		*of; /* of a list its items, of a map its keys and values, of an optional what is in it */
	struct text name;	/* of a message */
	struct cel_shape shape; /* of a struct */
};

/* Where types are made, and how much work that was: what is too much, or has no room, is dyn. */
struct typing {
	struct arena *arena;
	size_t work;
};

/* Those that are nothing but their kind. */
const struct type *type_of_kind(enum cel_kind kind);
const struct type *type_of_literal(struct value v);
const struct type *type_of_shape(struct typing *t, struct cel_shape shape);
const struct type *type_list(struct typing *t, const struct type *of);
const struct type *type_map(struct typing *t, const struct type *key, const struct type *of);
const struct type *type_optional(struct typing *t, const struct type *of);
const struct type *type_message(struct typing *t, struct text name);
/* What is left when the arena that it was made in goes: what is open is dyn. */
const struct type *type_copy(struct typing *t, const struct type *type);
/* Can values of both be in one place? What is known of them then. NULL: they cannot. */
const struct type *type_join(struct typing *t, const struct type *a, const struct type *b);
static inline bool type_may_be(const struct type *t, enum cel_kind kind)
{
	return t->kind == kind || t->kind == CEL_DYN || t->kind == CEL_OPEN;
}
/* Upstream's words for it, as much of them as there is room for. */
void type_write(const struct type *type, char *out, size_t size);
/* Of "(int, string)", or of "int.(string)" with a receiver. */
void types_write(const struct type *const *args, size_t n, bool member, char *out, size_t size);
/* What comes of arguments of these types; NULL: they do not match. */
const struct type *overloads_find(
	struct typing *t, const char *overloads, const struct type *const *args, size_t n);
/* Is there one with @n arguments? */
bool overloads_take(const char *overloads, size_t n);

/* ---- functions_*.c: each ends with an empty name */

extern const struct function cel_operators[], cel_standard[], cel_times[], cel_strings[], cel_printf[],
	cel_lists[], cel_orders[], cel_kube[], cel_urls[], cel_semver[], cel_formats[], cel_patches[],
	cel_authorizers[];
const struct function *function_find(struct text name, bool member);
/* functions_urls.c */
bool text_is_url(struct text t);
/* functions_semver.c: below, at or above 0 */
int semver_compare(struct eval *e, const struct semver *a, const struct semver *b);
/* functions_authorizer.c: nothing is asked yet. */
extern const struct cel_question cel_question_of_nothing;
/* Steps of matching: to read the pattern, and as many states as it has for each byte. */
static inline size_t pattern_cost(struct text pattern, size_t bytes)
{
	return 100 + pattern.n + bytes * (pattern.n / 8 + 1) / 8;
}
/* indexOf and lastIndexOf, which texts have, too. */
struct value list_index(struct eval *e, const struct value *args, bool last);
/* functions_orders.c: the items in the order of as many keys. */
struct value list_sort(struct eval *e, const struct list *l, const struct value *keys);

/* ---- eval.c */

enum { NANO = 1000000000 };
/* How deep an expression goes is bounded when it is read; with those it refers to it goes deeper. */
enum { EVAL_BYTES_MAX = 8 << 20, VALUE_DEPTH_MAX = 100, EVAL_DEPTH_MAX = 3000 };

struct member {
	bool known;
	struct value value;
};

struct eval {
	struct arena arena;
	size_t steps, depth;
	struct value slots[SLOTS_MAX];
	const struct cel_family *family;	 /* NULL: none */
	struct member *members;			 /* as many */
	const struct cel_authorizer *authorizer; /* NULL: none */
};

/* @n more steps of work; false: too many, and whatever is made of it, the evaluation has no answer. */
bool eval_spend(struct eval *e, size_t n);

/* To read a text from one end to the other: no step of its own when it is short. */
static inline bool eval_read(struct eval *e, struct text t)
{
	return eval_spend(e, t.n / 16);
}

extern const struct value eval_too_much;

/* What the tree comes to. */
struct value eval_tree(struct eval *e, const struct node *root);
/* Of a part of it. */
struct value eval_at(struct eval *e, const struct node *n);
/* eval_each.c: of a macro. */
struct value eval_each(struct eval *e, const struct node *n);

/* ---- messages.c */

/* Can this be the first part of a type's name, and all of it? Does it have this field? */
bool message_begins(struct text name);
bool message_is_type(struct text type);
bool message_has_field(struct text type, struct text field);
/* Is it a field of JSONPatch that is a text? */
bool message_is_text(struct text type, struct text field);
/* An error when a field's value is not what the type says. */
struct value message_make(struct eval *e, struct text type, const struct map *fields);
/* A message's fields, as a map. */
static inline struct value message_fields(struct value v)
{
	return (struct value){.type = VALUE_MAP, .map = v.message->fields};
}
/* What cel_round_patch() says; NULL: *v is an error. */
yyjson_mut_val *message_patch(struct eval *e, struct value *v, enum cel_result type, yyjson_mut_doc *doc);

/* ---- value.c */

struct value value_error(struct eval *e, const char *format, ...) printf_like(2, 3);
struct value value_overload(void);	 /* "no such overload" */
extern const struct value value_no_room; /* "out of memory" */
struct value value_json(yyjson_mut_val *v);
struct value value_text(struct eval *e, const char *s, size_t n); /* copied */
const char *value_type_name(enum value_type t);

static inline struct value value_bool(bool b)
{
	return (struct value){.type = VALUE_BOOL, .b = b};
}

static inline struct value value_int(int64_t i)
{
	return (struct value){.type = VALUE_INT, .i = i};
}

static inline struct value value_string(const char *s, size_t n)
{
	return (struct value){.type = VALUE_STRING, .text = {s, n}};
}

static inline bool is_number(struct value v)
{
	return v.type >= VALUE_INT && v.type <= VALUE_DOUBLE;
}

static inline bool is_error(struct value v)
{
	return v.type == VALUE_ERROR;
}

/* One level of a list or a map in memory; NULL: full. */
const struct list *value_list(struct eval *e, struct value v);
const struct map *value_map(struct eval *e, struct value v);
size_t value_size(struct value v);					      /* of a list or a map */
struct value value_make_list(struct eval *e, size_t n, struct value **items); /* to be filled in */
/* Empty, with room for so many pairs. */
struct value value_make_map(struct eval *e, size_t room, struct map **out);
struct value value_optional(struct eval *e, const struct value *in); /* NULL: none */

/* Numbers by value whatever their type; what is of different types is not equal. */
bool value_equal(struct eval *e, struct value a, struct value b);
/* *order below, at or above 0; false: they have none. @e: NULL when what texts take is paid for. */
bool value_order(struct eval *e, struct value a, struct value b, int *order);
/* The value of a key, or false. A map from outside is gone through; most are so small that this is no step of its own. */
bool value_lookup(struct eval *e, struct value map, struct value key, struct value *out);
/*
 * A text as the moment, span or bytes that it writes, a whole number as the double that it is to be, also in an optional, or @deep in
 * lists and maps from outside, where they are looked at when they are taken out. What is no such text or number stays.
 */
struct value value_typed(struct eval *e, struct value v, enum cel_kind kind, uint8_t deep);
/* One of the items of @of, which comes from outside. */
struct value value_inside(struct eval *e, struct value of, yyjson_mut_val *item);
/* As string() writes it. */
struct value value_written(struct eval *e, struct value v);

/* A short text as a C string; false: it is none, too long for @buf, or has a NUL in it. */
bool value_plain(struct value v, char *buf, size_t size);
static inline bool text_is(struct text t, const char *s)
{
	return t.n == strlen(s) && !memcmp(t.s, s, t.n);
}

static inline bool text_same(struct text a, struct text b)
{
	return a.n == b.n && !memcmp(a.s, b.s, a.n);
}

/* -1, 0 or 1, by their bytes. */
static inline int text_order(struct text a, struct text b)
{
	int order = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);

	return order ? (order > 0) - (order < 0) : (a.n > b.n) - (a.n < b.n);
}

#define DIGITS "0123456789"

/* Are all its bytes, if it has any, among @of? */
static inline bool text_all_of(struct text t, const char *of)
{
	for (size_t i = 0; i < t.n; i++)
		if (!t.s[i] || !strchr(of, t.s[i]))
			return false;
	return true;
}

/* Of an authorizer it is a name of its own, no field: authorizer.requestResource. */
static inline bool is_request_resource(const struct node *n)
{
	return n->type == NODE_SELECT && !n->optional && n->operand->type == NODE_NAME &&
	       text_is(n->name, "requestResource");
}

/*
 * Names that CEL cannot write are escaped in rules of Kubernetes: "__dash__" is "-", "__in__" is the word in. Bytes of what it
 * stands for, 0: too long for @out.
 */
size_t text_unescape(struct text name, char *out, size_t size);
/* Code points. */
size_t text_count(struct text t);
/* Where the code point @i begins; t.n for what is behind the last. */
size_t text_offset(struct text t, size_t i);

#endif
