/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_NFT_INT_H
#define LIB_NFT_INT_H

/* What nft.c and nft_rule.c share. */

#include "lib/nft.h"

void nft_message(struct nft *b, uint16_t type, uint16_t flags);
void nft_put_comment(struct nft *b, uint16_t attr, const char *comment);
void nft_put_value(struct nft *b, uint16_t attr, const void *data, size_t len);
void nft_put_verdict(struct nft *b, uint16_t attr, int32_t verdict, const char *chain);

#endif
