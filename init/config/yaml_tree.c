/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tree is built from libyaml's events by one recursive descent whose depth is checked before each step
 * down. Every event is deleted on the path that read it; what a node needs is copied.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "init/config/yaml_tree.h"

struct reader {
	yaml_parser_t yaml;
	struct config_error *err;
	const char *text; /* borrowed */
	size_t len;
	unsigned nodes;
	unsigned depth;
	unsigned quoted_line; /* where the last scalar began, when it is quoted and goes over several lines;
				 else 0 */
};

int config_refuse(struct config_error *err, unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;

	err->line = line;
	err->column = column;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return CONFIG_REFUSED;
}

void yaml_node_free(struct yaml_node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_kids; i++)
		yaml_node_free(n->kids[i]);
	free(n->kids);
	free(n->text);
	free(n->key);
	free(n);
}

static void nodep(struct yaml_node **n)
{
	yaml_node_free(*n);
}

static int refuse_at(struct reader *r, const yaml_mark_t *at, const char *text)
{
	return config_refuse(r->err, (unsigned)at->line + 1, (unsigned)at->column + 1, "%s", text);
}

/* libyaml notices an unclosed quote at the end of the file; the reader wants to know where it was opened. */
static int syntax_error(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	char begun[192] = "";

	if (y->context && y->context_mark.line != y->problem_mark.line)
		snprintf(begun, sizeof(begun), " %.100s begun on line %zu", y->context,
			y->context_mark.line + 1);
	else if (y->context)
		snprintf(begun, sizeof(begun), " %.100s", y->context);
	if (r->quoted_line)
		snprintf(begun, sizeof(begun),
			"; the text before it was quoted on line %u: is that quote closed?", r->quoted_line);
	return config_refuse(r->err, (unsigned)y->problem_mark.line + 1, (unsigned)y->problem_mark.column + 1,
		"not YAML: %s%s", y->problem ? y->problem : "syntax error", begun);
}

static void note_quotes(struct reader *r, const yaml_event_t *ev)
{
	yaml_scalar_style_t style;

	if (ev->type != YAML_SCALAR_EVENT)
		return;
	style = ev->data.scalar.style;
	if ((style == YAML_DOUBLE_QUOTED_SCALAR_STYLE || style == YAML_SINGLE_QUOTED_SCALAR_STYLE) &&
		ev->end_mark.line != ev->start_mark.line)
		r->quoted_line = (unsigned)ev->start_mark.line + 1;
	else
		r->quoted_line = 0;
}

/* libyaml reads ahead, so its mark is not where the bad byte is; its offset is. */
static int not_text(struct reader *r)
{
	const char *problem = r->yaml.problem ? r->yaml.problem : "unreadable";
	size_t end = r->yaml.problem_offset < r->len ? r->yaml.problem_offset : r->len;
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < end; i++, column++)
		if (r->text[i] == '\n') {
			line++;
			column = 0;
		}
	return config_refuse(r->err, line, column, "not UTF-8 text: %s", problem);
}

static int next(struct reader *r, yaml_event_t *ev)
{
	const yaml_parser_t *y = &r->yaml;

	if (yaml_parser_parse(&r->yaml, ev)) {
		note_quotes(r, ev);
		return CONFIG_OK;
	}
	if (y->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (y->error == YAML_READER_ERROR)
		return not_text(r);
	return syntax_error(r);
}

static char *copy(const yaml_event_t *ev)
{
	return strndup((const char *)ev->data.scalar.value, ev->data.scalar.length);
}

/* Control characters have no business in a configuration, and a NUL would hide what follows it. */
static bool printable(const yaml_event_t *ev)
{
	for (size_t i = 0; i < ev->data.scalar.length; i++) {
		unsigned char c = ev->data.scalar.value[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static int check_event(struct reader *r, const yaml_event_t *ev)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return refuse_at(r, &ev->start_mark, "aliases (*name) are not accepted; write the value out");
	case YAML_SCALAR_EVENT:
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
		if (!printable(ev))
			return refuse_at(r, &ev->start_mark, "control characters are not accepted");
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
		break;
	default:
		return CONFIG_OK;
	}
	if (anchor)
		return refuse_at(r, &ev->start_mark, "anchors (&name) are not accepted; write the value out");
	if (tag)
		return refuse_at(r, &ev->start_mark, "tags (!name) are not accepted");
	return CONFIG_OK;
}

/* Makes room for one more at each power of two, so that no capacity needs to be kept. */
static int append(struct yaml_node *parent, struct yaml_node *kid)
{
	size_t n = parent->n_kids;

	if ((n & (n - 1)) == 0) {
		struct yaml_node **grown = realloc(parent->kids, (n ? n * 2 : 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		parent->kids = grown;
	}
	parent->kids[parent->n_kids++] = kid;
	return CONFIG_OK;
}

static int read_node(struct reader *r, yaml_event_t *ev, struct yaml_node **out);

/* @ev is the key; reads the value and appends it. */
static int read_member(struct reader *r, yaml_event_t *ev, struct yaml_node *map)
{
	cleanup(nodep) struct yaml_node *value = NULL;
	cleanup(freep) char *key = NULL;
	unsigned line = (unsigned)ev->start_mark.line + 1, column = (unsigned)ev->start_mark.column + 1;
	yaml_event_t first;
	int rc;

	if (ev->type != YAML_SCALAR_EVENT)
		return refuse_at(r, &ev->start_mark, "a key must be a word");
	key = copy(ev);
	if (!key)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_kids; i++)
		if (!strcmp(map->kids[i]->key, key))
			return config_refuse(r->err, line, column,
				"key \"%.64s\" is given twice, first on line %u", key,
				map->kids[i]->key_line);

	rc = next(r, &first);
	if (rc)
		return rc;
	rc = read_node(r, &first, &value);
	yaml_event_delete(&first);
	if (rc)
		return rc;
	value->key = take(key);
	value->key_line = line;
	value->key_column = column;
	rc = append(map, value);
	if (!rc)
		value = NULL;
	return rc;
}

static int read_item(struct reader *r, yaml_event_t *ev, struct yaml_node *list)
{
	cleanup(nodep) struct yaml_node *value = NULL;
	int rc = read_node(r, ev, &value);

	if (!rc)
		rc = append(list, value);
	if (!rc)
		value = NULL;
	return rc;
}

static int read_kids(struct reader *r, struct yaml_node *n, const yaml_mark_t *at)
{
	yaml_event_type_t end = n->kind == YAML_MAP_ ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;

	if (++r->depth > YAML_DEPTH_MAX)
		return refuse_at(r, at, "nested too deeply");
	for (;;) {
		yaml_event_t ev;
		int rc = next(r, &ev);

		if (rc)
			return rc;
		if (ev.type == end) {
			yaml_event_delete(&ev);
			r->depth--;
			return CONFIG_OK;
		}
		rc = check_event(r, &ev);
		if (!rc)
			rc = n->kind == YAML_MAP_ ? read_member(r, &ev, n) : read_item(r, &ev, n);
		yaml_event_delete(&ev);
		if (rc)
			return rc;
	}
}

static int read_node(struct reader *r, yaml_event_t *ev, struct yaml_node **out)
{
	cleanup(nodep) struct yaml_node *n = NULL;
	int rc = check_event(r, ev);

	if (rc)
		return rc;
	if (++r->nodes > YAML_NODES_MAX)
		return refuse_at(r, &ev->start_mark, "too many values");
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->line = (unsigned)ev->start_mark.line + 1;
	n->column = (unsigned)ev->start_mark.column + 1;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		n->kind = YAML_SCALAR_;
		n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		n->text = copy(ev);
		if (!n->text)
			return -ENOMEM;
		break;
	case YAML_MAPPING_START_EVENT:
		n->kind = YAML_MAP_;
		rc = read_kids(r, n, &ev->start_mark);
		break;
	case YAML_SEQUENCE_START_EVENT:
		n->kind = YAML_LIST_;
		rc = read_kids(r, n, &ev->start_mark);
		break;
	default:
		rc = refuse_at(r, &ev->start_mark, "a value is missing here");
	}
	if (!rc)
		*out = take(n);
	return rc;
}

/* Takes the next event, which must be of @type. */
static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
	yaml_event_t ev;
	int rc = next(r, &ev);

	if (rc)
		return rc;
	if (ev.type != type)
		rc = refuse_at(r, &ev.start_mark, otherwise);
	yaml_event_delete(&ev);
	return rc;
}

static int read_document(struct reader *r, struct yaml_node **out)
{
	yaml_event_t ev;
	int rc = expect(r, YAML_STREAM_START_EVENT, "not YAML");

	if (!rc)
		rc = expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty");
	if (!rc)
		rc = next(r, &ev);
	if (rc)
		return rc;
	rc = read_node(r, &ev, out);
	yaml_event_delete(&ev);
	if (!rc)
		rc = expect(r, YAML_DOCUMENT_END_EVENT, "not YAML");
	if (!rc)
		rc = expect(r, YAML_STREAM_END_EVENT, "only one document is accepted");
	return rc;
}

int yaml_tree_parse(struct yaml_node **out, const char *text, size_t len, struct config_error *err)
{
	cleanup(nodep) struct yaml_node *root = NULL;
	struct reader r = {.err = err, .text = text, .len = len};
	int rc;

	if (!yaml_parser_initialize(&r.yaml))
		return -ENOMEM;
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, len);
	rc = read_document(&r, &root);
	yaml_parser_delete(&r.yaml);
	if (!rc)
		*out = take(root);
	return rc;
}
