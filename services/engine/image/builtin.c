/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Images that are part of the read-only root. Each is a directory below /usr/share/wherry/images:
 *
 *   name		the name, one line: wherry/hello:latest
 *   config.json	the image configuration without its rootfs
 *   rootfs/		its one layer, used where it is: it costs no space on DATA and no time to unpack
 *
 * The digest of the layer is that of the tar stream which tree_tar() makes of it, so it is what `docker save`
 * would write; it is computed when somebody first asks about images, not while the machine boots.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <yyjson.h>

#include "engine/image/digest.h"
#include "engine/image/image_int.h"
#include "engine/image/manifest.h"
#include "engine/image/store_int.h"
#include "engine/image/tree_tar.h"
#include "lib/file.h"
#include "lib/log.h"

static int add_bytes(const void *buf, size_t len, void *arg)
{
	digest_update(arg, buf, len);
	return 0;
}

/* The configuration with architecture, os and rootfs filled in; malloc'ed text or NULL. */
static char *complete_config(const char *text, size_t len, const char *diff_id)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_mut_doc *m = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
	yyjson_mut_val *root = m ? yyjson_mut_doc_get_root(m) : NULL, *rootfs, *ids;
	struct image_platform here;
	char *out = NULL;

	if (root && yyjson_mut_is_obj(root) && image_platform_parse(&here, NULL, NULL) == 0) {
		yyjson_mut_obj_add_strcpy(m, root, "architecture", here.architecture);
		yyjson_mut_obj_add_str(m, root, "os", "linux");
		rootfs = yyjson_mut_obj_add_obj(m, root, "rootfs");
		yyjson_mut_obj_add_str(m, rootfs, "type", "layers");
		ids = yyjson_mut_obj_add_arr(m, rootfs, "diff_ids");
		yyjson_mut_arr_add_strcpy(m, ids, diff_id);
		out = yyjson_mut_write(m, 0, NULL);
	}
	yyjson_mut_doc_free(m);
	yyjson_doc_free(doc);
	return out;
}

static int load_one(const char *base, int dir, const char *entry, struct img **out, struct name *name)
{
	cleanup(closep) int at = openat(dir, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rootfs = -1;
	cleanup(freep) char *config = NULL, *text = NULL, *path = NULL;
	struct digest d;
	struct img *img;
	size_t len;
	int r;

	if (at < 0)
		return -errno;
	r = file_read(at, "name", IMAGE_NAME_MAX, &text, &len);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	r = image_ref_parse(&name->ref, text);
	if (r < 0)
		return r;
	image_ref_default_tag(&name->ref);
	r = file_read(at, "config.json", IMAGE_MANIFEST_MAX, &config, &len);
	if (r < 0)
		return r;
	rootfs = openat(at, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfs < 0)
		return -errno;
	if (asprintf(&path, "%s/%s/rootfs", base, entry) < 0) {
		path = NULL;
		return -ENOMEM;
	}

	img = img_new();
	if (!img)
		return -ENOMEM;
	img->layers = calloc(1, sizeof(*img->layers));
	if (!img->layers) {
		img_put(img);
		return -ENOMEM;
	}
	img->pub.layers = img->layers;
	img->pub.n_layers = 1;
	img->pub.builtin = true;
	img->layers[0].dir = take(path);
	digest_init(&d);
	r = tree_tar(
		rootfs, &(struct tree_tar_opts){.layer = false}, add_bytes, &d, &img->layers[0].size_bytes);
	digest_final(&d, img->layers[0].diff_id);
	img->pub.size_bytes = img->layers[0].size_bytes;
	if (r == 0) {
		img->config_text = complete_config(config, len, img->layers[0].diff_id);
		r = img->config_text ? 0 : -EBADMSG;
	}
	if (r == 0) {
		digest_of(img->config_text, strlen(img->config_text), img->pub.id);
		r = img_describe(img, img->config_text, strlen(img->config_text));
	}
	if (r < 0) {
		img_put(img);
		return r;
	}
	strcpy(name->id, img->pub.id);
	name->builtin = true;
	*out = img;
	return 0;
}

void builtin_load(struct image_store *s)
{
	DIR *d = s->builtin_dir ? opendir(s->builtin_dir) : NULL;
	struct dirent *e;

	s->builtins_made = true;
	if (!d) {
		if (s->builtin_dir && errno != ENOENT)
			log_errno(errno, "op=built-in-images path=%s", s->builtin_dir);
		return;
	}
	while ((e = readdir(d))) {
		struct img **images;
		struct name *names;
		int r;

		if (*e->d_name == '.')
			continue;
		images = realloc(s->builtins, (s->n_builtins + 1) * sizeof(struct img *));
		if (images)
			s->builtins = images;
		names = realloc(s->builtin_names, (s->n_builtins + 1) * sizeof(struct name));
		if (names)
			s->builtin_names = names;
		if (!images || !names)
			break;
		memset(&names[s->n_builtins], 0, sizeof(*names));
		r = load_one(
			s->builtin_dir, dirfd(d), e->d_name, &images[s->n_builtins], &names[s->n_builtins]);
		if (r == 0)
			s->n_builtins++;
		else
			log_errno(-r, "op=built-in-image name=%s", e->d_name);
	}
	closedir(d);
}
