/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM isolation

#if !defined(_TRACE_ISOLATION_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_ISOLATION_H

#include <linux/smp.h>
#include <linux/tracepoint.h>
#include <uapi/linux/task_isolation.h>

#define show_isolation_features(mask)			\
	__print_flags(mask, "|",			\
		{ ISOL_F_QUIESCE_ON_URET,	"quiesce" },	\
		{ ISOL_F_BLOCK_INTERRUPTORS,	"block" })

#define show_isolation_actions(mask)			\
	__print_flags(mask, "|",			\
		{ ISOL_F_QUIESCE_VMSTAT_SYNC,	"vmstat" },	\
		{ ISOL_F_QUIESCE_NOHZ_FULL,	"nohz_full" },	\
		{ ISOL_F_QUIESCE_DEFER_TLB_FLUSH, "defer_tlb" },	\
		{ ISOL_F_QUIESCE_DEFER_TEXT_SYNC, "defer_text" })

#define show_isolation_reasons(mask)			\
	__print_flags(mask, "|",			\
		{ 1 << ISOL_BREAK_TIMER,	"timer" },	\
		{ 1 << ISOL_BREAK_RESCHED,	"resched" },	\
		{ 1 << ISOL_BREAK_CALL,		"call" },	\
		{ 1 << ISOL_BREAK_TLB,		"tlb" },	\
		{ 1 << ISOL_BREAK_IRQ_WORK,	"irq_work" },	\
		{ 1 << ISOL_BREAK_DEVICE,	"device" },	\
		{ 1 << ISOL_BREAK_NMI,		"nmi" },	\
		{ 1 << ISOL_BREAK_FAULT,	"fault" },	\
		{ 1 << ISOL_BREAK_SWITCH,	"switch" },	\
		{ 1 << ISOL_BREAK_MIGRATE,	"migrate" },	\
		{ 1 << ISOL_BREAK_OTHER,	"other" })

/* What a task asks for became something else. */
TRACE_EVENT(isolation_config,

	TP_PROTO(u32 features, u32 quiesce),

	TP_ARGS(features, quiesce),

	TP_STRUCT__entry(
		__field(u32,	features)
		__field(u32,	quiesce)
	),

	TP_fast_assign(
		__entry->features = features;
		__entry->quiesce = quiesce;
	),

	TP_printk("features=%s quiesce=%s",
		  show_isolation_features(__entry->features),
		  show_isolation_actions(__entry->quiesce))
);

/* On the way to user mode there was something to do, and it was done. */
TRACE_EVENT(isolation_quiesce,

	TP_PROTO(u32 done),

	TP_ARGS(done),

	TP_STRUCT__entry(
		__field(u32,	done)
	),

	TP_fast_assign(
		__entry->done = done;
	),

	TP_printk("done=%s", show_isolation_actions(__entry->done))
);

/* User mode was interrupted.  The length of NMIs is not known, hence 0. */
TRACE_EVENT(isolation_break,

	TP_PROTO(u32 reasons, u64 ns),

	TP_ARGS(reasons, ns),

	TP_STRUCT__entry(
		__field(u32,	reasons)
		__field(u64,	ns)
	),

	TP_fast_assign(
		__entry->reasons = reasons;
		__entry->ns = ns;
	),

	TP_printk("reasons=%s ns=%llu",
		  show_isolation_reasons(__entry->reasons), __entry->ns)
);

/* Another CPU has a function called on that of a task which quiesces. */
TRACE_EVENT(isolation_call,

	TP_PROTO(int cpu, smp_call_func_t func),

	TP_ARGS(cpu, func),

	TP_STRUCT__entry(
		__field(int,	cpu)
		__field(void *,	func)
	),

	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->func = func;
	),

	TP_printk("cpu=%d func=%ps", __entry->cpu, __entry->func)
);

/* What another CPU wanted was put off until the CPU of the task enters the kernel. */
TRACE_EVENT(isolation_defer,

	TP_PROTO(int cpu, u32 action),

	TP_ARGS(cpu, action),

	TP_STRUCT__entry(
		__field(int,	cpu)
		__field(u32,	action)
	),

	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->action = action;
	),

	TP_printk("cpu=%d action=%s", __entry->cpu,
		  show_isolation_actions(__entry->action))
);

/* The interruption is told to whom it may concern. */
TRACE_EVENT(isolation_notify,

	TP_PROTO(int signal, bool eventfd),

	TP_ARGS(signal, eventfd),

	TP_STRUCT__entry(
		__field(int,	signal)
		__field(bool,	eventfd)
	),

	TP_fast_assign(
		__entry->signal = signal;
		__entry->eventfd = eventfd;
	),

	TP_printk("signal=%d eventfd=%d", __entry->signal, __entry->eventfd)
);

#endif /* _TRACE_ISOLATION_H */

#include <trace/define_trace.h>
