/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sched_core

#if !defined(_TRACE_SCHED_CORE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_SCHED_CORE_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

struct core_view;
struct sched_core;

/* A CPU has decided which cookie its core runs. */
TRACE_EVENT(sched_core_decide,

	TP_PROTO(struct sched_core *core, const struct core_view *view, int cpu),

	TP_ARGS(core, view, cpu),

	TP_STRUCT__entry(
		__field(int,	cpu)
		__field(int,	leader)
		__field(u64,	cookie)
		__field(bool,	conflict)
	),

	TP_fast_assign(
		__entry->cpu		= cpu;
		__entry->leader		= core_view_leader(core, view);
		__entry->cookie		= core_view_cookie(view);
		__entry->conflict	= core->conflict;
	),

	TP_printk("cpu=%d leader_cpu=%d cookie=%llu conflict=%d",
		  __entry->cpu, __entry->leader, __entry->cookie,
		  __entry->conflict)
);

/* A CPU goes on with a task; forced: with idle, although others wait. */
TRACE_EVENT(sched_core_run,

	TP_PROTO(int cpu, struct task_struct *p, bool forced),

	TP_ARGS(cpu, p, forced),

	TP_STRUCT__entry(
		__field(int,	cpu)
		__field(pid_t,	pid)
		__field(u64,	cookie)
		__field(bool,	forced)
	),

	TP_fast_assign(
		__entry->cpu		= cpu;
		__entry->pid		= p->pid;
		__entry->cookie		= core_cookie_number(p);
		__entry->forced		= forced;
	),

	TP_printk("cpu=%d pid=%d cookie=%llu forced_idle=%d",
		  __entry->cpu, __entry->pid, __entry->cookie,
		  __entry->forced)
);

/* A CPU that would idle has taken a waiting task from another. */
TRACE_EVENT(sched_core_steal,

	TP_PROTO(struct task_struct *p, int src, int dst),

	TP_ARGS(p, src, dst),

	TP_STRUCT__entry(
		__field(pid_t,	pid)
		__field(u64,	cookie)
		__field(int,	src)
		__field(int,	dst)
	),

	TP_fast_assign(
		__entry->pid		= p->pid;
		__entry->cookie		= core_cookie_number(p);
		__entry->src		= src;
		__entry->dst		= dst;
	),

	TP_printk("pid=%d cookie=%llu src_cpu=%d dst_cpu=%d",
		  __entry->pid, __entry->cookie, __entry->src, __entry->dst)
);

/* A task gets another cookie. */
TRACE_EVENT(sched_core_cookie,

	TP_PROTO(struct task_struct *p, u64 from, u64 to),

	TP_ARGS(p, from, to),

	TP_STRUCT__entry(
		__field(pid_t,	pid)
		__field(u64,	from)
		__field(u64,	to)
	),

	TP_fast_assign(
		__entry->pid		= p->pid;
		__entry->from		= from;
		__entry->to		= to;
	),

	TP_printk("pid=%d from=%llu to=%llu",
		  __entry->pid, __entry->from, __entry->to)
);

#endif /* _TRACE_SCHED_CORE_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
