/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

/* A text in UTF-8 that was cut to a size ends with a whole character again. */
void text_end_whole(char *text);

#endif
