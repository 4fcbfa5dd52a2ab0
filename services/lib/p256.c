/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The prime is 2^256 - 2^224 + 2^192 + 2^96 - 1: of a product's sixteen words of 32 bits, the upper eight are folded into the lower
 * ones by additions and subtractions alone (SP 800-186, G.1.2). That leaves a few times 2^256, which is folded once more.
 */

#include "lib/p256.h"

typedef unsigned __int128 wide; /* NOLINT(readability-identifier-naming) */

static const struct p256_number prime = {
	{0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001}};

/* ---- numbers */

static uint64_t add(struct p256_number *out, const struct p256_number *a, const struct p256_number *b)
{
	wide sum = 0;

	for (size_t i = 0; i < P256_LIMBS; i++) {
		sum += (wide)a->limb[i] + b->limb[i];
		out->limb[i] = (uint64_t)sum;
		sum >>= 64;
	}
	return (uint64_t)sum;
}

static uint64_t subtract(struct p256_number *out, const struct p256_number *a, const struct p256_number *b)
{
	uint64_t borrow = 0;

	for (size_t i = 0; i < P256_LIMBS; i++) {
		wide left = (wide)a->limb[i] - b->limb[i] - borrow;

		out->limb[i] = (uint64_t)left;
		borrow = (uint64_t)(left >> 64) & 1;
	}
	return borrow;
}

/* @bit: 1 takes @a, 0 leaves @out */
static void choose(struct p256_number *out, const struct p256_number *a, uint64_t bit)
{
	uint64_t mask = 0 - bit;

	for (size_t i = 0; i < P256_LIMBS; i++)
		out->limb[i] ^= mask & (out->limb[i] ^ a->limb[i]);
}

/* @out + @high * 2^256, which is below two times the prime, with @high 0 or 1, gets below it. */
static void reduce_once(struct p256_number *out, uint64_t high)
{
	struct p256_number less;
	uint64_t borrow = subtract(&less, out, &prime);

	choose(out, &less, high | (borrow ^ 1));
}

static void field_add(struct p256_number *out, const struct p256_number *a, const struct p256_number *b)
{
	reduce_once(out, add(out, a, b));
}

static void field_sub(struct p256_number *out, const struct p256_number *a, const struct p256_number *b)
{
	struct p256_number more;
	uint64_t borrow = subtract(out, a, b);

	add(&more, out, &prime);
	choose(out, &more, borrow);
}

/* @word: sums of words; they become the number, and what is returned is to be multiplied by 2^256. */
static int64_t carry(struct p256_number *out, const int64_t word[static 2 * P256_LIMBS])
{
	int64_t t = 0;

	for (size_t i = 0; i < P256_LIMBS; i++) {
		uint64_t low;

		t += word[2 * i];
		low = (uint32_t)t;
		t = (t >> 32) + word[2 * i + 1];
		out->limb[i] = low | (uint64_t)t << 32;
		t >>= 32;
	}
	return t;
}

static void reduce(struct p256_number *out, const uint64_t product[static 2 * P256_LIMBS])
{
	int64_t a[4 * P256_LIMBS], t, w[2 * P256_LIMBS];
	struct p256_number more;

	for (size_t i = 0; i < 2 * P256_LIMBS; i++) {
		a[2 * i] = (uint32_t)product[i];
		a[2 * i + 1] = (int64_t)(product[i] >> 32);
	}
	w[0] = a[0] + a[8] + a[9] - a[11] - a[12] - a[13] - a[14];
	w[1] = a[1] + a[9] + a[10] - a[12] - a[13] - a[14] - a[15];
	w[2] = a[2] + a[10] + a[11] - a[13] - a[14] - a[15];
	w[3] = a[3] + 2 * (a[11] + a[12]) + a[13] - a[15] - a[8] - a[9];
	w[4] = a[4] + 2 * (a[12] + a[13]) + a[14] - a[9] - a[10];
	w[5] = a[5] + 2 * (a[13] + a[14]) + a[15] - a[10] - a[11];
	w[6] = a[6] + 3 * a[14] + 2 * a[15] + a[13] - a[8] - a[9];
	w[7] = a[7] + 3 * a[15] + a[8] - a[10] - a[11] - a[12] - a[13];
	t = carry(out, w);

	/* 2^256 is 2^224 - 2^192 - 2^96 + 1; t is between -5 and 6 */
	for (size_t i = 0; i < P256_LIMBS; i++) {
		w[2 * i] = (uint32_t)out->limb[i];
		w[2 * i + 1] = (int64_t)(out->limb[i] >> 32);
	}
	w[0] += t;
	w[3] -= t;
	w[6] -= t;
	w[7] += t;
	t = carry(out, w);

	/* between -1 and 1 by now, and the number is far from the end that it would run over */
	add(&more, out, &prime);
	choose(out, &more, (uint64_t)t >> 63);
	reduce_once(out, (uint64_t)(t > 0));
}

void p256_mul(struct p256_number *out, const struct p256_number *a, const struct p256_number *b)
{
	uint64_t product[2 * P256_LIMBS] = {0};

	for (size_t i = 0; i < P256_LIMBS; i++) {
		uint64_t high = 0;

		for (size_t k = 0; k < P256_LIMBS; k++) {
			wide sum = (wide)a->limb[i] * b->limb[k] + product[i + k] + high;

			product[i + k] = (uint64_t)sum;
			high = (uint64_t)(sum >> 64);
		}
		product[i + P256_LIMBS] = high;
	}
	reduce(out, product);
}

static void square(struct p256_number *out, const struct p256_number *a)
{
	p256_mul(out, a, a);
}

/* @out: @a to the power of 2^@times, times @b */
static void raise(
	struct p256_number *out, const struct p256_number *a, unsigned times, const struct p256_number *b)
{
	struct p256_number r = *a;

	while (times--)
		square(&r, &r);
	p256_mul(out, &r, b);
}

/* By Fermat: to the power of prime - 2, whose words of 32 bits are ffffffff 1 0 0 0 ffffffff ffffffff fffffffd. */
void p256_invert(struct p256_number *out, const struct p256_number *a)
{
	struct p256_number ones_2, ones_4, ones_8, ones_16, ones_32, r;

	raise(&ones_2, a, 1, a);
	raise(&ones_4, &ones_2, 2, &ones_2);
	raise(&ones_8, &ones_4, 4, &ones_4);
	raise(&ones_16, &ones_8, 8, &ones_8);
	raise(&ones_32, &ones_16, 16, &ones_16);
	raise(&r, &ones_32, 32, a);
	raise(&r, &r, 128, &ones_32);
	raise(&r, &r, 32, &ones_32);
	raise(&r, &r, 16, &ones_16);
	raise(&r, &r, 8, &ones_8);
	raise(&r, &r, 4, &ones_4);
	raise(&r, &r, 2, &ones_2);
	raise(out, &r, 2, a);
}

bool p256_is_zero(const struct p256_number *a)
{
	return !(a->limb[0] | a->limb[1] | a->limb[2] | a->limb[3]);
}

/* ---- points */

/* "dbl-2001-b" of the Explicit-Formulas Database: 3 multiplications, 5 squares */
void p256_double(struct p256_point *out, const struct p256_point *p)
{
	struct p256_number alpha, beta, gamma, delta, t, u;
	struct p256_point r;

	square(&delta, &p->z);
	square(&gamma, &p->y);
	p256_mul(&beta, &p->x, &gamma);

	field_sub(&t, &p->x, &delta);
	field_add(&u, &p->x, &delta);
	p256_mul(&t, &t, &u);
	field_add(&alpha, &t, &t);
	field_add(&alpha, &alpha, &t);

	field_add(&t, &p->y, &p->z);
	square(&t, &t);
	field_sub(&t, &t, &gamma);
	field_sub(&r.z, &t, &delta);

	field_add(&beta, &beta, &beta);
	field_add(&beta, &beta, &beta); /* 4 beta */
	square(&t, &alpha);
	field_sub(&t, &t, &beta);
	field_sub(&r.x, &t, &beta);

	field_add(&gamma, &gamma, &gamma);
	square(&gamma, &gamma);
	field_add(&gamma, &gamma, &gamma); /* 8 gamma^2 */
	field_sub(&t, &beta, &r.x);
	p256_mul(&t, &t, &alpha);
	field_sub(&r.y, &t, &gamma);
	*out = r;
}

/* 8 multiplications, 3 squares */
void p256_add(struct p256_point *out, const struct p256_point *p, const struct p256_point *q)
{
	struct p256_number h, r, hh, hhh, v, t;
	struct p256_point sum;

	square(&t, &p->z);
	p256_mul(&h, &q->x, &t);
	p256_mul(&t, &t, &p->z);
	p256_mul(&r, &q->y, &t);
	field_sub(&h, &h, &p->x);
	field_sub(&r, &r, &p->y);
	if (p256_is_zero(&h)) {
		if (p256_is_zero(&r))
			p256_double(out, p);
		else
			*out = (struct p256_point){0};
		return;
	}
	square(&hh, &h);
	p256_mul(&hhh, &hh, &h);
	p256_mul(&v, &p->x, &hh);
	p256_mul(&sum.z, &p->z, &h);

	square(&t, &r);
	field_sub(&t, &t, &hhh);
	field_sub(&t, &t, &v);
	field_sub(&sum.x, &t, &v);

	field_sub(&t, &v, &sum.x);
	p256_mul(&t, &t, &r);
	p256_mul(&hhh, &hhh, &p->y);
	field_sub(&sum.y, &t, &hhh);
	*out = sum;
}

/* @inverse: 1 / z */
static void make_affine(struct p256_point *p, const struct p256_number *inverse)
{
	struct p256_number t;

	square(&t, inverse);
	p256_mul(&p->x, &p->x, &t);
	p256_mul(&t, &t, inverse);
	p256_mul(&p->y, &p->y, &t);
	p->z = (struct p256_number){{1}};
}

/* Montgomery's trick: from the inverse of all z's product, and the products on the way to it, those of each. */
bool p256_normalize(struct p256_point *points, size_t n)
{
	struct p256_number product[P256_BATCH], inverse, one;

	product[0] = points[0].z;
	for (size_t i = 1; i < n; i++)
		p256_mul(&product[i], &product[i - 1], &points[i].z);
	if (p256_is_zero(&product[n - 1]))
		return false;
	p256_invert(&inverse, &product[n - 1]);
	for (size_t i = n; i-- > 1;) {
		p256_mul(&one, &inverse, &product[i - 1]);
		p256_mul(&inverse, &inverse, &points[i].z);
		make_affine(&points[i], &one);
	}
	make_affine(&points[0], &inverse);
	return true;
}
