/* SPDX-License-Identifier: Apache-2.0 */

/* Against Mbed TLS as it comes: its numbers of any size, and its multiplication of points. */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>

#include "lib/p256.h"

static uint64_t seed = 1;

static uint64_t some(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int some_bytes(void *arg, unsigned char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)(some() >> 32);
	return 0;
}

static void to_mpi(mbedtls_mpi *m, const struct p256_number *a)
{
	assert_int_equal(mbedtls_mpi_read_binary_le(m, (const unsigned char *)a, sizeof(*a)), 0);
}

static void of_mpi(struct p256_number *a, const mbedtls_mpi *m)
{
	assert_int_equal(mbedtls_mpi_write_binary_le(m, (unsigned char *)a, sizeof(*a)), 0);
}

/* Every limb is random, or all zeros, or all ones, or nearly: what carries go through. */
static void a_number(struct p256_number *a)
{
	for (size_t i = 0; i < P256_LIMBS; i++) {
		uint64_t r = some();

		a->limb[i] = r % 5 == 0	  ? 0
			     : r % 5 == 1 ? UINT64_MAX
			     : r % 5 == 2 ? UINT32_MAX
			     : r % 5 == 3 ? r % 4 - 2
					  : some();
	}
}

static void products_are_those_of_numbers(void **state)
{
	struct p256_number a, b, c, wanted;
	mbedtls_ecp_group g;
	mbedtls_mpi x, y;

	mbedtls_ecp_group_init(&g);
	mbedtls_mpi_init(&x);
	mbedtls_mpi_init(&y);
	assert_int_equal(mbedtls_ecp_group_load(&g, MBEDTLS_ECP_DP_SECP256R1), 0);
	for (int i = 0; i < 20000; i++) {
		a_number(&a);
		a_number(&b);
		to_mpi(&x, &a);
		to_mpi(&y, &b);
		assert_int_equal(mbedtls_mpi_mul_mpi(&x, &x, &y), 0);
		assert_int_equal(mbedtls_mpi_mod_mpi(&x, &x, &g.P), 0);
		of_mpi(&wanted, &x);
		p256_mul(&c, &a, &b);
		assert_memory_equal(&c, &wanted, sizeof(c));
		p256_mul(&a, &a, &b); /* in place */
		assert_memory_equal(&a, &wanted, sizeof(c));
	}
	mbedtls_mpi_free(&x);
	mbedtls_mpi_free(&y);
	mbedtls_ecp_group_free(&g);
}

static void an_inverse_is_one(void **state)
{
	static const struct p256_number one = {{1}}, zero = {{0}};
	struct p256_number a, b;

	for (int i = 0; i < 200; i++) {
		a_number(&a);
		p256_invert(&b, &a);
		p256_mul(&b, &b, &a);
		/* nothing has an inverse that the prime divides: here that is zero alone */
		assert_memory_equal(&b, p256_is_zero(&a) ? &zero : &one, sizeof(b));
	}
	p256_invert(&b, &zero);
	assert_true(p256_is_zero(&b));
}

static void of_point(struct p256_point *p, const mbedtls_ecp_point *from)
{
	of_mpi(&p->x, &from->MBEDTLS_PRIVATE(X));
	of_mpi(&p->y, &from->MBEDTLS_PRIVATE(Y));
	of_mpi(&p->z, &from->MBEDTLS_PRIVATE(Z));
}

/* Double and add, from the highest bit. */
static void multiply(struct p256_point *out, const struct p256_number *by, const struct p256_point *p)
{
	struct p256_point r = {0};

	for (int bit = 255; bit >= 0; bit--) {
		bool is_set = by->limb[bit / 64] >> (bit % 64) & 1;

		p256_double(&r, &r);
		if (is_set && p256_is_zero(&r.z))
			r = *p;
		else if (is_set)
			p256_add(&r, &r, p);
	}
	*out = r;
}

static void multiples_are_those_of_mbedtls(void **state)
{
	enum { MANY = 2 * 8 };
	struct p256_point ours[MANY], theirs[MANY], base;
	mbedtls_ecp_group g;
	mbedtls_ecp_point q;
	mbedtls_mpi by;
	struct p256_number n;

	mbedtls_ecp_group_init(&g);
	mbedtls_ecp_point_init(&q);
	mbedtls_mpi_init(&by);
	assert_int_equal(mbedtls_ecp_group_load(&g, MBEDTLS_ECP_DP_SECP256R1), 0);
	of_point(&base, &g.G);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(mbedtls_ecp_gen_privkey(&g, &by, some_bytes, NULL), 0);
		if (i < 4)
			assert_int_equal(mbedtls_mpi_lset(&by, (int)i + 1), 0); /* 2 adds a point to itself */
		of_mpi(&n, &by);
		assert_int_equal(mbedtls_ecp_mul(&g, &q, &by, &g.G, some_bytes, NULL), 0);
		of_point(&theirs[i], &q);
		multiply(&ours[i], &n, &base);
	}
	assert_true(p256_normalize(ours, MANY));
	assert_memory_equal(ours, theirs, sizeof(ours));
	mbedtls_mpi_free(&by);
	mbedtls_ecp_point_free(&q);
	mbedtls_ecp_group_free(&g);
}

static void the_ends_of_the_group(void **state)
{
	struct p256_point base, opposite, sum, twice, list[2];
	mbedtls_ecp_group g;
	mbedtls_mpi y;

	mbedtls_ecp_group_init(&g);
	mbedtls_mpi_init(&y);
	assert_int_equal(mbedtls_ecp_group_load(&g, MBEDTLS_ECP_DP_SECP256R1), 0);
	of_point(&base, &g.G);
	opposite = base;
	assert_int_equal(mbedtls_mpi_sub_mpi(&y, &g.P, &g.G.MBEDTLS_PRIVATE(Y)), 0);
	of_mpi(&opposite.y, &y);

	p256_add(&sum, &base, &opposite);
	assert_true(p256_is_zero(&sum.z));
	p256_double(&sum, &sum);
	assert_true(p256_is_zero(&sum.z));

	p256_add(&sum, &base, &base);
	p256_double(&twice, &base);
	assert_memory_equal(&sum, &twice, sizeof(sum));

	list[0] = twice;
	list[1] = (struct p256_point){0};
	assert_false(p256_normalize(list, 2));
	assert_memory_equal(&list[0], &twice, sizeof(twice));
	assert_true(p256_normalize(list, 1));

	mbedtls_mpi_free(&y);
	mbedtls_ecp_group_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_are_those_of_numbers),
		cmocka_unit_test(an_inverse_is_one),
		cmocka_unit_test(multiples_are_those_of_mbedtls),
		cmocka_unit_test(the_ends_of_the_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
