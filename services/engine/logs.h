/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LOGS_H
#define ENGINE_LOGS_H

/* GET /containers/ID/logs: the log files, a frame a line (log_lines.h). */

struct engine;
struct http_req;

void logs_handle(struct engine *e, struct http_req *r, const char *name);

#endif
