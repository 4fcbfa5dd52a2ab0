/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image/image_int.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void completes(void **state)
{
	static const struct {
		const char *in, *canonical, *familiar;
	} t[] = {
		{"nginx", "docker.io/library/nginx", "nginx"},
		{"nginx:1.2", "docker.io/library/nginx:1.2", "nginx:1.2"},
		{"wherry/hello:latest", "docker.io/wherry/hello:latest", "wherry/hello:latest"},
		{"library/nginx", "docker.io/library/nginx", "nginx"},
		{"docker.io/nginx", "docker.io/library/nginx", "nginx"},
		{"index.docker.io/a/b", "docker.io/a/b", "a/b"},
		{"docker.io/docker.io/rr", "docker.io/docker.io/rr", "docker.io/docker.io/rr"},
		{"docker.io/localhost/rr", "docker.io/localhost/rr", "docker.io/localhost/rr"},
		{"localhost/a", "localhost/a", "localhost/a"},
		{"localhost:5000/a:b", "localhost:5000/a:b", "localhost:5000/a:b"},
		{"host.example/a__b/c-d.e---f:T_1.x", "host.example/a__b/c-d.e---f:T_1.x",
			"host.example/a__b/c-d.e---f:T_1.x"},
		{"[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"},
		{"10.0.0.1:80/a", "10.0.0.1:80/a", "10.0.0.1:80/a"},
		{"library/" HEX, "docker.io/library/" HEX, "library/" HEX},
		{"a@sha256:" HEX, "docker.io/library/a@sha256:" HEX, "a@sha256:" HEX},
		{"a:b@sha256:" HEX, "docker.io/library/a:b@sha256:" HEX, "a:b@sha256:" HEX},
	};
	char s[IMAGE_NAME_MAX + 1];
	struct image_ref r;

	for (size_t i = 0; i < array_len(t); i++) {
		assert_int_equal(image_ref_parse(&r, t[i].in), 0);
		image_ref_canonical(&r, s);
		assert_string_equal(s, t[i].canonical);
		image_ref_familiar(&r, s);
		assert_string_equal(s, t[i].familiar);
	}
}

static void refuses(void **state)
{
	static const char *const t[] = {
		"",
		"/",
		"a/",
		"/a",
		"a//b",
		"A",
		"a:",
		"a:.b",
		"a:-b",
		":a",
		"a b",
		"a\n",
		"a_",
		"_a",
		"a..b",
		"a___b",
		"a.-b",
		"-a",
		"a/../b",
		"..",
		"host.example/",
		"host..example/a",
		"-host.example/a",
		"host.example-/a",
		"host.example:0/a",
		"host.example:65536/a",
		"host.example:/a",
		"host.example:8x/a",
		"[::1/a",
		"[::1]x/a",
		"[]/a",
		"a@sha256:12",
		"a@sha512:" HEX,
		"a@sha256:" HEX "0",
		"a@",
		"a@b@c",
		HEX,
		"a:b:c",
		"host.example?/a",
		"user@host.example/a",
		"a%2fb",
		"sha256:" HEX "/..",
	};
	char big[IMAGE_NAME_MAX + 10];
	struct image_ref r;

	for (size_t i = 0; i < array_len(t); i++) {
		if (image_ref_parse(&r, t[i]) != -EINVAL)
			fail_msg("accepted: %s", t[i]);
	}
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(image_ref_parse(&r, big), -EINVAL);
	big[IMAGE_PATH_MAX - 7] = '\0'; /* fits, but not with library/ before it */
	assert_int_equal(image_ref_parse(&r, big), -EINVAL);
	big[IMAGE_PATH_MAX - 8] = '\0';
	assert_int_equal(image_ref_parse(&r, big), 0);
}

static void tags(void **state)
{
	struct image_ref r;

	assert_int_equal(image_ref_parse(&r, "a"), 0);
	image_ref_default_tag(&r);
	assert_string_equal(r.tag, "latest");
	assert_int_equal(image_ref_set_tag(&r, "v2"), 0);
	assert_string_equal(r.tag, "v2");
	assert_int_equal(image_ref_set_tag(&r, "sha256:" HEX), 0);
	assert_string_equal(r.digest, "sha256:" HEX);
	assert_int_equal(image_ref_set_tag(&r, "a/b"), -EINVAL);
	assert_int_equal(image_ref_set_tag(&r, ""), -EINVAL);

	assert_int_equal(image_ref_parse(&r, "a@sha256:" HEX), 0);
	image_ref_default_tag(&r);
	assert_string_equal(r.tag, "");
}

static void not_every_name_can_be_given(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{"sha256x:1", NULL},
		{"me/sha256:1", NULL},
		{"host:5000/sha256:1", NULL},
		{"sha256", "refusing to create an ambiguous tag using digest algorithm as name"},
		{"docker.io/library/sha256:1",
			"refusing to create an ambiguous tag using digest algorithm as name"},
		{"a@sha256:" HEX, "refusing to create a tag with a digest reference"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct image_ref r;
		const char *why;

		assert_int_equal(image_ref_parse(&r, cases[i].name), 0);
		why = image_ref_no_tag(&r);
		assert_true(!why == !cases[i].why);
		if (why)
			assert_string_equal(why, cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(completes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(tags),
		cmocka_unit_test(not_every_name_can_be_given),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
