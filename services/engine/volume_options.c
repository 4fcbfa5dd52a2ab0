/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "engine/files.h"
#include "engine/volume_options.h"
#include "lib/json.h"
#include "lib/size.h"

/* Words of `o` that are flags of the mount itself. */
static const struct {
	const char *word;
	unsigned long set, clear;
} flags[] = {
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0},
	{"dev", 0, MS_NODEV},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"sync", MS_SYNCHRONOUS, 0},
	{"async", 0, MS_SYNCHRONOUS},
	{"dirsync", MS_DIRSYNC, 0},
	{"noatime", MS_NOATIME, 0},
	{"atime", 0, MS_NOATIME},
	{"nodiratime", MS_NODIRATIME, 0},
	{"relatime", MS_RELATIME, 0},
	{"norelatime", 0, MS_RELATIME},
	{"strictatime", MS_STRICTATIME, 0},
	{"bind", MS_BIND, 0},
	{"rbind", MS_BIND | MS_REC, 0},
	{"defaults", 0, 0},
};

/* One word of `o`: a flag, a size for a directory of ours, or something for the file system. */
static int one_word(struct volume_source *out, const char *word, size_t *data_len, size_t room, char **msg)
{
	int n;

	if (!*word)
		return 0;
	if (!out->mounted && !strncmp(word, "size=", 5)) {
		if (!size_parse(word + 5, &out->size_bytes))
			return 0;
		*msg = text_make("invalid size \"%s\" of a volume: 100m or 2g is the form", word + 5);
		return -EINVAL;
	}
	if (!out->mounted) {
		*msg = text_make(
			"missing required option: \"device\" (o=%s needs a type and a device)", word);
		return -EINVAL;
	}
	for (size_t i = 0; i < array_len(flags); i++)
		if (!strcmp(flags[i].word, word)) {
			out->flags = (out->flags & ~flags[i].clear) | flags[i].set;
			return 0;
		}
	n = snprintf(out->data + *data_len, room - *data_len, "%s%s", *data_len ? "," : "", word);
	if (n < 0 || (size_t)n >= room - *data_len)
		return -ENOMEM;
	*data_len += (size_t)n;
	return 0;
}

static int read_words(struct volume_source *out, const char *o, char **msg)
{
	cleanup(freep) char *copy = strdup(o ? o : "");
	size_t room = strlen(o ? o : "") + 1, len = 0;
	char *at = copy;
	int r = 0;

	out->data = calloc(1, room);
	if (!copy || !out->data)
		return -ENOMEM;
	while (at && !r)
		r = one_word(out, strsep(&at, ","), &len, room, msg);
	return r;
}

/* Lines of /proc/filesystems are "nodev\tNAME" or "\tNAME". */
static bool kernel_has(const char *filesystems, const char *type)
{
	size_t n = strlen(type);

	for (const char *at = filesystems; (at = strstr(at, type)); at += n)
		if (at > filesystems && at[-1] == '\t' && (at[n] == '\n' || !at[n]))
			return true;
	return false;
}

static int check_source(struct volume_source *out, const char *filesystems, char **msg)
{
	if (!strcmp(out->type, "none") || !strcmp(out->type, "bind") || out->flags & MS_BIND) {
		out->flags |= MS_BIND;
		out->type[0] = '\0';
		if (*out->device != '/')
			*msg = text_make(
				"a bind volume needs an absolute path as device, not \"%s\"", out->device);
		else if (*out->data)
			*msg = text_make("options of a bind volume: \"%s\" is none", out->data);
		return *msg ? -EINVAL : 0;
	}
	if (filesystems && !kernel_has(filesystems, out->type)) {
		*msg = text_make(
			"volumes of type \"%s\" cannot be had: this node's kernel has no such file system",
			out->type);
		return -EINVAL;
	}
	if (!strncmp(out->type, "nfs", 3) && !strchr(out->device, ':')) {
		*msg = text_make(
			"an NFS volume's device is SERVER:/PATH, or :/PATH with o=addr=SERVER, not \"%s\"",
			out->device);
		return -EINVAL;
	}
	return 0;
}

int volume_options_read(yyjson_val *opts, const char *filesystems, struct volume_source *out, char **msg)
{
	const char *type = json_text(opts, "type"), *device = json_text(opts, "device");
	const char *size = json_text(opts, "size");
	size_t i, n;
	yyjson_val *k, *v;
	int r;

	*out = (struct volume_source){0};
	json_obj_foreach (opts, i, n, k, v) {
		const char *key = yyjson_get_str(k);

		if (strcmp(key, "type") && strcmp(key, "device") && strcmp(key, "o") && strcmp(key, "size")) {
			*msg = text_make(
				"invalid option: \"%.64s\" (the driver local has type, device, o, size)",
				key);
			return -EINVAL;
		}
		if (!yyjson_is_str(v)) {
			*msg = text_make("volume option \"%s\" must be a string", key);
			return -EINVAL;
		}
	}
	if (!type != !device) {
		*msg = text_make("missing required option: \"%s\"", type ? "device" : "type");
		return -EINVAL;
	}
	out->mounted = type;
	out->type = strdup(type ? type : "");
	out->device = strdup(device ? device : "");
	if (!out->type || !out->device)
		return -ENOMEM;
	r = read_words(out, json_text(opts, "o"), msg);
	if (r < 0)
		return r;
	if (size && size_parse(size, &out->size_bytes)) {
		*msg = text_make("invalid size \"%s\" of a volume: 100m or 2g is the form", size);
		return -EINVAL;
	}
	if (size && out->mounted) {
		*msg = text_make(
			"option size is for volumes on this node's own disk; with type \"%s\" it belongs into o",
			type);
		return -EINVAL;
	}
	return out->mounted ? check_source(out, filesystems, msg) : 0;
}

void volume_source_fini(struct volume_source *s)
{
	free(s->type);
	free(s->device);
	free(s->data);
	*s = (struct volume_source){0};
}
