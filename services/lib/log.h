/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "util.h"

/*
 * One line a fact, `level=info key=value ...`, to stderr; init stamps the time and names the service.
 * An error is logged once, where it arises. Values with spaces or quotes are written through "%s" in
 * double quotes by the caller: log_info("svc=%s msg=\"%s\"", ...). Never a secret. A line is at most
 * LOG_LINE_MAX bytes, longer ones are cut, and each is a single write(2).
 */
enum { LOG_LINE_MAX = 1024 };

void log_info(const char *fmt, ...) printf_like(1, 2);
void log_warn(const char *fmt, ...) printf_like(1, 2);
void log_error(const char *fmt, ...) printf_like(1, 2);

/**
 * log_errno() - log a failure and its cause
 * @err: positive errno value
 *
 * Appends ` error="<strerror(err)>"`. Return: -@err, so that it can be returned at once.
 */
int log_errno(int err, const char *fmt, ...) printf_like(2, 3);

#endif
