/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Downloads from a server of our own, in a network namespace of our own. The sandboxed child is the real one: as root it
 * becomes nobody, and where that is not allowed these tests are skipped.
 */

#include "lib/download.c" /* for where redirects lead */

#include <grp.h>
#include <sys/mman.h>

#include "lib/netns_testing.h"

enum { PORT = 8080, QUIET_PORT = 8081, BODY = 300000, SLOW_MS = 300 };

#define HOME "http://127.0.0.1:8080"

static char body[BODY];
static pid_t serving;

/* ---- the server */

struct page {
	const char *path, *head; /* of the answer; NULL: none is ever given */
	bool whole;		 /* the body follows */
	unsigned after_ms;
};

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n"

static const struct page pages[] = {
	{"/whole", OK "Last-Modified: Thu, 01 Jan 1970 00:16:40 GMT\r\nContent-Length: 300000\r\n\r\n", true},
	{"/unannounced", OK "\r\n", true},
	{"/cut", OK "Content-Length: 300001\r\n\r\n", true},
	{"/missing", "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n", true},
	{"/broken", "HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
	{"/moved", "HTTP/1.1 302 Found\r\nLocation: /moved-again\r\nContent-Length: 300000\r\n\r\n", true},
	{"/moved-again", "HTTP/1.1 308 Permanent\r\nLocation: " HOME "/whole\r\nContent-Length: 0\r\n\r\n"},
	{"/nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"},
	{"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"},
	{"/slow-loop", "HTTP/1.1 302 Found\r\nLocation: /slow-loop\r\nContent-Length: 0\r\n\r\n",
		.after_ms = SLOW_MS},
	{"/to-the-link",
		"HTTP/1.1 302 Found\r\nLocation: http://169.254.7.7:8081/x\r\nContent-Length: 0\r\n\r\n"},
	{"/to-a-user", "HTTP/1.1 302 Found\r\nLocation: http://me@127.0.0.1/x\r\nContent-Length: 0\r\n\r\n"},
	{"/never", NULL},
};

static void send_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	for (; len && (n = send(fd, p, len, MSG_NOSIGNAL)) > 0; p += n)
		len -= (size_t)n;
}

/* The page of "GET /path HTTP/1.1", or of "GET http://host/path HTTP/1.1", as proxies are asked. */
static const struct page *page_of(const char *request)
{
	char target[64];

	for (size_t i = 0; i < array_len(pages); i++) {
		snprintf(target, sizeof(target), "%s HTTP/1.1\r\n", pages[i].path);
		if (strstr(request, target))
			return &pages[i];
	}
	return NULL;
}

static void serve_one(int fd)
{
	char request[4096] = "";
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);
	const struct page *page = n > 0 ? page_of(request) : NULL;

	if (page && !page->head)
		return; /* and it stays open */
	if (page) {
		usleep(page->after_ms * 1000);
		send_all(fd, page->head, strlen(page->head));
		send_all(fd, body, page->whole ? sizeof(body) : 0);
		shutdown(fd, SHUT_WR);
		while (recv(fd, request, sizeof(request), 0) > 0)
			;
	}
	close(fd);
}

static void serve_on(const char *ip)
{
	static int listener = -1; /* kept: a port whose connections the server closed is taken for a while */

	netns_testing_loopback(ip);
	if (listener < 0)
		listener = server(-1, SOCK_STREAM, PORT);
	serving = fork();
	assert_true(serving >= 0);
	if (!serving) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			serve_one(accept(listener, NULL, NULL));
	}
}

static int stop(void **state)
{
	if (serving > 0)
		end(serving);
	serving = 0;
	return 0;
}

static bool may_become_nobody(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(geteuid() == 0 && (setgroups(0, NULL) < 0 || setresuid(65534, 65534, 65534) < 0));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fprintf(stderr, "SKIPPED: this root cannot become nobody\n");
	return !status;
}

#define NEED_SERVER(ip)                                                                                      \
	do {                                                                                                 \
		NEED_NETNS();                                                                                \
		if (!may_become_nobody())                                                                    \
			skip();                                                                              \
		serve_on(ip);                                                                                \
	} while (0)

/* ---- what a download brings */

static struct download_result got;

/* Into a file that is looked at; what is wanted without a limit has one that is far. */
static int get(struct download_wanted w, char *file, size_t size)
{
	cleanup(closep) int fd = memfd_create("download", MFD_CLOEXEC);
	int r;

	assert_true(fd >= 0);
	w.to = fd;
	if (!w.bytes_max)
		w.bytes_max = 1 << 30;
	r = download(&w, &got);
	assert_int_equal(lseek(fd, 0, SEEK_END), got.bytes);
	if (file)
		assert_int_equal(pread(fd, file, size, 0), got.bytes);
	if (r < 0)
		assert_non_null(strstr(got.error, w.url));
	else
		assert_string_equal(got.error, "");
	return r;
}

static void assert_whole(struct download_wanted w)
{
	static char file[BODY + 1];
	uint8_t sum[SHA256_SIZE];

	assert_int_equal(get(w, file, sizeof(file)), 0);
	assert_int_equal(got.bytes, sizeof(body));
	assert_memory_equal(file, body, sizeof(body));
	sha256(body, sizeof(body), sum);
	assert_memory_equal(got.sha256, sum, sizeof(sum));
}

static void test_whole_files(void **state)
{
	NEED_SERVER("127.0.0.1");
	assert_whole((struct download_wanted){.url = HOME "/whole"});
	assert_int_equal(got.modified_s, 1000);
	assert_whole((struct download_wanted){.url = HOME "/unannounced"});
	assert_int_equal(got.modified_s, -1);
	/* exactly as much as is allowed, in the time that is given */
	assert_whole((struct download_wanted){.url = HOME "/whole", .bytes_max = BODY, .seconds_max = 60});
}

static void test_redirects_are_followed(void **state)
{
	NEED_SERVER("127.0.0.1");
	assert_whole((struct download_wanted){.url = HOME "/moved"});
}

static void test_the_proxy_is_asked(void **state)
{
	static char to[] = HOME, except[] = "127.0.0.1";
	const struct web_proxy proxy = {.http = to}, none_of_it = {.http = except, .except = except};

	NEED_SERVER("127.0.0.1");
	assert_whole((struct download_wanted){.url = "http://elsewhere.example/whole", .proxy = &proxy});
	assert_whole((struct download_wanted){.url = HOME "/whole", .proxy = &none_of_it});
}

static void test_what_fails_says_why(void **state)
{
	static const struct {
		struct download_wanted w;
		int err;
		const char *words;
	} rows[] = {
		{{.url = HOME "/missing"}, -ENOENT, "the server answered 404"},
		{{.url = HOME "/broken"}, -EPROTO, "the server answered 500"},
		{{.url = HOME "/nowhere"}, -EPROTO, "the server answered 302"},
		{{.url = HOME "/loop"}, -ELOOP, "more than 10 redirects"},
		{{.url = HOME "/cut"}, -EHOSTUNREACH, ""},
		{{.url = "http://127.0.0.1:1/closed"}, -EHOSTUNREACH, ""},
		{{.url = HOME "/whole", .bytes_max = BODY - 1}, -EFBIG, "File too large"},
		{{.url = HOME "/unannounced", .bytes_max = BODY - 1}, -EFBIG, "File too large"},
	};

	NEED_SERVER("127.0.0.1");
	for (size_t i = 0; i < array_len(rows); i++) {
		assert_int_equal(get(rows[i].w, NULL, 0), rows[i].err);
		assert_non_null(strstr(got.error, rows[i].words));
		assert_true(!rows[i].w.bytes_max || got.bytes <= rows[i].w.bytes_max);
	}
}

/* The error names what is refused, which is not what was asked for. */
static void assert_refused(const char *url, const char *words)
{
	cleanup(closep) int fd = memfd_create("download", MFD_CLOEXEC);
	const struct download_wanted w = {.url = url, .to = fd, .bytes_max = 1 << 30};

	assert_int_equal(download(&w, &got), -EPERM);
	assert_string_equal(got.error, words);
	assert_int_equal(got.bytes, 0);
}

static void test_redirects_that_are_refused(void **state)
{
	NEED_SERVER("127.0.0.1");
	assert_refused(HOME "/to-the-link", "a link-local address refused: http://169.254.7.7:8081/x");
	assert_refused(HOME "/to-a-user", "redirect refused: http://me@127.0.0.1/x");
}

static void test_where_redirects_lead(void **state)
{
	static const struct {
		const char *asked, *location, *next;
	} rows[] = {
		{"https://a.example/b/c", "d", "https://a.example/b/d"},
		{"https://a.example/b", "https://c.example/d", "https://c.example/d"},
		{"http://a.example/b", "https://c.example/d", "https://c.example/d"},
		{"http://a.example/b", "http://c.example/d", "http://c.example/d"},
		{"https://a.example/b", "//c.example/d", "https://c.example/d"},
		/* from encrypted to plain */
		{"https://a.example/b", "http://a.example/b", NULL},
		{"HTTPS://a.example/b", "http://a.example/b", NULL},
		{"https://a.example/b", "http://user@a.example/b", NULL},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *next = next_of(rows[i].asked, rows[i].location);

		if (rows[i].next)
			assert_string_equal(next, rows[i].next);
		else
			assert_null(next);
	}
}

/* The limit is on the whole: neither silence nor one redirect after the other gets around it. */
static void test_the_time_is_limited(void **state)
{
	static const char *const urls[] = {HOME "/never", HOME "/slow-loop"};

	NEED_SERVER("127.0.0.1");
	for (size_t i = 0; i < array_len(urls); i++) {
		const struct download_wanted w = {.url = urls[i], .seconds_max = 1};
		int64_t began_ms = clock_ms(CLOCK_MONOTONIC);

		assert_int_equal(get(w, NULL, 0), -ETIMEDOUT);
		assert_non_null(strstr(got.error, "not here after 1 seconds"));
		assert_true(clock_ms(CLOCK_MONOTONIC) - began_ms >= 1000);
		stop(state);
		serve_on("127.0.0.1");
	}
}

/* Before any packet: where they lead somebody listens, and nobody knocks. */
static void test_the_link_is_refused(void **state)
{
	static const char *const urls[] = {
		"http://169.254.7.7:8081/",
		"http://[::ffff:169.254.7.7]:8081/",
		"http://[fe80::1]:8081/",
		"http://0.0.0.0:8081/",
	};
	struct pollfd quiet = {.events = POLLIN};
	char words[128];

	NEED_SERVER("169.254.7.7");
	quiet.fd = server(-1, SOCK_STREAM, QUIET_PORT);
	for (size_t i = 0; i < array_len(urls); i++) {
		snprintf(words, sizeof(words), "a link-local address refused: %s", urls[i]);
		assert_refused(urls[i], words);
	}
	assert_int_equal(poll(&quiet, 1, 0), 0);
	close(quiet.fd);
}

static void test_the_link_is_asked_when_it_is_wanted(void **state)
{
	NEED_SERVER("169.254.7.7");
	assert_whole((struct download_wanted){.url = "http://169.254.7.7:8080/whole", .link_local = true});
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* In a process of its own: what is left is its file, as large as was wanted, where it answers, and where it complains. */
static void test_nothing_else_is_left(void **state)
{
	int others[2], answer[2], status;
	cleanup(closep) int fd = memfd_create("download", MFD_CLOEXEC);
	const struct download_wanted w = {.to = fd, .bytes_max = 4};
	pid_t pid;

	assert_int_equal(pipe2(others, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		int r = leave_all_but(&w, answer[1]);

		/* no assertion here: it would go on with the parent's tests */
		_exit(r < 0						     ? 1
			: is_open(0) || is_open(1) || is_open(others[1])     ? 2
			: is_open(answer[0])				     ? 3
			: !is_open(2) || !is_open(fd) || !is_open(answer[1]) ? 4
			: write(fd, "12345", 5) != 4			     ? 5
			: write(fd, "5", 1) >= 0 || errno != EFBIG	     ? 6
			: ftruncate(fd, 5) == 0				     ? 7
									     : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		close(others[i]);
		close(answer[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_whole_files, stop),
		cmocka_unit_test_teardown(test_redirects_are_followed, stop),
		cmocka_unit_test_teardown(test_the_proxy_is_asked, stop),
		cmocka_unit_test_teardown(test_what_fails_says_why, stop),
		cmocka_unit_test_teardown(test_redirects_that_are_refused, stop),
		cmocka_unit_test(test_where_redirects_lead),
		cmocka_unit_test_teardown(test_the_time_is_limited, stop),
		cmocka_unit_test_teardown(test_the_link_is_refused, stop),
		cmocka_unit_test_teardown(test_the_link_is_asked_when_it_is_wanted, stop),
		cmocka_unit_test(test_nothing_else_is_left),
	};

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7 + i / 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
