/* SPDX-License-Identifier: Apache-2.0 */

/* See image_platform.h. */

#include <stdio.h>
#include <string.h>

#include "engine/api.h"
#include "engine/image/manifest.h"
#include "engine/image_platform.h"
#include "lib/json.h"

struct platform {
	char os[IMAGE_PLATFORM_MAX], arch[IMAGE_PLATFORM_MAX], variant[IMAGE_PLATFORM_MAX]; /* "": any */
};

static void take_text(char out[IMAGE_PLATFORM_MAX], yyjson_val *o, const char *key)
{
	const char *s = json_text(o, key);

	snprintf(out, IMAGE_PLATFORM_MAX, "%s", s ? s : "");
}

static bool parse(struct http_req *r, const char *text, struct platform *out)
{
	yyjson_doc *doc;

	*out = (struct platform){0};
	if (!text || !*text)
		return true;
	doc = yyjson_read(text, strlen(text), 0);
	if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
		yyjson_doc_free(doc);
		api_error(r, 400, "invalid platform: %.100s", text);
		return false;
	}
	take_text(out->os, yyjson_doc_get_root(doc), "os");
	take_text(out->arch, yyjson_doc_get_root(doc), "architecture");
	take_text(out->variant, yyjson_doc_get_root(doc), "variant");
	yyjson_doc_free(doc);
	return true;
}

bool image_platform_specifier(struct http_req *r, const char **out)
{
	const char *text = http_query(r, "platform");
	struct image_platform p;
	struct image_reason why = {0};

	*out = NULL;
	if (!text || !*text || api_minor(r) < 32)
		return true;
	if (image_platform_parse(&p, text, &why)) {
		api_error(r, 400, "%s", why.text);
		return false;
	}
	*out = text;
	return true;
}

bool image_platform_param(struct http_req *r, char out[IMAGE_PLATFORM_MAX])
{
	struct platform p;
	int n = 0;

	*out = '\0';
	if (!parse(r, http_query(r, "platform"), &p))
		return false;
	if (*p.arch)
		n = snprintf(out, IMAGE_PLATFORM_MAX, "%s/%s%s%s", *p.os ? p.os : "linux", p.arch,
			*p.variant ? "/" : "", p.variant);
	if (n < IMAGE_PLATFORM_MAX)
		return true;
	api_error(r, 400, "invalid platform: %.100s", http_query(r, "platform"));
	return false;
}

static bool same(const char *wanted, const char *here)
{
	return !*wanted || !strcmp(wanted, here);
}

static bool fits(struct http_req *r, const char *text, const struct image *img, const char *name)
{
	struct platform p;

	if (!parse(r, text, &p))
		return false;
	/* an image that does not say its variant is of any */
	if (same(p.os, img->os) && same(p.arch, img->architecture) &&
		(!*img->variant || same(p.variant, img->variant)))
		return true;
	api_error(r, 404,
		"image with reference %s was found but its platform (%s/%s%s%s) does not match the specified platform "
		"(%s/%s%s%s)",
		name, img->os, img->architecture, *img->variant ? "/" : "", img->variant,
		*p.os ? p.os : img->os, *p.arch ? p.arch : img->architecture, *p.variant ? "/" : "",
		p.variant);
	return false;
}

bool image_platform_fits(struct http_req *r, const struct image *img, const char *name)
{
	return fits(r, http_query(r, "platform"), img, name);
}

bool image_platforms_fit(struct http_req *r, const struct image *img, const char *name)
{
	const char *all[16];
	size_t n;

	if (!api_query_all(r, "platforms", all, array_len(all), &n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!fits(r, all[i], img, name))
			return false;
	return true;
}
