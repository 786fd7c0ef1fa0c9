/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rseq_slice

#if !defined(_TRACE_RSEQ_SLICE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_RSEQ_SLICE_H

#include <linux/rseq_slice_types.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_WORK);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_CLASS);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_CORE);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_RUNTIME);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_TIMER);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_MEMORY);
TRACE_DEFINE_ENUM(RSEQ_SLICE_NO_AGAIN);

TRACE_DEFINE_ENUM(RSEQ_SLICE_YIELDED);
TRACE_DEFINE_ENUM(RSEQ_SLICE_ABORTED);
TRACE_DEFINE_ENUM(RSEQ_SLICE_EXPIRED);
TRACE_DEFINE_ENUM(RSEQ_SLICE_REVOKED);
TRACE_DEFINE_ENUM(RSEQ_SLICE_SWITCHED);
TRACE_DEFINE_ENUM(RSEQ_SLICE_DROPPED);

#define show_rseq_slice_refusal(why)			\
	__print_symbolic(why,				\
		{ RSEQ_SLICE_NO_WORK,		"work" },	\
		{ RSEQ_SLICE_NO_CLASS,		"class" },	\
		{ RSEQ_SLICE_NO_CORE,		"core" },	\
		{ RSEQ_SLICE_NO_RUNTIME,	"runtime" },	\
		{ RSEQ_SLICE_NO_TIMER,		"timer" },	\
		{ RSEQ_SLICE_NO_MEMORY,		"memory" },	\
		{ RSEQ_SLICE_NO_AGAIN,		"again" })

#define show_rseq_slice_end(how)			\
	__print_symbolic(how,				\
		{ RSEQ_SLICE_YIELDED,		"yielded" },	\
		{ RSEQ_SLICE_ABORTED,		"aborted" },	\
		{ RSEQ_SLICE_EXPIRED,		"expired" },	\
		{ RSEQ_SLICE_REVOKED,		"revoked" },	\
		{ RSEQ_SLICE_SWITCHED,		"switched" },	\
		{ RSEQ_SLICE_DROPPED,		"dropped" })

/* A reschedule was suppressed and the timer that brings it back is armed. */
TRACE_EVENT(rseq_slice_grant,

	TP_PROTO(unsigned int nsec),

	TP_ARGS(nsec),

	TP_STRUCT__entry(
		__field(unsigned int,	nsec)
	),

	TP_fast_assign(
		__entry->nsec = nsec;
	),

	TP_printk("nsec=%u", __entry->nsec)
);

/* A request was answered by rescheduling at once. */
TRACE_EVENT(rseq_slice_refuse,

	TP_PROTO(enum rseq_slice_refusal why),

	TP_ARGS(why),

	TP_STRUCT__entry(
		__field(u8,	why)
	),

	TP_fast_assign(
		__entry->why = why;
	),

	TP_printk("why=%s", show_rseq_slice_refusal(__entry->why))
);

/* The timer of a live grant fired: the suppressed reschedule is back. */
TRACE_EVENT(rseq_slice_overdue,

	TP_PROTO(u64 used),

	TP_ARGS(used),

	TP_STRUCT__entry(
		__field(u64,	used)
	),

	TP_fast_assign(
		__entry->used = used;
	),

	TP_printk("used_ns=%llu", __entry->used)
);

/* A grant is over. */
TRACE_EVENT(rseq_slice_end,

	TP_PROTO(const struct task_struct *t, enum rseq_slice_end how, u64 used),

	TP_ARGS(t, how, used),

	TP_STRUCT__entry(
		__field(pid_t,	pid)
		__field(u8,	how)
		__field(u64,	used)
	),

	TP_fast_assign(
		__entry->pid = t->pid;
		__entry->how = how;
		__entry->used = used;
	),

	TP_printk("pid=%d how=%s used_ns=%llu", __entry->pid,
		  show_rseq_slice_end(__entry->how), __entry->used)
);

#endif /* _TRACE_RSEQ_SLICE_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
