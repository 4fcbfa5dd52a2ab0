/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_P256_H
#define LIB_P256_H

/*
 * Points of NIST P-256 (FIPS 186-5, SP 800-186), for Mbed TLS, which is built to call this for that curve
 * (image-builder/inputs/mbedtls-p256.c): what it multiplies points with, its countermeasures included, stays its own. Nothing here
 * branches on a coordinate, or is read at a place that depends on one, except where said.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { P256_LIMBS = 4 };

/* A number below 2^256, its lowest limb first. What functions here return is below the field's prime. */
struct p256_number {
	uint64_t limb[P256_LIMBS];
};

/* Jacobian: the affine point (x / z^2, y / z^3). With z = 0 it is the point at infinity. */
struct p256_point {
	struct p256_number x, y, z;
};

void p256_mul(struct p256_number *out, const struct p256_number *a, const struct p256_number *b);
/* 1 / @a modulo the prime; 0 of 0 */
void p256_invert(struct p256_number *out, const struct p256_number *a);
bool p256_is_zero(const struct p256_number *a);

/* @out may be an input in all of these. */
void p256_double(struct p256_point *out, const struct p256_point *p);
/*
 * @q's z is taken for 1; neither may be infinity. That @p and @q are the same point or each other's opposite is found by a branch: it
 * happens in no multiplication by a secret.
 */
void p256_add(struct p256_point *out, const struct p256_point *p, const struct p256_point *q);

enum { P256_BATCH = 32 };
/* All of up to P256_BATCH points, with one inversion, get z = 1. False, and they are as before: one of them is infinity. */
bool p256_normalize(struct p256_point *points, size_t n);

#endif
