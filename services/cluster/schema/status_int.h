/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLUSTER_STATUS_INT_H
#define CLUSTER_STATUS_INT_H

#include <stdarg.h>

#include "cluster/schema/status.h"

struct status *status_new_v(int code, const char *reason, const char *format, va_list ap) printf_like(3, 0);

#endif
