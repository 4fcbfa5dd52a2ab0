/* SPDX-License-Identifier: Apache-2.0 */

/* See api_client.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <yyjson.h>

#include "engine/build/api_client.h"
#include "lib/file.h"
#include "lib/json.h"

enum { HEAD_MAX = 64 << 10 };

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return take_fd(fd);
}

static int send_request(int fd, const struct api_call *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return -errno;
	fprintf(f, "%s %s HTTP/1.0\r\nHost: engine\r\nUser-Agent: wherry-build\r\n", c->method, c->path);
	if (c->auth)
		fprintf(f, "X-Registry-Auth: %s\r\n", c->auth);
	if (c->body)
		fprintf(f, "Content-Type: application/json\r\n");
	fprintf(f, "Content-Length: %zu\r\n\r\n%s", c->body ? strlen(c->body) : 0, c->body ? c->body : "");
	if (fclose(f)) {
		free(text);
		return -ENOMEM;
	}
	r = file_write_all(fd, text, len);
	explicit_bzero(text, len);
	free(text);
	return r;
}

static int keep(struct api_call *c, const char *buf, size_t len)
{
	char *more;

	if (c->answer_len + len > API_ANSWER_MAX)
		len = API_ANSWER_MAX - c->answer_len;
	more = realloc(c->answer, c->answer_len + len + 1);
	if (!more)
		return -ENOMEM;
	memcpy(more + c->answer_len, buf, len);
	c->answer = more;
	c->answer_len += len;
	more[c->answer_len] = '\0';
	return 0;
}

static int take_body(struct api_call *c, const char *buf, size_t len)
{
	if (!len)
		return 0;
	return c->data && c->status < 300 ? c->data(buf, len, c->arg) : keep(c, buf, len);
}

static int receive(int fd, struct api_call *c)
{
	char head[HEAD_MAX + 1], *end = NULL;
	size_t len = 0;
	ssize_t n;
	int r;

	/* the head first; what came with it is the body's beginning */
	do {
		n = read(fd, head + len, HEAD_MAX - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		len += (size_t)n;
		head[len] = '\0';
		end = memmem(head, len, "\r\n\r\n", 4);
	} while (!end && len < HEAD_MAX);
	if (!end || sscanf(head, "HTTP/1.%*1[01] %3d", &c->status) != 1)
		return -EPROTO;
	end += 4;
	r = take_body(c, end, len - (size_t)(end - head));
	while (r == 0 && (n = read(fd, head, HEAD_MAX)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		r = n < 0 ? 0 : take_body(c, head, (size_t)n);
	}
	return r;
}

int api_call(struct api_call *c)
{
	cleanup(closep) int fd = dial(c->socket);
	int r = fd < 0 ? fd : send_request(fd, c);

	c->answer = NULL;
	c->answer_len = 0;
	return r < 0 ? r : receive(fd, c);
}

char *api_call_message(const struct api_call *c)
{
	yyjson_doc *doc = c->answer ? yyjson_read(c->answer, c->answer_len, 0) : NULL;
	const char *text = json_text(yyjson_doc_get_root(doc), "message");
	char *copy = text ? strdup(text) : NULL;

	yyjson_doc_free(doc);
	return copy;
}
