/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Image names: [host[:port]/]path[:tag][@sha256:digest], completed the way Docker does it: without a host it
 * is docker.io, and there a path of one part is below library/.
 *
 * Strict: every byte of the input is matched by one of the rules below, or the name is refused. What comes
 * out is therefore safe inside a URL and a log line; file names are made from its digest, never from it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/image.h"
#include "engine/image/image_int.h"

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool image_digest_valid(const char *s)
{
	if (strncmp(s, "sha256:", 7) || strlen(s) != IMAGE_DIGEST_LEN)
		return false;
	for (const char *p = s + 7; *p; p++)
		if (!is_hex(*p))
			return false;
	return true;
}

static bool tag_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > IMAGE_TAG_MAX || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && *s != '_' && *s != '.' && *s != '-')
			return false;
	return true;
}

/* Runs of [a-z0-9] joined by one of: '.', '_', '__', any number of '-'. */
static bool part_valid(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t run = i, sep;

		while (i < n && is_lower(s[i]))
			i++;
		if (i == run)
			return false;
		if (i == n)
			return true;
		sep = i;
		if (s[i] == '-')
			while (i < n && s[i] == '-')
				i++;
		else if (s[i] == '_')
			i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
		else if (s[i] == '.')
			i++;
		if (i == sep || i == n)
			return false;
	}
	return false;
}

static bool path_valid(const char *s)
{
	size_t n = strlen(s);

	if (n > IMAGE_PATH_MAX)
		return false;
	for (;;) {
		size_t part = strcspn(s, "/");

		if (!part_valid(s, part))
			return false;
		if (!s[part])
			return true;
		s += part + 1;
	}
}

static bool port_valid(const char *s)
{
	unsigned long port = 0;
	size_t n = strlen(s);

	if (n == 0 || n > 5)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		port = port * 10 + (unsigned long)(*s - '0');
	}
	return port > 0 && port < 65536;
}

/* host[:port] or [ipv6][:port]. */
bool image_domain_valid(const char *s)
{
	const char *end = s + strcspn(s, ":");
	char prev = '.';

	if (strlen(s) > IMAGE_DOMAIN_MAX)
		return false;
	if (*s == '[') {
		size_t n = strspn(s + 1, "0123456789abcdefABCDEF:.");

		if (n < 2 || n > 45 || s[1 + n] != ']')
			return false;
		end = s + n + 2;
		return !*end || (*end == ':' && port_valid(end + 1));
	}
	for (; s < end; s++) {
		bool edge = prev == '.';

		if (*s == '.' ? edge || prev == '-' : *s == '-' ? edge : !is_alnum(*s))
			return false;
		prev = *s;
	}
	if (prev == '.' || prev == '-')
		return false;
	return !*end || port_valid(end + 1);
}

static bool is_domain(const char *s, size_t n)
{
	if (n == 9 && !strncmp(s, "localhost", 9))
		return true;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '.' || s[i] == ':' || s[i] == '[' || (s[i] >= 'A' && s[i] <= 'Z'))
			return true;
	return false;
}

/* An image's identifier in full is never a name. */
static bool is_identifier(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

int image_ref_set_tag(struct image_ref *ref, const char *s)
{
	if (image_digest_valid(s)) {
		strcpy(ref->digest, s);
		return 0;
	}
	if (!tag_valid(s))
		return -EINVAL;
	strcpy(ref->tag, s);
	return 0;
}

void image_ref_default_tag(struct image_ref *ref)
{
	if (!*ref->tag && !*ref->digest)
		strcpy(ref->tag, "latest");
}

const char *image_ref_no_tag(const struct image_ref *ref)
{
	if (*ref->digest)
		return "refusing to create a tag with a digest reference";
	if (!strcmp(ref->domain, "docker.io") && !strcmp(ref->path, "library/sha256"))
		return "refusing to create an ambiguous tag using digest algorithm as name";
	return NULL;
}

int image_ref_parse(struct image_ref *out, const char *name)
{
	char buf[IMAGE_NAME_MAX + 1];
	struct image_ref r = {.domain = "docker.io"};
	char *path = buf, *at, *colon, *slash;
	size_t n = strlen(name);

	if (n == 0 || n >= sizeof(buf))
		return -EINVAL;
	if (is_identifier(name))
		return -EINVAL;
	memcpy(buf, name, n + 1);

	at = strchr(buf, '@');
	if (at) {
		*at = '\0';
		if (!image_digest_valid(at + 1))
			return -EINVAL;
		strcpy(r.digest, at + 1);
	}

	slash = strchr(buf, '/');
	if (slash && is_domain(buf, (size_t)(slash - buf))) {
		*slash = '\0';
		path = slash + 1;
		if (!image_domain_valid(buf))
			return -EINVAL;
		strcpy(r.domain, strcmp(buf, "index.docker.io") ? buf : "docker.io");
	}

	colon = strrchr(path, ':');
	if (colon) {
		*colon = '\0';
		if (!tag_valid(colon + 1))
			return -EINVAL;
		strcpy(r.tag, colon + 1);
	}

	if (!path_valid(path))
		return -EINVAL;
	if (!strcmp(r.domain, "docker.io") && !strchr(path, '/')) {
		if (strlen(path) + 8 > IMAGE_PATH_MAX)
			return -EINVAL;
		strcpy(r.path, "library/");
	}
	strcat(r.path, path);

	*out = r;
	return 0;
}

static void format(
	const struct image_ref *ref, const char *domain, const char *path, char out[IMAGE_NAME_MAX + 1])
{
	snprintf(out, IMAGE_NAME_MAX + 1, "%s%s%s%s%s%s%s", domain, *domain ? "/" : "", path,
		*ref->tag ? ":" : "", ref->tag, *ref->digest ? "@" : "", ref->digest);
}

void image_ref_familiar(const struct image_ref *ref, char out[IMAGE_NAME_MAX + 1])
{
	/* a path on docker.io that begins like a host would be read as that host, and one like an identifier refused */
	bool hub = !strcmp(ref->domain, "docker.io") && !is_domain(ref->path, strcspn(ref->path, "/"));
	bool official = hub && !strncmp(ref->path, "library/", 8) && !strchr(ref->path + 8, '/') &&
			!is_identifier(ref->path + 8);

	format(ref, hub ? "" : ref->domain, ref->path + (official ? 8 : 0), out);
}

void image_ref_canonical(const struct image_ref *ref, char out[IMAGE_NAME_MAX + 1])
{
	format(ref, ref->domain, ref->path, out);
}

bool image_ref_same_repo(const struct image_ref *a, const struct image_ref *b)
{
	return !strcmp(a->domain, b->domain) && !strcmp(a->path, b->path);
}

bool image_ref_in_repo(const struct image_ref *repo, const char *tag, struct image_ref *ref)
{
	return image_ref_parse(ref, tag) == 0 && image_ref_same_repo(ref, repo);
}
