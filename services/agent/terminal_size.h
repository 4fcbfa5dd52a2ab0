/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_TERMINAL_SIZE_H
#define AGENT_TERMINAL_SIZE_H

/* What comes on the resize channel of exec and attach: objects with Width and Height, in any pieces. Zeroed is empty. */

#include "lib/util.h"

struct terminal_size {
	char text[128];
	size_t len;
};

/* true: *width and *height are new. What is no size is passed over. */
bool terminal_size_feed(
	struct terminal_size *s, const void *buf, size_t len, unsigned *width, unsigned *height);

#endif
