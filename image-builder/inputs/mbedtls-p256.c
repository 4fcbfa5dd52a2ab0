/* SPDX-License-Identifier: Apache-2.0 */

/* Mbed TLS's own point arithmetic, for P-256 (ecp_internal_alt.h says what each function has to do). */

#include "common.h"

#include <string.h>

#include "mbedtls/ecp.h"
#include "mbedtls/error.h"

#include "ecp_internal_alt.h"
#include "lib/p256.h"

_Static_assert(sizeof(mbedtls_mpi_uint) == sizeof(uint64_t), "limbs of 64 bits");

/* The number of an MPI; what it is above 2^256, which no coordinate is, is refused. */
static int load(struct p256_number *out, const mbedtls_mpi *m)
{
	uint64_t above = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < m->n; i++) {
		if (i < P256_LIMBS)
			out->limb[i] = m->p[i];
		else
			above |= m->p[i];
	}
	return above || m->s < 0 ? MBEDTLS_ERR_ECP_BAD_INPUT_DATA : 0;
}

static int load_point(struct p256_point *out, const mbedtls_ecp_point *p)
{
	int r = load(&out->x, &p->X);

	if (!r)
		r = load(&out->y, &p->Y);
	return r ? r : load(&out->z, &p->Z);
}

static int store(mbedtls_mpi *m, const struct p256_number *a)
{
	int r = mbedtls_mpi_grow(m, P256_LIMBS);

	if (r)
		return r;
	m->s = 1;
	for (size_t i = 0; i < m->n; i++)
		m->p[i] = i < P256_LIMBS ? a->limb[i] : 0;
	return 0;
}

static int store_point(mbedtls_ecp_point *p, const struct p256_point *a)
{
	int r = store(&p->X, &a->x);

	if (!r)
		r = store(&p->Y, &a->y);
	return r ? r : store(&p->Z, &a->z);
}

unsigned char mbedtls_internal_ecp_grp_capable(const mbedtls_ecp_group *grp)
{
	return grp->id == MBEDTLS_ECP_DP_SECP256R1;
}

int mbedtls_internal_ecp_init(const mbedtls_ecp_group *grp)
{
	(void)grp;
	return 0;
}

void mbedtls_internal_ecp_free(const mbedtls_ecp_group *grp)
{
	(void)grp;
}

int mbedtls_internal_ecp_double_jac(
	const mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_ecp_point *P)
{
	struct p256_point p;
	int r = load_point(&p, P);

	(void)grp;
	if (r)
		return r;
	p256_double(&p, &p);
	return store_point(R, &p);
}

int mbedtls_internal_ecp_add_mixed(const mbedtls_ecp_group *grp, mbedtls_ecp_point *R,
	const mbedtls_ecp_point *P, const mbedtls_ecp_point *Q)
{
	static const struct p256_number one = {{1}};
	struct p256_point p, q;
	int r = load_point(&p, P);

	(void)grp;
	if (!r)
		r = load_point(&q, Q);
	if (r)
		return r;
	if (p256_is_zero(&p.z))
		return store_point(R, &q);
	if (p256_is_zero(&q.z))
		return store_point(R, &p);
	if (memcmp(&q.z, &one, sizeof(one)) != 0)
		return MBEDTLS_ERR_ECP_BAD_INPUT_DATA;
	p256_add(&p, &p, &q);
	return store_point(R, &p);
}

int mbedtls_internal_ecp_normalize_jac(const mbedtls_ecp_group *grp, mbedtls_ecp_point *pt)
{
	return mbedtls_internal_ecp_normalize_jac_many(grp, &pt, 1);
}

int mbedtls_internal_ecp_normalize_jac_many(
	const mbedtls_ecp_group *grp, mbedtls_ecp_point *T[], size_t t_len)
{
	struct p256_point points[P256_BATCH];
	int r = 0;

	(void)grp;
	while (t_len && !r) {
		size_t n = t_len < P256_BATCH ? t_len : P256_BATCH;

		for (size_t i = 0; i < n && !r; i++)
			r = load_point(&points[i], T[i]);
		if (!r && !p256_normalize(points, n))
			r = MBEDTLS_ERR_MPI_NOT_ACCEPTABLE;
		for (size_t i = 0; i < n && !r; i++)
			r = store_point(T[i], &points[i]);
		T += n;
		t_len -= n;
	}
	return r;
}
