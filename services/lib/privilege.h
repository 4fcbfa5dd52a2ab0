/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_PRIVILEGE_H
#define LIB_PRIVILEGE_H

#include "lib/util.h"

#define PRIVILEGE(cap) (UINT64_C(1) << (cap))

/**
 * privilege_keep() - give up every capability but these, for good
 * @caps:	PRIVILEGE(CAP_...) of each that is kept
 *
 * The bounding set is emptied and no new privileges can be gained, so that a program that is executed has none either.
 * Return: 0 or -errno.
 */
must_check int privilege_keep(uint64_t caps);

#endif
