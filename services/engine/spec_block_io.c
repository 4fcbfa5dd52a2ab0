/* SPDX-License-Identifier: Apache-2.0 */

/* linux.resources.blockIO: weights and limits of disks, which Docker names by their path. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "engine/files.h"
#include "engine/spec.h"
#include "lib/json.h"

enum { WEIGHT_MIN = 10, WEIGHT_MAX = 1000 };

static const struct throttle {
	const char *option, *oci, *value;
} throttles[] = {
	{"BlkioWeightDevice", "weightDevice", "Weight"},
	{"BlkioDeviceReadBps", "throttleReadBpsDevice", "Rate"},
	{"BlkioDeviceWriteBps", "throttleWriteBpsDevice", "Rate"},
	{"BlkioDeviceReadIOps", "throttleReadIOPSDevice", "Rate"},
	{"BlkioDeviceWriteIOps", "throttleWriteIOPSDevice", "Rate"},
};

static bool weight_fits(int64_t w)
{
	return !w || (w >= WEIGHT_MIN && w <= WEIGHT_MAX);
}

int spec_block_io_check(yyjson_val *host, char **msg)
{
	if (!weight_fits(json_int(host, "BlkioWeight", 0))) {
		*msg = text_make("Range of blkio weight is from %d to %d", WEIGHT_MIN, WEIGHT_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < array_len(throttles); i++) {
		size_t k, n;
		yyjson_val *v;

		yyjson_arr_foreach (json_arr(host, throttles[i].option), k, n, v) {
			int64_t value = json_int(v, throttles[i].value, -1);

			if (json_text(v, "Path") && value >= 0 && (i || (value && weight_fits(value))))
				continue;
			*msg = text_make("HostConfig.%s: each has a Path and a %s%s", throttles[i].option,
				throttles[i].value, i ? "" : " from 10 to 1000");
			return -EINVAL;
		}
	}
	return 0;
}

int spec_block_io(yyjson_val *host, yyjson_mut_doc *doc, yyjson_mut_val *resources, char **msg)
{
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	int64_t weight = json_int(host, "BlkioWeight", 0);

	if (weight)
		yyjson_mut_obj_add_int(doc, o, "weight", weight);
	for (size_t i = 0; i < array_len(throttles); i++) {
		yyjson_mut_val *list = yyjson_mut_arr(doc);
		size_t k, n;
		yyjson_val *v;

		yyjson_arr_foreach (json_arr(host, throttles[i].option), k, n, v) {
			const char *path = json_str(v, "Path");
			yyjson_mut_val *d;
			struct stat st;

			if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode)) {
				*msg = text_make("HostConfig.%s: %s is no block device of this node",
					throttles[i].option, path);
				return -EINVAL;
			}
			d = yyjson_mut_arr_add_obj(doc, list);
			yyjson_mut_obj_add_uint(doc, d, "major", major(st.st_rdev));
			yyjson_mut_obj_add_uint(doc, d, "minor", minor(st.st_rdev));
			yyjson_mut_obj_add_int(
				doc, d, i ? "rate" : "weight", json_int(v, throttles[i].value, 0));
		}
		if (yyjson_mut_arr_size(list))
			yyjson_mut_obj_add(o, yyjson_mut_str(doc, throttles[i].oci), list);
	}
	if (yyjson_mut_obj_size(o))
		yyjson_mut_obj_add_val(doc, resources, "blockIO", o);
	return 0;
}
