/* SPDX-License-Identifier: Apache-2.0 */

/* What of the mounts that a request asks for is taken, and how it is shown. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "engine/container.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "lib/json.h"

/* The mounts of a HostConfig and of the Config's Volumes, as text; NULL with *msg. Nothing is made. */
static char *resolved(const char *host_json, const char *volumes_json, char **msg)
{
	struct engine e = {.data_dir = "/data/engine"};
	cleanup(json_docp) yyjson_doc *host = yyjson_read(host_json, strlen(host_json), 0),
				      *volumes = yyjson_read(volumes_json, strlen(volumes_json), 0);
	cleanup(json_mut_docp) yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list;
	int err = 0;

	assert_true(host && volumes && out);
	*msg = NULL;
	list = mounts_resolve(&e, out, yyjson_doc_get_root(host),
		yyjson_val_mut_copy(out, yyjson_doc_get_root(volumes)), false, &err, msg);
	if (!list) {
		assert_true(err == -EINVAL || err == -ENOENT);
		return NULL;
	}
	return yyjson_mut_val_write(list, 0, NULL);
}

/* A volume's driver counts where a volume is asked for. */
static void drivers(void **state)
{
	static const struct {
		const char *host, *volumes, *words; /* NULL: accepted */
	} rows[] = {
		{"{\"VolumeDriver\":\"flocker\"}", "{}", NULL},
		{"{\"VolumeDriver\":\"flocker\",\"Binds\":[\"/tmp:/a\"]}", "{}", NULL},
		{"{\"VolumeDriver\":\"flocker\",\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/a\"}]}",
			"{}", NULL},
		{"{\"VolumeDriver\":\"local\",\"Binds\":[\"vol:/a\"]}", "{\"/b\":{}}", NULL},
		{"{\"VolumeDriver\":\"flocker\",\"Binds\":[\"vol:/a\"]}", "{}",
			"create vol: error looking up volume plugin flocker: plugin \"flocker\" not found"},
		{"{\"VolumeDriver\":\"flocker\"}", "{\"/b\":{}}", "volume plugin flocker"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/a\",\"VolumeOptions\":{\"DriverConfig\":"
		 "{\"Name\":\"flocker\"}}}]}",
			"{}", "create vol: error looking up volume plugin flocker"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *msg = NULL, *list = resolved(rows[i].host, rows[i].volumes, &msg);

		if (!list != !!rows[i].words || (msg && rows[i].words && !strstr(msg, rows[i].words)))
			fail_msg("%s: %s", rows[i].host, msg ? msg : list);
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *host, *words;
	} rows[] = {
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/a\",\"VolumeOptions\":{\"Subpath\":\"/b\"}}]}",
			"invalid mount config for type \"volume\": subpath must be a relative path within the volume"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/a\",\"VolumeOptions\":{\"Subpath\":\"../b\"}}]}",
			"subpath must be a relative path within the volume"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/a\",\"VolumeOptions\":{\"Subpath\":\"b\"}}]}",
			"must not set Subpath when using anonymous volumes"},
		{"{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"i\",\"Target\":\"/a\",\"ImageOptions\":{\"Subpath\":\"b/../../c\"}}]}",
			"invalid mount config for type \"image\": subpath must be a relative path within the volume"},
		{"{\"Mounts\":[{\"Type\":\"image\",\"Target\":\"/a\"}]}", "field Source must not be empty"},
		{"{\"Mounts\":[{\"Type\":\"notreal\",\"Target\":\"/a\"}]}",
			"invalid mount config for type \"notreal\": mount type unknown"},
		{"{\"Mounts\":[{\"Type\":\"bind\"}]}", "type \"bind\": field Target must not be empty"},
		{"{\"Mounts\":[{\"Type\":\"bind\",\"Target\":\"/a\"}]}",
			"type \"bind\": field Source must not be empty"},
		{"{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"a\",\"Target\":\"/a\"}]}",
			"type \"bind\": invalid mount path: 'a' mount path must be absolute"},
		{"{\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"a\"}]}",
			"type \"tmpfs\": invalid mount path: 'a' mount path must be absolute"},
		{"{\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/a/..\"}]}",
			"type \"tmpfs\": invalid specification: destination can't be '/'"},
		/* as Docker, though nothing is in it */
		{"{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/tmp\",\"Target\":\"/a\",\"VolumeOptions\":{}}]}",
			"type \"bind\": field VolumeOptions must not be specified"},
		{"{\"Binds\":[\"vol:/a:shared\"]}",
			"invalid volume specification: 'vol:/a:shared': invalid mount config for type \"volume\": field "
			"BindOptions must not be specified"},
		{"{\"Binds\":[\"/tmp:/a:nocopy\"]}",
			"invalid volume specification: '/tmp:/a:nocopy': invalid mount config for type \"bind\": field "
			"VolumeOptions must not be specified"},
		{"{\"Binds\":[\"vol:/\"]}",
			"'vol:/': invalid mount config for type \"volume\": invalid specification: "
			"destination can't be '/'"},
		{"{\"Binds\":[\"/tmp:/proc/sys\"]}",
			"\"/proc/sys\" cannot be mounted because it is inside /proc"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/proc//x/\"}]}",
			"\"/proc/x\" cannot be mounted"},
		{"{\"Tmpfs\":{\"/proc/x\":\"\"}}", "inside /proc"},
		{"{\"Tmpfs\":{\".\":\"\"}}", "invalid mount path: '.' mount path must be absolute"},
		{"{\"Tmpfs\":{\"//\":\"\"}}", "invalid specification: destination can't be '/'"},
		{"{\"Tmpfs\":{\"/a\":\"nonsense\"}}", "invalid tmpfs option \"nonsense\""},
		{"{\"Tmpfs\":{\"/a\":\"\"},\"Binds\":[\"/tmp:/a/\"]}", "Duplicate mount point: /a"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *msg = NULL, *list = resolved(rows[i].host, "{}", &msg);

		if (list || !msg || !strstr(msg, rows[i].words))
			fail_msg("%s: %s", rows[i].host, msg ? msg : list);
	}

	cleanup(freep) char *msg = NULL, *list = resolved("{}", "{\"/proc//sys\":{}}", &msg);

	assert_null(list);
	assert_non_null(strstr(msg, "inside /proc"));
}

static void taken(void **state)
{
	static const char *const hosts[] = {
		"{\"Binds\":[\"/proc:/proc\",\"/tmp:/proc/cpuinfo\",\"/tmp:/process/a\"]}",
		"{\"Binds\":[\"/tmp:/a:ro,rprivate\",\"vol:/b:nocopy\"]}",
		"{\"Tmpfs\":{\"/a\":\"shared\",\"/b\":\"rslave,size=1m\"}}",
		"{\"Tmpfs\":{\"/a\":\"\"},\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/a\"}]}",
	};

	for (size_t i = 0; i < array_len(hosts); i++) {
		cleanup(freep) char *msg = NULL, *list = resolved(hosts[i], "{}", &msg);

		if (!list)
			fail_msg("%s: %s", hosts[i], msg ? msg : "");
	}
}

/* What is said here itself counts most; of several others the last one. */
static void volumes_of_others(void **state)
{
	static const char
		first[] = "[{\"Type\":\"bind\",\"Source\":\"/etc\",\"Destination\":\"/a\",\"RW\":true},"
			  "{\"Type\":\"bind\",\"Source\":\"/etc\",\"Destination\":\"/b\",\"RW\":true},"
			  "{\"Type\":\"bind\",\"Source\":\"/etc\",\"Destination\":\"/c\",\"RW\":true}]",
		second[] = "[{\"Type\":\"bind\",\"Source\":\"/usr\",\"Destination\":\"/b\",\"RW\":true},"
			   "{\"Type\":\"bind\",\"Source\":\"/usr\",\"Destination\":\"/c\",\"RW\":true}]",
		asked[] = "{\"VolumesFrom\":[\"first\",\"second:ro\"],\"Binds\":[\"/tmp:/c\"]}";
	cleanup(json_docp) yyjson_doc *one = yyjson_read(first, strlen(first), 0),
				      *two = yyjson_read(second, strlen(second), 0),
				      *host = yyjson_read(asked, strlen(asked), 0);
	cleanup(json_mut_docp) yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
	char names[2][8] = {"first", "second"};
	struct container others[2] = {
		{.id = "1", .name = names[0], .mounts = yyjson_doc_get_root(one)},
		{.id = "2", .name = names[1], .mounts = yyjson_doc_get_root(two)},
	};
	struct container *list[2] = {&others[0], &others[1]};
	struct engine e = {.data_dir = "/data/engine", .containers = list, .n_containers = 2};
	cleanup(freep) char *msg = NULL, *text = NULL;
	yyjson_mut_val *all;
	size_t i, n, seen = 0;
	yyjson_mut_val *m;
	int err = 0;

	all = mounts_resolve(&e, out, yyjson_doc_get_root(host), NULL, true, &err, &msg);
	if (!all)
		fail_msg("%s", msg ? msg : "");
	yyjson_mut_arr_foreach(all, i, n, m)
	{
		const char *from = yyjson_mut_get_str(yyjson_mut_obj_get(m, "Source")),
			   *at = yyjson_mut_get_str(yyjson_mut_obj_get(m, "Destination"));

		assert_string_equal(from, !strcmp(at, "/a") ? "/etc" : !strcmp(at, "/b") ? "/usr" : "/tmp");
		assert_true(yyjson_mut_get_bool(yyjson_mut_obj_get(m, "RW")) == (*at != 0 && at[1] != 'b'));
		seen++;
	}
	assert_int_equal(seen, 3);
}

/* Mode is what -v says behind the second colon; Docker has one for volumes of which nothing is said. */
static void modes(void **state)
{
	static const struct {
		const char *host, *volumes, *words;
	} rows[] = {
		{"{\"Binds\":[\"vol:/a\"]}", "{}", "\"Mode\":\"z\",\"RW\":true"},
		{"{\"Binds\":[\"vol:/a:\"]}", "{}", "\"Mode\":\"z\",\"RW\":true"},
		{"{\"Binds\":[\"vol:/a:ro\"]}", "{}", "\"Mode\":\"ro\",\"RW\":false"},
		{"{\"Binds\":[\"/tmp:/a\"]}", "{}", "\"Mode\":\"\",\"RW\":true"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/a\",\"ReadOnly\":true}]}",
			"{}", "\"Mode\":\"z\",\"RW\":false"},
		{"{\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/a\"}]}", "{}",
			"\"Mode\":\"z\",\"RW\":true"},
		{"{}", "{\"/a\":{}}", "\"Mode\":\"\",\"RW\":true"},
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		cleanup(freep) char *msg = NULL, *list = resolved(rows[i].host, rows[i].volumes, &msg);

		if (!list || !strstr(list, rows[i].words))
			fail_msg("%s: %s", rows[i].host, list ? list : msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(drivers), cmocka_unit_test(refusals),
		cmocka_unit_test(taken), cmocka_unit_test(volumes_of_others), cmocka_unit_test(modes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
