/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_FETCH_INT_H
#define ENGINE_IMAGE_FETCH_INT_H

/* Between fetch.c (transfers and their loop) and fetch_http.c (what is said to the registry). */

#include "engine/image/digest.h"
#include "engine/image/fetch.h"
#include "lib/web.h"

/*
 * What is slower than the floor under every request (lib/web.h) is asked again from where it stopped. An attempt that
 * brought less than the floor would have counts as one that brought nothing, and a few of those in a row end the pull; so
 * whoever sends a byte now and then holds nobody for ever, and the time of a transfer is bounded by its announced size.
 */
enum { FETCH_ATTEMPT_BYTES = WEB_FLOOR_BYTES_S * WEB_PATIENCE_S };

struct fetcher {
	int sock;
	const struct fetch_setup *setup;
	CURLM *multi;
	struct xfer *xfers;
	char *token[REGISTRY_ENDPOINTS_MAX]; /* owned; bearer, an endpoint */
	bool basic[REGISTRY_ENDPOINTS_MAX];  /* it wants user and password */
	bool plain[REGISTRY_ENDPOINTS_MAX];  /* an insecure one that has no TLS */
	bool quit;
};

/* One request, over all its attempts. */
struct xfer {
	struct fetcher *f;
	struct xfer *next;
	struct fetch_request req;
	int sink;
	int copy; /* a file that gets the same bytes; -1: none */
	struct digest digest;
	uint64_t received; /* bytes delivered, over all attempts */

	size_t endpoint; /* the one being asked */
	char *url;	 /* owned; where a redirect led; NULL: the endpoint itself */
	unsigned redirects, auth_tries, attempts;
	uint64_t received_before;
	int64_t start_at_ms;

	char *asked;	/* owned; the URL of the request that runs */
	char *location; /* owned; its answer's Location */
	CURL *easy;
	struct curl_slist *headers;
	bool running, finished; /* finished: only bytes for the reader are left */
	bool headers_seen;
	bool denied; /* the address was one we do not talk to */
	int sink_error;
	uint64_t skip; /* bytes of this response that were had before */
	bool too_big, bad_range;
	char www_authenticate[2048];
	char content_range[64];
	unsigned retry_after_s;
	char *error_body;
	size_t error_len;

	char *pending; /* what the reader did not take yet */
	size_t pending_len, pending_pos, pending_max;
	int64_t told_ms;
};

/* Each of these ends the transfer or puts it off: it may be gone afterwards. */
void fetch_fail(struct xfer *x, int err, const char *text);
void fetch_retry(struct xfer *x, int err, const char *text, unsigned at_least_s);
void fetch_done(struct xfer *x);
must_check int fetch_deliver(struct xfer *x, const void *buf, size_t len);

/* ---- for whatever speaks to registries */

/* What holds for every request that an endpoint is asked, or sends us to; @own: to the endpoint itself, which may be
 * configured as insecure. @denied as web_options() has it. */
must_check bool fetch_options(
	CURL *c, const struct registry_endpoint *e, const char *url, bool own, bool *denied);
/* The endpoint's base URL, http:// when it is insecure and has no TLS. */
const char *fetch_base(const struct fetcher *f, size_t endpoint, char out[IMAGE_DOMAIN_MAX + 16]);
/*
 * Asks the token server of a challenge, waiting for it. @scope: when the challenge has none; @more: one scope more,
 * or NULL. 0 with f->token[endpoint] set, or -errno with the reason.
 */
must_check int fetch_token(struct fetcher *f, size_t endpoint, const struct auth_challenge *ch,
	const char *scope, const char *more, char *why, size_t size);
/* The header of a request to the endpoint itself. */
must_check bool fetch_credentials(struct fetcher *f, size_t endpoint, CURL *c);
/* What a registry said in its error body (distribution-spec errors), as one printable line. */
void fetch_registry_words(const char *body, size_t len, char *out, size_t size);

void fetch_http_start(struct xfer *x);
void fetch_http_stop(struct xfer *x); /* idempotent; the transfer stays */
void fetch_http_finished(struct fetcher *f);

#endif
