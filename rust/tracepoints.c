// SPDX-License-Identifier: GPL-2.0-only

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/task_isolation.h>
