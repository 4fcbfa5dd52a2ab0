/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The part of a pull that is about documents: the downloader is started and asked, and what it brings (index,
 * manifest, configuration) is checked and taken apart. Layers are in pull.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <yyjson.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/pull_int.h"
#include "lib/errno_text.h"
#include "lib/log.h"

/* ---- the downloader */

int pull_start_downloader(struct pull *p, const struct fetch_setup *setup)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->fetcher = fork();
	if (p->fetcher == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		/* the orders and the engine's ear are not its business */
		close(0);
		close(1);
		if (getppid() != parent || open("/dev/null", O_RDWR) != 0 || dup2(0, 1) != 1)
			_exit(1);
		_exit(fetch_main(pair[1], setup));
	}
	close(pair[1]);
	if (p->fetcher < 0) {
		close(pair[0]);
		return -errno;
	}
	p->sock = pair[0];
	return 0;
}

int pull_next_event(struct pull *p, struct fetch_event *e)
{
	ssize_t n;

	do
		n = recv(p->sock, e, sizeof(*e), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(*e))
		return pull_fail(p, -EPIPE, "the downloader ended unexpectedly");
	/* it may hold what a registry said */
	e->text[sizeof(e->text) - 1] = '\0';
	for (char *c = e->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	return 0;
}

/* A small document, whole. Its digest is computed here: the downloader's word is not enough for what is kept.
 */
static int fetch_document(struct pull *p, enum fetch_kind kind, const char *what, uint64_t size, char **out,
	size_t *len, char digest[IMAGE_DIGEST_LEN + 1])
{
	struct fetch_request req = {.kind = kind, .size_bytes = size, .id = UINT32_MAX};
	cleanup(closep) int fd = memfd_create("document", MFD_CLOEXEC);
	struct fetch_event e;
	char *buf;
	int r;

	if (fd < 0)
		return pull_fail(p, -errno, "memfd: %s", errno_text(errno));
	snprintf(req.what, sizeof(req.what), "%s", what);
	r = fetch_ask(p->sock, &req, fd, -1);
	if (r < 0)
		return pull_fail(p, r, "the downloader ended unexpectedly");
	do {
		r = pull_next_event(p, &e);
		if (r < 0)
			return r;
		if (e.type == FETCH_RETRY)
			log_warn("op=pull what=%s msg=\"%s\" retry_s=%u", what, e.text, e.seconds);
	} while (e.type == FETCH_PROGRESS || e.type == FETCH_RETRY);
	if (e.type != FETCH_DONE) {
		snprintf(p->fetch_error, sizeof(p->fetch_error), "%s", e.text);
		return e.err < 0 ? e.err : -EPROTO;
	}
	if (e.bytes > size)
		return pull_fail(p, -EPROTO, "%s is larger than it may be", what);
	buf = malloc((size_t)e.bytes + 1);
	if (!buf)
		return pull_fail(p, -ENOMEM, "out of memory");
	if (pread(fd, buf, (size_t)e.bytes, 0) != (ssize_t)e.bytes) {
		free(buf);
		return pull_fail(p, -EIO, "%s came short", what);
	}
	buf[e.bytes] = '\0';
	digest_of(buf, (size_t)e.bytes, digest);
	if (!strncmp(what, "sha256:", 7) && strcmp(what, digest)) {
		free(buf);
		return pull_fail(p, -EBADMSG, "wrong digest: the registry sent %s for %s", digest, what);
	}
	*out = buf;
	*len = (size_t)e.bytes;
	return 0;
}

/* The sentence that docker prints, in the words its users search for. */
static int manifest_error(struct pull *p, int err)
{
	char name[IMAGE_NAME_MAX + 1], repo[IMAGE_NAME_MAX + 1];
	struct image_ref bare = p->ref;

	*bare.tag = *bare.digest = '\0';
	image_ref_familiar(&p->ref, name);
	image_ref_familiar(&bare, repo);
	if (*p->error)
		return err;
	if (err == -EACCES)
		return pull_fail(p, err,
			"pull access denied for %s, repository does not exist or may require 'docker login': %s",
			repo, p->fetch_error);
	if (err == -ENOENT)
		return pull_fail(p, err, "manifest for %s not found: %s", name, p->fetch_error);
	return pull_fail(p, err, "%s: %s", name, p->fetch_error);
}

int pull_get_manifest(struct pull *p)
{
	struct image_descriptor chosen;
	struct image_reason why = {""};
	char digest[IMAGE_DIGEST_LEN + 1];
	int r, kind;

	r = fetch_document(p, FETCH_MANIFEST, *p->ref.digest ? p->ref.digest : p->ref.tag, IMAGE_MANIFEST_MAX,
		&p->manifest, &p->manifest_len, p->top_digest);
	if (r < 0)
		return manifest_error(p, r);
	strcpy(p->manifest_digest, p->top_digest);
	kind = image_document_kind(p->manifest, p->manifest_len, &why);
	if (kind < 0)
		return pull_fail(p, kind, "manifest %s: %s", p->top_digest, why.text);
	if (kind == 1) {
		r = image_index_select(p->manifest, p->manifest_len, &p->platform, &chosen, &why);
		if (r < 0)
			return pull_fail(p, r, "%s", why.text);
		if (chosen.size_bytes > IMAGE_MANIFEST_MAX)
			return pull_fail(p, -E2BIG, "manifest %s is larger than 4 MiB", chosen.digest);
		free(take(p->manifest));
		r = fetch_document(p, FETCH_MANIFEST, chosen.digest, chosen.size_bytes, &p->manifest,
			&p->manifest_len, digest);
		if (r < 0)
			return manifest_error(p, r);
		strcpy(p->manifest_digest, digest);
		if (image_document_kind(p->manifest, p->manifest_len, &why) != 0)
			return pull_fail(p, -EINVAL, "manifest %s: %s", digest,
				*why.text ? why.text : "an index inside an index");
	}
	r = image_manifest_parse(p->manifest, p->manifest_len, &p->parsed, &why);
	return r < 0 ? pull_fail(p, r, "manifest %s: %s", p->manifest_digest, why.text) : 0;
}

int pull_get_config(struct pull *p)
{
	struct image_reason why = {""};
	char(*ids)[IMAGE_DIGEST_LEN + 1] = NULL, digest[IMAGE_DIGEST_LEN + 1];
	ssize_t n;
	int r;

	r = fetch_document(p, FETCH_BLOB, p->parsed.config.digest, p->parsed.config.size_bytes, &p->config,
		&p->config_len, digest);
	if (r < 0)
		return pull_fail(p, r, "configuration %s: %s", p->parsed.config.digest, p->fetch_error);
	n = image_config_diff_ids(p->config, p->config_len, &ids, &why);
	if (n < 0)
		return pull_fail(p, (int)n, "%s", why.text);
	if ((size_t)n != p->parsed.n_layers) {
		free(ids);
		return pull_fail(p, -EBADMSG, "the manifest has %zu layers, the configuration %zd",
			p->parsed.n_layers, n);
	}
	p->layers = calloc((size_t)n + 1, sizeof(*p->layers));
	if (!p->layers) {
		free(ids);
		return pull_fail(p, -ENOMEM, "out of memory");
	}
	p->n_layers = (size_t)n;
	for (size_t i = 0; i < p->n_layers; i++) {
		struct pull_layer *l = &p->layers[i];

		l->desc = &p->parsed.layers[i];
		strcpy(l->diff_id, ids[i]);
		snprintf(l->shown, sizeof(l->shown), "%.12s", l->desc->digest + 7);
		l->worker.result = -1;
	}
	free(ids);
	return 0;
}

/* ---- docker login */

int pull_login(struct pull *p, const struct fetch_setup *setup, const char *domain)
{
	char digest[IMAGE_DIGEST_LEN + 1];
	cleanup(freep) char *body = NULL;
	size_t len;
	int r;

	r = pull_start_downloader(p, setup);
	if (r < 0)
		return pull_fail(p, r, "downloader: %s", errno_text(-r));
	r = fetch_document(p, FETCH_PING, "", IMAGE_MANIFEST_MAX, &body, &len, digest);
	return r < 0 ? pull_fail(p, r, "login attempt to %s failed: %s", domain, p->fetch_error) : 0;
}

/* ---- docker manifest inspect, and compose before it builds */

static void add_platform(yyjson_mut_doc *d, yyjson_mut_val *list, yyjson_val *from)
{
	static const char *const keys[] = {"architecture", "os", "os.version", "variant"};
	yyjson_mut_val *o = yyjson_mut_arr_add_obj(d, list);

	for (size_t i = 0; i < array_len(keys); i++) {
		const char *s = yyjson_get_str(yyjson_obj_get(from, keys[i]));

		if (s && *s)
			yyjson_mut_obj_add_strcpy(d, o, keys[i], s);
	}
}

int pull_inspect(struct pull *p, const struct fetch_setup *setup)
{
	yyjson_mut_doc *d = NULL;
	yyjson_mut_val *root, *desc, *platforms;
	cleanup(freep) char *top = NULL;
	struct image_reason why = {""};
	const char *type;
	yyjson_doc *doc;
	size_t len, i, n;
	yyjson_val *v;
	int r, kind;

	r = pull_start_downloader(p, setup);
	if (r < 0)
		return pull_fail(p, r, "downloader: %s", errno_text(-r));
	r = fetch_document(p, FETCH_MANIFEST, *p->ref.digest ? p->ref.digest : p->ref.tag, IMAGE_MANIFEST_MAX,
		&top, &len, p->top_digest);
	if (r < 0)
		return manifest_error(p, r);
	kind = image_document_kind(top, len, &why);
	doc = kind < 0 ? NULL : image_json(top, len, &why);
	if (!doc)
		return pull_fail(p, -EINVAL, "manifest %s: %s", p->top_digest, why.text);
	type = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "mediaType"));
	if (!type)
		type = kind == 1 ? IMAGE_TYPE_OCI_INDEX : IMAGE_TYPE_OCI_MANIFEST;

	d = yyjson_mut_doc_new(NULL);
	root = yyjson_mut_obj(d);
	yyjson_mut_doc_set_root(d, root);
	desc = yyjson_mut_obj_add_obj(d, root, "Descriptor");
	yyjson_mut_obj_add_strcpy(d, desc, "mediaType", type);
	yyjson_mut_obj_add_strcpy(d, desc, "digest", p->top_digest);
	yyjson_mut_obj_add_uint(d, desc, "size", len);
	platforms = yyjson_mut_obj_add_arr(d, root, "Platforms");
	if (kind == 1) {
		yyjson_arr_foreach (yyjson_obj_get(yyjson_doc_get_root(doc), "manifests"), i, n, v)
			if (yyjson_is_obj(yyjson_obj_get(v, "platform")))
				add_platform(d, platforms, yyjson_obj_get(v, "platform"));
	} else {
		char digest[IMAGE_DIGEST_LEN + 1];
		yyjson_doc *config = NULL;

		r = image_manifest_parse(top, len, &p->parsed, &why);
		if (r < 0)
			pull_fail(p, r, "manifest %s: %s", p->top_digest, why.text);
		else
			r = fetch_document(p, FETCH_BLOB, p->parsed.config.digest,
				p->parsed.config.size_bytes, &p->config, &p->config_len, digest);
		if (r == 0)
			config = image_json(p->config, p->config_len, &why);
		if (config)
			add_platform(d, platforms, yyjson_doc_get_root(config));
		else if (r == 0)
			r = pull_fail(p, -EINVAL, "configuration: %s", why.text);
		yyjson_doc_free(config);
	}
	if (r == 0) {
		p->result = yyjson_mut_write(d, 0, NULL);
		r = p->result ? 0 : -ENOMEM;
	}
	yyjson_mut_doc_free(d);
	yyjson_doc_free(doc);
	return r < 0 ? pull_fail(p, r, "%s", p->fetch_error) : 0;
}
