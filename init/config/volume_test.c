/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "init/config/volume.h"

static uint8_t head[VOLUME_PROBE_BYTES];

static int clear(void **state)
{
	memset(head, 0, sizeof(head));
	return 0;
}

static void put(size_t at, const char *text)
{
	memcpy(head + at, text, strlen(text));
}

static void fat(void **state)
{
	struct volume v;

	put(510, "\x55\xaa");
	put(82, "FAT32   ");
	put(71, "WHERRY     ");
	assert_true(volume_probe(&v, head));
	assert_string_equal(v.type, "vfat");
	assert_string_equal(v.label, "WHERRY");
	assert_true(volume_is_ours(&v));
	put(71, "NO NAME    ");
	assert_true(volume_probe(&v, head));
	assert_false(volume_is_ours(&v));
	put(82, "        ");
	put(54, "FAT16   ");
	put(43, "CIDATA     ");
	assert_true(volume_probe(&v, head));
	assert_true(volume_is_ours(&v));
}

static void iso(void **state)
{
	struct volume v;

	put(32768, "\x01"
		   "CD001");
	put(32768 + 40, "cidata                          ");
	assert_true(volume_probe(&v, head));
	assert_string_equal(v.type, "iso9660");
	assert_string_equal(v.label, "cidata");
	/* A label to its last byte, and one with bytes that are no text. */
	put(32768 + 40, "0123456789abcdef0123456789abcdef");
	assert_true(volume_probe(&v, head));
	assert_int_equal(strlen(v.label), 32);
	put(32768 + 40, "wherry\x01");
	assert_true(volume_probe(&v, head));
	assert_string_equal(v.label, "wherry");
}

static void ext(void **state)
{
	struct volume v;

	put(1024 + 56, "\x53\xef");
	put(1024 + 120, "wherry");
	assert_true(volume_probe(&v, head));
	assert_string_equal(v.type, "ext4");
	assert_true(volume_is_ours(&v));
	put(1024 + 120, "wherry-data"); /* our own DATA is no configuration */
	assert_true(volume_probe(&v, head));
	assert_false(volume_is_ours(&v));
}

static void nothing(void **state)
{
	struct volume v;

	assert_false(volume_probe(&v, head));
	put(510, "\x55\xaa"); /* a boot sector, but no file system */
	assert_false(volume_probe(&v, head));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fat, clear),
		cmocka_unit_test_setup(iso, clear),
		cmocka_unit_test_setup(ext, clear),
		cmocka_unit_test_setup(nothing, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
