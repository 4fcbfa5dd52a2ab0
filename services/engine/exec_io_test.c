/* SPDX-License-Identifier: Apache-2.0 */

/* What the client of an exec is sent: frames or bytes as they are, and a sentence when there is nothing to attach it to. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/exec_int.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/stream.h"

static void data(struct stream *s, const void *buf, size_t len, void *arg) {}
static void eof(struct stream *s, void *arg) {}
static void closed(struct stream *s, int err, void *arg) {}
static const struct stream_events nobody = {.data = data, .eof = eof, .closed = closed};

static struct engine e;

static void enough(struct loop_timer *t)
{
	loop_quit(e.loop, 0);
}

/* Everything that @client is sent, until its stream ends; then the client goes, and what was for it. */
static void assert_sent(int client, const char *want, size_t len)
{
	struct loop_timer t = {0};
	char got[256];
	size_t n = 0;
	ssize_t more;

	assert_int_equal(loop_timer_set(e.loop, &t, loop_now_ms(e.loop) + 50, enough), 0);
	assert_int_equal(loop_run(e.loop), 0);
	while ((more = read(client, got + n, sizeof(got) - n)) > 0)
		n += (size_t)more;
	assert_int_equal(more, 0);
	assert_int_equal(n, len);
	assert_memory_equal(got, want, len);
	close(client);
	assert_int_equal(loop_timer_set(e.loop, &t, loop_now_ms(e.loop) + 50, enough), 0);
	assert_int_equal(loop_run(e.loop), 0);
}

static struct stream *connect_client(int *client)
{
	struct stream *s;
	int both[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
	assert_int_equal(stream_new(&s, e.loop, both[0], NULL, &nobody, NULL), 0);
	*client = both[1];
	return s;
}

static void framed_as_it_was_asked(void **state)
{
	static const char config[] = "{\"AttachStdout\":true,\"AttachStderr\":true}";
	static const struct {
		bool terminal, framed;
		const char *sent;
		size_t len;
	} rows[] = {
		{false, true, "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err", 22},
		{false, false, "outerr", 6},
		{true, true, "\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err", 22},
		{true, false, "outerr", 6},
	};
	cleanup(json_docp) yyjson_doc *doc = yyjson_read(config, sizeof(config) - 1, 0);

	for (size_t i = 0; i < array_len(rows); i++) {
		struct exec x = {.e = &e, .config = yyjson_doc_get_root(doc)};
		int client, out, err;
		struct stream *s = connect_client(&client);

		assert_int_equal(exec_io_new(&x.io, &x), 0);
		x.tty = rows[i].terminal; /* pipes stand for it here */
		out = dup(x.io->child[1]);
		err = dup(x.io->child[2]);
		exec_io_attach(x.io, s, rows[i].framed);
		assert_int_equal(exec_io_run(x.io), 0);
		assert_int_equal(write(out, "out", 3), 3);
		assert_int_equal(write(err, "err", 3), 3);
		close(out);
		close(err);
		exec_io_end(x.io, NULL);
		assert_sent(client, rows[i].sent, rows[i].len);
		assert_null(x.io);
	}
}

static void refused_on_the_stream(void **state)
{
	int client;
	struct stream *s = connect_client(&client);

	exec_io_refuse(s, true, "not again");
	assert_sent(client, "\1\0\0\0\0\0\0\13not again\r\n", 19);
	s = connect_client(&client);
	exec_io_refuse(s, false, "not again");
	assert_sent(client, "not again\r\n", 11);
}

static int begin(void **state)
{
	return loop_new(&e.loop);
}

static int end(void **state)
{
	loop_free(e.loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(framed_as_it_was_asked),
		cmocka_unit_test(refused_on_the_stream),
	};

	return cmocka_run_group_tests(t, begin, end);
}
