/* SPDX-License-Identifier: Apache-2.0 */

/* The pure parts of a build: Dockerfile, words, settings, patterns. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/build/dockerfile.h"
#include "engine/build/match.h"
#include "engine/build/settings.h"
#include "engine/build/words.h"

static struct dockerfile *parsed(const char *text)
{
	struct dockerfile_error e;
	struct dockerfile *d;

	if (dockerfile_parse(&d, text, strlen(text), &e) < 0)
		fail_msg("line %u: %s", e.line, e.text);
	return d;
}

static void refused(const char *text, unsigned line, const char *words)
{
	struct dockerfile_error e;
	struct dockerfile *d;

	assert_int_equal(dockerfile_parse(&d, text, strlen(text), &e), -EINVAL);
	assert_int_equal(e.line, line);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", e.text, words);
}

static void lines(void **state)
{
	struct dockerfile *d =
		parsed("\xef\xbb\xbf# a comment\n\nfrom a\r\n  RUN one \\\n   # inside\n\n  two\\  \n"
		       "three\nCMD x");

	assert_int_equal(d->n_steps, 3);
	assert_int_equal(d->steps[0].op, DF_FROM);
	assert_int_equal(d->steps[0].line, 3);
	assert_string_equal(d->steps[0].rest, "a");
	assert_int_equal(d->steps[1].line, 4);
	assert_string_equal(d->steps[1].rest, "one   twothree");
	assert_string_equal(d->steps[1].source, "RUN one   twothree");
	assert_int_equal(d->steps[2].line, 9);
	dockerfile_free(d);
	refused("", 0, "no instructions");
	refused("# only\n\n", 0, "no instructions");
	refused("FROM a\n\nNOPE x\n", 3, "unknown instruction: NOPE");
	refused("FROM a\nRUN\n", 2, "RUN requires at least one argument");
}

static void directives(void **state)
{
	struct dockerfile *d = parsed("# syntax=docker/dockerfile:1\n#escape = `\nFROM a\nRUN a `\n b\\\n");

	assert_string_equal(d->syntax, "docker/dockerfile:1");
	assert_int_equal(d->escape, '`');
	assert_string_equal(d->steps[1].rest, "a  b\\");
	dockerfile_free(d);
	/* only before anything else */
	d = parsed("\n# escape=`\nFROM a\n");
	assert_int_equal(d->escape, '\\');
	dockerfile_free(d);
	refused("# escape=x\nFROM a\n", 1, "invalid escape");
	refused("# escape=`\n# escape=`\nFROM a\n", 2, "given twice");
}

static void forms(void **state)
{
	struct dockerfile *d =
		parsed("FROM --platform=x a AS b\nCMD [\"a\", \"b c\"]\nCMD [a]\nCOPY --chown=1:2 --link "
		       "\"a b\" 'c d' e\\ f\nONBUILD COPY --from=x a b\nCMD []\n");

	assert_string_equal(dockerfile_flag(&d->steps[0], "platform"), "x");
	assert_int_equal(d->steps[0].n_words, 3);
	assert_true(d->steps[1].json);
	assert_int_equal(d->steps[1].n_words, 2);
	assert_string_equal(d->steps[1].words[1], "b c");
	assert_false(d->steps[2].json);
	assert_string_equal(dockerfile_flag(&d->steps[3], "link"), "");
	assert_null(dockerfile_flag(&d->steps[3], "chmod"));
	assert_int_equal(d->steps[3].n_words, 3);
	assert_string_equal(d->steps[3].words[2], "e\\ f");
	assert_string_equal(d->steps[4].rest, "COPY --from=x a b");
	assert_int_equal(d->steps[4].n_flags, 0);
	assert_true(d->steps[5].json && d->steps[5].n_words == 0);
	dockerfile_free(d);
}

static void heredocs(void **state)
{
	struct dockerfile *d =
		parsed("FROM a\nRUN <<EOF cat <<-'X'\none\n# two\nEOF\n\tthree $x\n\tX\nCMD after\n");

	assert_int_equal(d->steps[1].n_heredocs, 2);
	assert_string_equal(d->steps[1].heredocs[0].text, "one\n# two\n");
	assert_true(d->steps[1].heredocs[0].expand);
	assert_string_equal(d->steps[1].heredocs[1].text, "three $x\n");
	assert_false(d->steps[1].heredocs[1].expand);
	assert_int_equal(d->steps[2].op, DF_CMD);
	dockerfile_free(d);
	refused("FROM a\nRUN <<EOF\nx\n", 2, "unterminated heredoc");
	/* no heredocs: a here-string, another instruction */
	d = parsed("FROM a\nRUN cat <<<x\nCMD <<EOF\n");
	assert_int_equal(d->steps[1].n_heredocs + d->steps[2].n_heredocs, 0);
	dockerfile_free(d);
}

/* ---- words */

static const char *value(const char *name, size_t len, void *arg)
{
	static const char *const vars[][2] = {
		{"a", "A"}, {"empty", ""}, {"path", "/x/y/file.tar.gz"}, {"b_1", "two words"}};

	for (size_t i = 0; i < array_len(vars); i++)
		if (strlen(vars[i][0]) == len && !strncmp(vars[i][0], name, len))
			return vars[i][1];
	return NULL;
}

static void expansions(void **state)
{
	static const char *const cases[][2] = {
		{"plain", "plain"},
		{"$a", "A"},
		{"${a}b", "Ab"},
		{"$a$b_1", "Atwo words"},
		{"$nosuch.", "."},
		{"'$a'", "$a"},
		{"\"$a b\"", "A b"},
		{"\\$a", "$a"},
		{"\"\\$a\\x\"", "$a\\x"},
		{"a\\ b", "a b"},
		{"$", "$"},
		{"$$a", "$A"},
		{"${a:-x}", "A"},
		{"${empty:-x}", "x"},
		{"${empty-x}", ""},
		{"${nosuch:-${a}y}", "Ay"},
		{"${a:+x}", "x"},
		{"${nosuch+x}", ""},
		{"${path#*/}", "x/y/file.tar.gz"},
		{"${path##*/}", "file.tar.gz"},
		{"${path%.*}", "/x/y/file.tar"},
		{"${path%%.*}", "/x/y/file"},
		{"${path/x/z}", "/z/y/file.tar.gz"},
		{"${path//./_}", "/x/y/file_tar_gz"},
		{"${nosuch:-\"a b\"}", "a b"},
	};
	static const char *const bad[] = {
		"${", "${a", "${a:x}", "'", "\"", "${nosuch:?not set}", "${a!b}", "${}"};
	struct words w = {.escape = '\\', .value = value};
	struct words_error e;
	char *out;

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(words_expand(&w, cases[i][0], &out, &e), 0);
		assert_string_equal(out, cases[i][1]);
		free(out);
	}
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(words_expand(&w, bad[i], &out, &e), -EINVAL);
	assert_int_equal(words_expand_text(&w, "it's \"$a\" \\$a\n", &out, &e), 0);
	assert_string_equal(out, "it's \"A\" $a\n");
	free(out);
}

/* ---- settings */

static void changes(void **state)
{
	const char *const texts[] = {"ENV A=1 B=\"2 3\"", "ENV A=${A}x", "CMD [\"a\"]", "ENTRYPOINT b c",
		"EXPOSE 80 90-91/udp", "EXPOSE 80/TCP", "LABEL l=m", "WORKDIR /a", "WORKDIR ../b/./c",
		"USER u", "VOLUME /v", "ONBUILD RUN x", "HEALTHCHECK --timeout=1m30s CMD [\"t\"]"};
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	char *msg = NULL, *text;
	yyjson_mut_val *v = settings_changes(doc, NULL, texts, array_len(texts), &msg);

	assert_non_null(v);
	text = yyjson_mut_val_write(v, 0, NULL);
	assert_string_equal(text,
		"{\"Env\":[\"A=1x\",\"B=2 3\"],\"Cmd\":[\"a\"],\"Entrypoint\":[\"/bin/sh\",\"-c\",\"b c\"],"
		"\"ExposedPorts\":{\"80/tcp\":{},\"90/udp\":{},\"91/udp\":{}},\"Labels\":{\"l\":\"m\"},\"WorkingDir\":\"/b/c\","
		"\"User\":\"u\",\"Volumes\":{\"/v\":{}},\"OnBuild\":[\"RUN x\"],"
		"\"Healthcheck\":{\"Test\":[\"CMD\",\"t\"],\"Timeout\":90000000000}}");
	free(text);
	yyjson_mut_doc_free(doc);
}

static void bad_changes(void **state)
{
	static const char *const bad[] = {"RUN x", "FROM x", "ENV", "ENV A", "LABEL a=b c", "EXPOSE 0",
		"EXPOSE 1/xyz", "EXPOSE 70000", "SHELL sh", "ONBUILD ONBUILD RUN x", "ONBUILD FROM x",
		"HEALTHCHECK RUN x", "HEALTHCHECK CMD", "HEALTHCHECK --interval=x CMD a", "USER a b",
		"STOPSIGNAL a;b", "CMD --x=y a", "WORKDIR \"\""};

	for (size_t i = 0; i < array_len(bad); i++) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		char *msg = NULL;

		if (settings_changes(doc, NULL, &bad[i], 1, &msg))
			fail_msg("%s was taken", bad[i]);
		assert_non_null(msg);
		free(msg);
		yyjson_mut_doc_free(doc);
	}
}

/* The instruction is named once, by whoever shows the reason. */
static void reasons(void **state)
{
	static const struct {
		const char *change, *why;
	} cases[] = {
		{"HEALTHCHECK --interval=x CMD a",
			"HEALTHCHECK: --interval=x is no duration of at least 1ms"},
		{"HEALTHCHECK --retries=-1 CMD a", "HEALTHCHECK: --retries=-1 is no number up to 1000"},
		{"HEALTHCHECK RUN x", "HEALTHCHECK: Unknown type \"RUN\" in HEALTHCHECK (try CMD)"},
		{"CMD --x=y a", "CMD: unknown flag: --x"},
		{"RUN x", "RUN is not a valid change command"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
		char *msg = NULL;

		assert_null(settings_changes(doc, NULL, &cases[i].change, 1, &msg));
		assert_string_equal(msg, cases[i].why);
		free(msg);
		yyjson_mut_doc_free(doc);
	}
}

/* What is wrong whatever the file is built from is said before anything is done. */
static void checked(void **state)
{
	static const struct {
		const char *file, *why;
		unsigned line;
	} cases[] = {
		{"ARG A\nFROM $A AS a-1.b_c\nCOPY --from=x --chown=1 a b /c/\nRUN --mount=x y\n", NULL, 0},
		{"RUN x\n", "no build stage in current context", 1},
		{"ARG A\n\nENV a=b\nFROM b\n", "no build stage in current context", 3},
		{"FROM a b\n", "FROM requires either one or three arguments", 1},
		{"FROM a AS 1\n",
			"invalid name for build stage: \"1\", name can't start with a number or contain symbols",
			1},
		{"FROM a AS b:c\n",
			"invalid name for build stage: \"b:c\", name can't start with a number or contain symbols",
			1},
		{"FROM a AS b\033c\n",
			"invalid name for build stage: \"b?c\", name can't start with a number or contain symbols",
			1},
		{"FROM a\nCOPY --parents b c\n", "unknown flag: --parents", 2},
		{"FROM a\nADD --from=b c d\n", "unknown flag: --from", 2},
		{"FROM a\nUSER --x b\n", "unknown flag: --x", 2},
		{"FROM a\nENV b\n", "ENV must have two arguments", 2},
		{"FROM a\nENV b c=d e\nLABEL f=g h=\"i j\"\n", NULL, 0},
		{"FROM a\nLABEL b=c d\n",
			"Syntax error - can't find = in \"d\". Must be of the form: name=value", 2},
		{"FROM a\nENV b=c =d\n", "ENV names can not be blank", 2},
		{"FROM a\nADD b\n",
			"ADD requires at least two arguments, but only one was provided. Destination could not be determined",
			2},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct dockerfile_error e = {0};
		struct dockerfile *d;

		assert_int_equal(dockerfile_parse(&d, cases[i].file, strlen(cases[i].file), &e), 0);
		assert_int_equal(dockerfile_check(d, &e), cases[i].why ? -EINVAL : 0);
		if (cases[i].why)
			assert_string_equal(e.text, cases[i].why);
		assert_int_equal(e.line, cases[i].line);
		dockerfile_free(d);
	}
}

/* ---- patterns */

static void components(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool fits;
	} cases[] = {{"*", "abc", true}, {"a*c", "abbc", true}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"[a-c]x", "bx", true}, {"[^a-c]x", "bx", false}, {"\\*", "*", true}, {"\\*", "a", false},
		{"*.txt", "a.txt", true}, {"*.txt", "a.txtx", false}, {"[", "[", false}, {"**", "a", true},
		{"a*b*c", "aXbYbZc", true}, {"", "", true}};

	for (size_t i = 0; i < array_len(cases); i++)
		if (match_component(cases[i].pattern, cases[i].name) != cases[i].fits)
			fail_msg("%s against %s", cases[i].pattern, cases[i].name);
}

static void ignored(void **state)
{
	static const char text[] =
		"# c\n*.log\n /dir/ \n**/tmp\n!keep.log\n! \tblank.log \nx/**/z\na/./b/../c\n\n!\n";
	static const struct {
		const char *path;
		bool out;
	} cases[] = {{"a.log", true}, {"sub/a.log", false}, {"keep.log", false}, {"blank.log", false},
		{"dir", true}, {"dir/below/it", true}, {"tmp", true}, {"u/v/tmp", true}, {"u/v/tmp/w", true},
		{"x/z", true}, {"x/1/2/z", true}, {"x/1", false}, {"a/c", true}, {"a/b", false}};
	struct match_list *l;

	assert_int_equal(match_list_new(&l, text, strlen(text)), 0);
	assert_true(match_list_has_exceptions(l));
	for (size_t i = 0; i < array_len(cases); i++)
		if (match_list_excludes(l, cases[i].path) != cases[i].out)
			fail_msg("%s", cases[i].path);
	match_list_free(l);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(directives),
		cmocka_unit_test(forms),
		cmocka_unit_test(heredocs),
		cmocka_unit_test(expansions),
		cmocka_unit_test(changes),
		cmocka_unit_test(bad_changes),
		cmocka_unit_test(reasons),
		cmocka_unit_test(checked),
		cmocka_unit_test(components),
		cmocka_unit_test(ignored),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
